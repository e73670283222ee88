"""What a picture or a video is: looked at, not believed."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image, UnidentifiedImageError
from pymediainfo import MediaInfo

IMAGE_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
"""The only readers that are let near files from outside; JPEG's also reads MPO."""
VIDEO_TYPES = {"MPEG-4": "video/mp4", "QuickTime": "video/quicktime", "WebM": "video/webm"}
CODECS = {"AVC": "h264", "HEVC": "hevc", "VP8": "vp8", "VP9": "vp9", "AV1": "av1"}

Facts = dict[str, Any]


def inspect(content: bytes, *, size_bytes: int | None) -> Facts | None:
    """Return kind, type and dimensions of a file of which at least the beginning is given; `None` if it is neither
    a picture nor a video. What the beginning does not tell is missing."""
    return _image(content, size_bytes) or _video(content, size_bytes)


def _image(content: bytes, size_bytes: int | None) -> Facts | None:
    try:
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            mime = IMAGE_TYPES.get(image.format or "")
            if mime is None:
                return None
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError, struct.error, Image.DecompressionBombError):
        return None
    return {
        "kind": "image",
        "mime_type": mime,
        "size_bytes": size_bytes,
        "width_px": width,
        "height_px": height,
    }


def _video(content: bytes, size_bytes: int | None) -> Facts | None:
    parsed = MediaInfo.parse(io.BytesIO(content), parse_speed=0.0)
    general = parsed.general_tracks[0] if parsed.general_tracks else None
    mime = VIDEO_TYPES.get(getattr(general, "format", None) or "")
    if mime == "video/mp4" and content[8:12] == b"qt  ":
        mime = "video/quicktime"
    if mime is None:
        return None
    facts: Facts = {"kind": "video", "mime_type": mime, "size_bytes": size_bytes}
    if parsed.video_tracks:
        track = parsed.video_tracks[0]
        turned = float(track.rotation or 0) % 180 == 90
        width, height = (track.height, track.width) if turned else (track.width, track.height)
        facts |= {
            "width_px": width,
            "height_px": height,
            "codec": CODECS.get(track.format, str(track.format).lower()),
            "frame_rate": float(track.frame_rate) if track.frame_rate else None,
            "duration_seconds": float(track.duration) / 1000 if track.duration else None,
        }
    return facts
