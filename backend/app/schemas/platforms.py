"""What platforms allow, as data."""

from __future__ import annotations

from app.schemas.common import Read


class ImageLimitsRead(Read):
    """Null where the platform names no limit; ratios are width divided by height."""

    types: list[str]
    max_bytes: int
    ratio_min: float | None
    ratio_max: float | None
    short_side_max_px: int | None
    long_side_max_px: int | None


class VideoLimitsRead(Read):
    """Null where the platform names no limit; ratios are width divided by height."""

    types: list[str]
    codecs: list[str] | None
    max_bytes: int
    seconds_min: float
    seconds_max: float
    ratio_min: float | None
    ratio_max: float | None
    width_max_px: int | None
    side_min_px: int | None
    long_side_min_px: int | None
    side_max_px: int | None
    frame_rate_min: float | None
    frame_rate_max: float | None


class PostTypeRead(Read):
    name: str
    summary: str
    items_min: int
    items_max: int
    mixes: bool
    text_max: int
    text_required: bool
    image: ImageLimitsRead | None
    video: VideoLimitsRead | None


class OptionRead(Read):
    name: str
    kind: str
    summary: str
    post_types: list[str]
    choices: list[str]
    max_chars: int | None
    max_items: int | None


class PlatformRulesRead(Read):
    """`text_unit` says how texts are counted: `characters` (code points) or `utf16` (UTF-16 units)."""

    platform: str
    title: str
    text_unit: str
    hashtags_max: int | None
    mentions_max: int | None
    logins: list[str]
    post_types: list[PostTypeRead]
    options: list[OptionRead]
