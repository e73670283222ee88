"""A picture and a video that look like what a phone takes: a landscape with a face, saturated colours, small text and
marks that tell which way is up."""

from __future__ import annotations

import subprocess
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from app.storage.transcode import ffmpeg
from tests.factories.media_files import display_p3

UPRIGHT = (1080, 1620)
"""The shape of a phone's photograph held upright, 2:3; the picture is this many times larger."""
TIMES = 4
SKIN, SKIN_SHADE = (226, 178, 148), (182, 126, 98)
P3_PATCHES = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "orange": (250, 120, 30)}
"""Values in Display P3; the first three lie outside what sRGB can show."""


def scene(size: tuple[int, int]) -> Image.Image:
    """Draw it upright, with numbers meant in Display P3."""
    width, height = size
    unit = width / 1080
    sky = Image.linear_gradient("L").resize((width, height * 6 // 10))
    picture = Image.new("RGB", size, (84, 112, 60))
    blue, pale = Image.new("RGB", sky.size, (40, 108, 210)), Image.new("RGB", sky.size, (238, 214, 188))
    picture.paste(Image.composite(pale, blue, sky), (0, 0))
    ground = Image.linear_gradient("L").resize((width, height - sky.height))
    near, far = Image.new("RGB", ground.size, (58, 84, 36)), Image.new("RGB", ground.size, (130, 152, 88))
    picture.paste(Image.composite(near, far, ground), (0, sky.height))
    draw = ImageDraw.Draw(picture)

    def spot(x: float, y: float, rx: float, ry: float, color: tuple[int, int, int]) -> None:
        box = ((x - rx) * width, y * height - ry * width, (x + rx) * width, y * height + ry * width)
        draw.ellipse(box, fill=color)

    for number in range(60):  # fine lines towards the horizon: aliasing shows here
        x = number * width / 59
        draw.line((x, height, width * 0.62, sky.height), fill=(70, 92, 44), width=max(1, round(unit)))
    spot(0.78, 0.16, 0.09, 0.09, (255, 238, 170))
    spot(0.36, 0.47, 0.19, 0.24, SKIN_SHADE)
    spot(0.37, 0.465, 0.175, 0.225, SKIN)
    for x in (0.30, 0.44):
        spot(x, 0.44, 0.022, 0.016, (250, 248, 245))
        spot(x, 0.44, 0.011, 0.011, (52, 84, 110))
    spot(0.37, 0.535, 0.06, 0.014, (176, 72, 74))
    side = width // 7
    for number, (name, color) in enumerate(P3_PATCHES.items()):
        x, y = width * 3 // 100 + number * (side + width // 50), height * 72 // 100
        draw.rectangle((x, y, x + side, y + side), fill=color)
        draw.text((x, y + side + 6 * unit), name, font=_font(26 * unit), fill="white")
    for number in range(16):  # steps of grey
        x = width * 3 // 100 + number * width * 94 // 1600
        draw.rectangle((x, height * 85 // 100, x + width * 94 // 1600, height * 89 // 100), fill=(number * 17,) * 3)
    draw.text((24 * unit, 16 * unit), "TOP LEFT", font=_font(64 * unit), fill="white")
    draw.text((24 * unit, height * 0.92), "Fresh coffee from seven, 3.50 a cup", font=_font(44 * unit), fill="white")
    draw.text((24 * unit, height * 0.955), "The quick brown fox 0123456789", font=_font(22 * unit), fill="white")
    left, top, arm = width * 0.72, height * 0.36, 60 * unit  # a mark off the centre
    draw.ellipse((left - arm, top - arm, left + arm, top + arm), outline="black", width=round(10 * unit))
    draw.line((left - arm, top, left + arm, top), fill="white", width=round(6 * unit))
    draw.line((left, top - arm, left, top + arm), fill="white", width=round(6 * unit))
    return picture


def with_grain(picture: Image.Image) -> Image.Image:
    """Add the grain of a sensor, without which a picture packs into next to nothing."""
    grain = Image.effect_noise(picture.size, 16)
    return ImageChops.add(picture, Image.merge("RGB", (grain,) * 3), offset=-128)


def make_picture(path: Path) -> Path:
    """Write a photograph as a phone does: 28 megapixels in Display P3, stored lying, to be turned when shown."""
    upright = with_grain(scene((UPRIGHT[0] * TIMES, UPRIGHT[1] * TIMES)))
    lying = upright.transpose(Image.Transpose.ROTATE_90)  # against the clock
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90° with the clock
    lying.save(path, "JPEG", quality=95, icc_profile=display_p3(), exif=exif)
    return path


def make_video(path: Path, *, seconds: float = 8.0) -> Path:
    """Write a video as a phone does of its own screen: taller than reels may be, H.265 in Display P3, stored lying, at
    an uneven frame rate; a ball moves."""
    still, ball, flat = path.with_suffix(".still.png"), path.with_suffix(".ball.png"), path.with_suffix(".flat.mov")
    with_grain(scene((1080, 2340))).save(still, compress_level=1)
    drawn = Image.new("RGBA", (120, 120))
    ImageDraw.Draw(drawn).ellipse((4, 4, 116, 116), fill=(240, 40, 160, 255), outline="white", width=6)
    drawn.save(ball)
    moving = "[0:v][1:v]overlay=x='100+110*t':y='1400-60*abs(sin(3*t))',select='not(eq(mod(n,7),3))'"
    wide = "scale=out_color_matrix=bt709:out_range=tv,transpose=2,format=yuv420p"
    colors = ("-color_primaries", "smpte432", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
    run_ffmpeg(
        "-loop", "1", "-framerate", "30", "-t", str(seconds), "-i", str(still),
        "-loop", "1", "-framerate", "30", "-t", str(seconds), "-i", str(ball),
        "-f", "lavfi", "-i", f"sine=frequency=440:d={seconds}:r=44100",
        "-filter_complex", f"{moving},{wide}[made]", "-map", "[made]", "-map", "2:a", "-fps_mode", "passthrough",
        "-c:v", "libx265", "-preset", "ultrafast", "-crf", "20", "-tag:v", "hvc1",
        "-x265-params", "log-level=none:colorprim=12:transfer=1:colormatrix=1:range=limited", *colors,
        "-c:a", "aac", str(flat),
    )  # fmt: skip
    run_ffmpeg("-display_rotation", "-90", "-i", str(flat), "-c", "copy", str(path))
    for used in (still, ball, flat):
        used.unlink()
    return path


def run_ffmpeg(*arguments: str) -> None:
    subprocess.run([ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)  # noqa: S603


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
