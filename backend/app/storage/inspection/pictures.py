"""Pictures: what they are, and made into what platforms take."""

from __future__ import annotations

import io
import mmap
import os
import struct
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pi_heif
from PIL import Image, ImageCms, ImageFilter, ImageOps, ImageStat, UnidentifiedImageError

from app.storage.inspection.pictures_shape import walk
from app.storage.inspection.signatures import refuse_archive_at_end
from app.storage.refusals import FileRefused

PIXELS_MAX = 60_000_000
SIDE_MAX_PX = 30_000
FILE_MAX_BYTES = 150_000_000
FORMATS = {"jpeg": ("JPEG",), "png": ("PNG",), "webp": ("WEBP",), "gif": ("GIF",), "heic": ("HEIF",)}
"""The only readers that are let near files from outside; JPEG's also reads MPO."""
TURNED = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
SWAPPED = (5, 6, 7, 8)
ORIENTATION = 0x0112
QUALITIES = (90, 85, 80, 74, 68, 60, 50, 40)
SOLID_DEVIATION = 9.0
"""Standard deviation, of 255, up to which a picture's border counts as one colour."""
DAMAGE = (OSError, ValueError, struct.error, SyntaxError, zlib.error, EOFError, KeyError, IndexError, TypeError)

pi_heif.register_heif_opener(thumbnails=False)  # turns pictures upright by itself, as HEIC says how to
Image.MAX_IMAGE_PIXELS = None  # judged by the header, before anything is unpacked
warnings.simplefilter("ignore")


def examine(path: str, kind: str, *, partial: bool) -> dict[str, Any]:
    """Return the facts of a picture that was unpacked as a whole. Raises `FileRefused`."""
    size = Path(path).stat().st_size
    if size > FILE_MAX_BYTES:
        raise FileRefused("media_picture_too_large")
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        walk(kind, content, partial=partial)
        if not partial:
            refuse_archive_at_end(content[-66_000:], size)
    return _facts(path, kind, partial=partial)


def _facts(path: str, kind: str, *, partial: bool) -> dict[str, Any]:
    if partial and kind == "heic":  # its reader wants the whole file; what it is is known all the same
        return {"kind": "image", "mime_type": "image/heic"}
    try:
        with Image.open(path, formats=FORMATS[kind]) as image:
            width, height = image.size
            _refuse_size(width, height)
            orientation = image.getexif().get(ORIENTATION, 1)
            facts = {
                "kind": "image",
                "mime_type": f"image/{kind}",
                "width_px": height if orientation in SWAPPED else width,
                "height_px": width if orientation in SWAPPED else height,
                "rotation_degrees": TURNED.get(orientation, 0),
                "color_space": color_space(image),
            }
            if not partial:
                if kind == "jpeg":
                    image.draft("RGB", (width // 8, height // 8))  # every byte is read, few pixels are made
                image.load()
    except UnidentifiedImageError as error:
        raise FileRefused("media_corrupt") from error
    except DAMAGE as error:
        cut = "truncated" in str(error) or "not enough" in str(error) or isinstance(error, EOFError)
        raise FileRefused("media_truncated" if cut else "media_corrupt") from error
    return facts


def _refuse_size(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise FileRefused("media_too_many_pixels")
    if min(width, height) < 2 or max(width, height) > SIDE_MAX_PX:
        raise FileRefused("media_dimensions")


def color_space(image: Image.Image) -> str:
    """Return `srgb`, or what else the file says."""
    if image.mode == "CMYK":
        return "cmyk"
    profile = image.info.get("icc_profile")
    if not profile:
        return "srgb"
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip().lower()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "srgb"
    for word, known in (("srgb", "srgb"), ("p3", "display-p3"), ("adobe", "adobe-rgb"), ("prophoto", "prophoto-rgb")):
        if word in name:
            return known
    return "other"


# ---------------------------------------------------------------------------------------------------------------------
# Made into what platforms take


def convert(path: str, kind: str, target: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Write a baseline JPEG in sRGB that keeps a recipe's limits, and return its facts. Raises `FileRefused`."""
    width, height = recipe["width_px"], recipe["height_px"]
    try:
        with Image.open(path, formats=FORMATS[kind]) as opened:
            _refuse_size(*opened.size)
            if kind == "jpeg":
                opened.draft("RGB", (width * 2, height * 2))
            picture = _upright(opened, most=max(width, height) * 2)
    except UnidentifiedImageError as error:
        raise FileRefused("media_corrupt") from error
    except DAMAGE as error:
        raise FileRefused("media_corrupt") from error
    made = crop(picture, width, height) if recipe["fit"] == "crop" else pad(picture, width, height)
    _write(made, target, recipe["max_bytes"])
    return {
        "kind": "image",
        "mime_type": "image/jpeg",
        "size_bytes": Path(target).stat().st_size,
        "width_px": width,
        "height_px": height,
        "rotation_degrees": 0,
        "color_space": "srgb",
    }


def _upright(opened: Image.Image, *, most: int) -> Image.Image:
    """Return the picture in sRGB, the right way up, on white, no larger than is of use."""
    profile = opened.info.get("icc_profile")
    orientation = opened.getexif().get(ORIENTATION, 1)
    opened.load()
    picture: Image.Image = opened
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        picture = picture.point(lambda value: value / 256).convert("L")
    if picture.mode in ("P", "PA", "LA", "La", "RGBa", "1") or "transparency" in picture.info:
        picture = picture.convert("RGBA") if has_alpha(picture) else picture.convert("RGB")
    if max(picture.size) > most:
        if picture.mode == "RGBA":
            picture = picture.convert("RGBa")  # colours of transparent pixels must not bleed into their neighbours
        picture.thumbnail((most, most), Image.Resampling.LANCZOS, reducing_gap=3.0)
        if picture.mode == "RGBa":
            picture = picture.convert("RGBA")
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    picture = to_srgb(picture.convert("RGB") if alpha is not None else picture, profile)
    if alpha is not None:
        white = Image.new("RGB", picture.size, (255, 255, 255))
        white.paste(picture, mask=alpha)
        picture = white
    method = _TURNS.get(orientation)
    return picture.transpose(method) if method is not None else picture


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert colours, not just their label. A profile that cannot be read is as good as none."""
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                picture,
                source,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            return picture.convert("RGB")
        assert converted is not None
        return converted
    return picture.convert("RGB")


def crop(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Fill the frame and cut off what stands over, equally on both sides."""
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def pad(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Show the whole picture and fill the rest: with the colour of its border where that is one colour, as behind a
    product on white, else with the picture itself, enlarged and blurred."""
    inner = ImageOps.contain(picture, (width, height), Image.Resampling.LANCZOS)
    if abs(inner.width - width) <= 1 and abs(inner.height - height) <= 1:
        return inner.resize((width, height), Image.Resampling.LANCZOS) if inner.size != (width, height) else inner
    frame = _backdrop(picture, width, height)
    frame.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return frame


def _backdrop(picture: Image.Image, width: int, height: int) -> Image.Image:
    small = ImageOps.contain(picture, (200, 200))
    w, h = small.size
    edges = [(0, 0, w, 2), (0, h - 2, w, h), (0, 0, 2, h), (w - 2, 0, w, h)]
    border = Image.new("RGB", (max(w, h), 8))
    for row, box in enumerate(edges):
        border.paste(small.crop(box).resize((max(w, h), 2)), (0, row * 2))
    looks = ImageStat.Stat(border)
    if max(looks.stddev) <= SOLID_DEVIATION:
        red, green, blue = (round(value) for value in looks.median)
        return Image.new("RGB", (width, height), (red, green, blue))
    blurred = ImageOps.fit(small, (max(8, width // 8), max(8, height // 8)), Image.Resampling.BILINEAR)
    blurred = blurred.filter(ImageFilter.GaussianBlur(max(blurred.size) / 24))
    return blurred.resize((width, height), Image.Resampling.BICUBIC)


def _write(picture: Image.Image, target: str, max_bytes: int) -> None:
    """Write the best JPEG that is small enough, without anything but the picture. Raises `FileRefused`."""
    for quality in QUALITIES:
        picture.save(target, "JPEG", quality=quality, optimize=True, progressive=False, subsampling="4:2:0")
        if Path(target).stat().st_size <= max_bytes:
            return
    os.unlink(target)
    raise FileRefused("media_picture_too_large")
