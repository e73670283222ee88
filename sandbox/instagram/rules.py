"""Instagram's media limits. Source for all: Instagram Platform › reference › IG User Media (read 2026-09-11)."""

from __future__ import annotations

import re

from sandbox.instagram import errors
from sandbox.media import Facts
from sandbox.meta.errors import bad_parameter

CAPTION_CHARS = 2_200
"""Longest caption, characters."""
CAPTION_HASHTAGS = 30
CAPTION_MENTIONS = 20
ALT_CHARS = 1_000
"""Longest alternative text, characters."""
IMAGE_BYTES = 8 * 1024 * 1024
"""Largest image: 8 MB, called 8 MiB in the error message."""
IMAGE_RATIOS = (0.8, 1.91)
"""Width divided by height of a feed image: 4:5 to 1.91:1."""
VIDEO_BYTES = 300_000_000
"""Largest reel: 300 MB."""
VIDEO_SECONDS = (3.0, 15 * 60.0)
STORY_BYTES = 100_000_000
STORY_SECONDS = 60.0
STORY_RATIO = 0.1
"""A story's video: at most 100 MB and 60 s, ratio from 0.1:1."""
VIDEO_FPS = (23.0, 60.0)
VIDEO_RATIOS = (0.01, 10.0)
VIDEO_WIDTH = 1_920
"""Widest reel, pixels."""
VIDEO_BIT_RATE = 25_000_000
"""Highest bit rate, bits per second."""
AUDIO_HZ = 48_000
CAROUSEL_ITEMS = (2, 10)

VIDEO_REFUSED = 2207026
"""Subcode: unsupported video format."""
THUMB_OUTSIDE = 2207057
"""Subcode: thumb_offset outside the video."""

_ROUNDING = 0.005


def check_caption(caption: str) -> None:
    """Refuse a caption that is too long or has too many hashtags or mentions."""
    if len(caption) > CAPTION_CHARS or len(re.findall(r"(?<!\w)#\w", caption)) > CAPTION_HASHTAGS:
        raise errors.caption_too_long()
    if len(re.findall(r"(?<!\w)@\w", caption)) > CAPTION_MENTIONS:
        raise errors.too_many_tags()


def check_alt(alt: str) -> None:
    """Refuse an alternative text that is too long."""
    if len(alt) > ALT_CHARS:
        raise bad_parameter(f"Param alt_text must be at most {ALT_CHARS} characters long")


def check_jpeg(url: str, content_type: str, facts: Facts) -> None:
    """Refuse a picture that is no JPEG or too large."""
    if not content_type.startswith("image/") or facts.kind == "video":
        raise errors.fetch_failed(url)
    if facts.size > IMAGE_BYTES:
        raise errors.image_too_large()
    if facts.kind != "image" or facts.format != "JPEG" or content_type not in ("image/jpeg", "image/jpg"):
        raise errors.image_format()


def check_ratio(facts: Facts) -> None:
    """Refuse a picture of a shape that the feed does not show; stories show any."""
    low, high = IMAGE_RATIOS
    if not low - _ROUNDING <= facts.ratio <= high + _ROUNDING:
        raise errors.image_ratio(facts.ratio)


def video_problem(kind: str, facts: Facts, thumb_offset_ms: int) -> int:
    """Return the subcode with which processing of a video ends; 0 = it is fine."""
    if facts.kind != "video" or not _is_supported(facts):
        return VIDEO_REFUSED
    if kind == "story_video" and (
        facts.size > STORY_BYTES or round(facts.duration, 1) > STORY_SECONDS or facts.ratio < STORY_RATIO
    ):
        return VIDEO_REFUSED
    if thumb_offset_ms and thumb_offset_ms >= facts.duration * 1_000:
        return THUMB_OUTSIDE
    return 0


def _is_supported(facts: Facts) -> bool:
    return (
        facts.format in ("MPEG-4", "QuickTime")
        and facts.is_moov_first
        and facts.video_codec in ("AVC", "HEVC")
        and facts.is_progressive
        and facts.chroma in ("", "4:2:0")
        and VIDEO_FPS[0] - 0.1 <= facts.fps <= VIDEO_FPS[1] + 0.1
        and facts.width <= VIDEO_WIDTH
        and VIDEO_RATIOS[0] <= facts.ratio <= VIDEO_RATIOS[1]
        and VIDEO_SECONDS[0] <= round(facts.duration, 1) <= VIDEO_SECONDS[1]
        and facts.size <= VIDEO_BYTES
        and facts.bit_rate <= VIDEO_BIT_RATE
        and facts.audio_codec in ("", "AAC")
        and facts.sampling_hz <= AUDIO_HZ
        and facts.channels <= 2
    )
