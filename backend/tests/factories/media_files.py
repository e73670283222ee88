"""Pictures and videos like those from phones, made here."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from PIL import Image, ImageDraw

from app.storage.transcode import ffmpeg

P3_RED = (200, 60, 60)
P3_RED_IN_SRGB = (217, 42, 52)
"""The same colour, computed from both colour spaces' primaries."""
P3_GREEN = (70, 180, 80)
P3_GREEN_IN_SRGB = (0, 183, 64)


def display_p3() -> bytes:
    """Return an ICC profile of Display P3: its primaries seen from D50, and the curve of sRGB."""
    points = []
    for number in range(1024):
        value = number / 1023
        linear = value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        points.append(round(linear * 65535))
    curve = b"curv" + bytes(4) + struct.pack(">I", 1024) + struct.pack(">1024H", *points)

    def xyz(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))

    name = b"Display P3\x00"
    described = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {
        b"desc": described,
        b"cprt": b"text" + bytes(4) + b"none\x00",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags.items():
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\x00\x00\x00\x00", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + table + body


def photograph(path: Path, size: tuple[int, int] = (6000, 4000)) -> None:
    """Write a PNG in Display P3: a landscape with a red square at the top left and a green one at the bottom right."""
    width, height = size
    image = Image.radial_gradient("L").resize(size)
    image = Image.merge("RGB", (image, image.transpose(Image.Transpose.ROTATE_180), Image.new("L", size, 120)))
    draw = ImageDraw.Draw(image)
    for step in range(0, width, width // 40):
        draw.line((step, height, width // 2, height // 2), fill=(90, 70 + step * 100 // width, 60), width=12)
    draw.rectangle((0, 0, width // 4, height // 4), fill=P3_RED)
    draw.rectangle((width * 3 // 4, height * 3 // 4, width, height), fill=P3_GREEN)
    image.save(path, "PNG", icc_profile=display_p3(), compress_level=1)


def phone_video(path: Path, folder: Path, *, seconds: float = 4.0) -> None:
    """Write a video as phones do: stored lying and turned by 90°, H.265, frames at uneven distances, sound in AAC. A
    white square marks the upper left corner of the upright picture."""
    flat = folder / "flat.mov"
    source = f"testsrc2=s=1280x720:r=30:d={seconds}"
    marks = "drawbox=x=0:y=ih-160:w=160:h=160:color=white:t=fill"
    uneven = "select='not(eq(mod(n,7),3))',setpts='PTS+if(eq(mod(N,5),2),0.012/TB,0)'"
    _run(
        "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=frequency=440:d={seconds}:r=44100",
        "-vf", f"{marks},{uneven}", "-fps_mode", "passthrough", "-c:v", "libx265", "-x265-params", "log-level=none",
        "-tag:v", "hvc1", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(flat),
    )  # fmt: skip
    _run("-display_rotation", "-90", "-i", str(flat), "-c", "copy", str(path))


def video(path: Path, *options: str, seconds: float = 4.0, size: str = "640x360", rate: str = "30") -> None:
    """Write a plain H.264 video with sound."""
    _run(
        "-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}", "-f", "lavfi", "-i", f"sine=d={seconds}",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", *options, str(path),
    )  # fmt: skip


def large_video(path: Path, size: int) -> None:
    """Write a valid video of about so many bytes: noise, which does not compress, at a high rate."""
    piece = path.with_suffix(".piece.mp4")
    _run(
        "-f", "lavfi", "-i", "nullsrc=s=1280x720:r=30:d=6,geq=random(1)*255:128:128", "-c:v", "libx264",
        "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p", str(piece),
    )  # fmt: skip
    times = max(0, round(size / piece.stat().st_size) - 1)
    _run("-stream_loop", str(times), "-i", str(piece), "-c", "copy", "-movflags", "+faststart", str(path))
    piece.unlink()


def _run(*arguments: str) -> None:
    subprocess.run([ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True, capture_output=True)
