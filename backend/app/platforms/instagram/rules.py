"""Instagram's limits, and the check of a draft against them.

Source of every figure unless noted: Instagram Platform › Content Publishing and › reference IG User Media, v25.0, read
2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain import captions
from app.platforms.base import AccountFacts, Draft, Finding, MediaItem, PlatformRules

IMAGE, REEL, CAROUSEL = "image", "reel", "carousel"

CAPTION_MAX_CHARS = 2_200
"""Unicode code points, hashtags included."""
HASHTAGS_MAX = 30
MENTIONS_MAX = 20
ALT_TEXT_MAX_CHARS = 1_000
"""Pictures only."""
IMAGE_MAX_BYTES = 8 * 1024 * 1024
"""The guide says 8 MB; error 36000 says 8 MiB, which is what is enforced."""
IMAGE_RATIO_MIN, IMAGE_RATIO_MAX = 4 / 5, 1.91
"""Width by height, feed pictures; a carousel is cropped to its first item."""
RATIO_TOLERANCE = 0.01
CAROUSEL_MIN, CAROUSEL_MAX = 2, 10
VIDEO_MAX_BYTES = 300 * 1_000_000
VIDEO_MIN_SECONDS, VIDEO_MAX_SECONDS = 3.0, 900.0
VIDEO_MAX_WIDTH_PX = 1_920
FRAME_RATE_MIN, FRAME_RATE_MAX = 23.0, 60.0
CODECS = frozenset({"h264", "avc1", "hevc", "h265", "hvc1", "hev1"})
IMAGE_TYPES = ("image/jpeg",)
VIDEO_TYPES = ("video/mp4", "video/quicktime")

RULES = PlatformRules(
    caption_max_chars=CAPTION_MAX_CHARS,
    hashtags_max=HASHTAGS_MAX,
    mentions_max=MENTIONS_MAX,
    images_max=CAROUSEL_MAX,
    image_max_bytes=IMAGE_MAX_BYTES,
    image_types=IMAGE_TYPES,
    video_max_bytes=VIDEO_MAX_BYTES,
    video_types=VIDEO_TYPES,
    video_min_seconds=VIDEO_MIN_SECONDS,
    video_max_seconds=VIDEO_MAX_SECONDS,
    post_types=(IMAGE, REEL, CAROUSEL),
)

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "share_to_feed": (REEL,),
    "thumb_offset_ms": (REEL,),
    "alt_text": (IMAGE,),
    "is_ai_generated": (IMAGE, REEL, CAROUSEL),
}
"""Options by name, with the post types that know them."""


def post_type(draft: Draft) -> str:
    """Return what a draft becomes: a single video is always a reel, several items are a carousel."""
    if draft.post_type:
        return draft.post_type
    if len(draft.media) > 1:
        return CAROUSEL
    return REEL if draft.media and draft.media[0].kind == "video" else IMAGE


def validate(draft: Draft, _facts: AccountFacts) -> list[Finding]:
    """Return everything Instagram would refuse in this draft."""
    kind = post_type(draft)
    if kind not in RULES.post_types:
        return [Finding("post_type", "unsupported_post_type", f"Instagram posts cannot be of the type “{kind}” here.")]
    return [*_text(draft), *_items(kind, draft), *_options(kind, draft.options, draft)]


def _text(draft: Draft) -> list[Finding]:
    found: list[Finding] = []
    text = captions.compose(draft.content, draft.hashtags)
    length = captions.code_points(text)
    if length > CAPTION_MAX_CHARS:
        message = f"{length} of {CAPTION_MAX_CHARS} characters: shorten the caption for Instagram."
        found.append(Finding("content", "caption_too_long", message))
    tags = len(captions.hashtags_in(text))
    if tags > HASHTAGS_MAX:
        message = f"{tags} of {HASHTAGS_MAX} hashtags: remove some for Instagram."
        found.append(Finding("hashtags", "too_many_hashtags", message))
    mentions = len(captions.mentions_in(text))
    if mentions > MENTIONS_MAX:
        message = f"{mentions} of {MENTIONS_MAX} mentions: remove some for Instagram."
        found.append(Finding("content", "too_many_mentions", message))
    return found


def _items(kind: str, draft: Draft) -> list[Finding]:
    count = len(draft.media)
    if count == 0:
        return [Finding("media_urls", "media_required", "Instagram needs a picture or a video: add one.")]
    if kind == CAROUSEL:
        if count < CAROUSEL_MIN:
            return [Finding("media_urls", "too_few_items", "A carousel needs at least 2 pictures or videos: add one.")]
        if count > CAROUSEL_MAX:
            message = f"{count} of {CAROUSEL_MAX} items: remove some pictures or videos for Instagram."
            return [Finding("media_urls", "too_many_items", message)]
    elif count > 1:
        message = f"{count} items: this kind of Instagram post takes one, several make a carousel."
        return [Finding("media_urls", "too_many_items", message)]
    elif kind == IMAGE and draft.media[0].kind != "image":
        return [Finding("media_urls", "wrong_media_kind", "An Instagram picture post needs a picture, not a video.")]
    elif kind == REEL and draft.media[0].kind != "video":
        return [Finding("media_urls", "wrong_media_kind", "A reel needs a video, not a picture.")]
    found: list[Finding] = []
    for index, item in enumerate(draft.media):
        field = "media_urls" if count == 1 else f"media_urls.{index}"
        found += _video(item, field) if item.kind == "video" else _image(item, field, first=index == 0)
    return found


def _image(item: MediaItem, field: str, *, first: bool) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in IMAGE_TYPES:
        found.append(Finding(field, "unsupported_media_type", "Instagram takes pictures as JPEG only: use a JPEG."))
    if item.size_bytes is not None and item.size_bytes > IMAGE_MAX_BYTES:
        message = f"{item.size_bytes / 1024 / 1024:.1f} of 8 MB: use a smaller picture for Instagram."
        found.append(Finding(field, "image_too_large", message))
    if first and item.width_px and item.height_px:
        ratio = item.width_px / item.height_px
        if not IMAGE_RATIO_MIN - RATIO_TOLERANCE <= ratio <= IMAGE_RATIO_MAX + RATIO_TOLERANCE:
            message = "The picture is too tall or too wide: crop it to between 4:5 and 1.91:1 for Instagram."
            found.append(Finding(field, "image_ratio", message))
    return found


def _video(item: MediaItem, field: str) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in VIDEO_TYPES:
        found.append(Finding(field, "unsupported_media_type", "Instagram takes videos as MP4 or MOV: convert it."))
    if item.size_bytes is not None and item.size_bytes > VIDEO_MAX_BYTES:
        message = f"{item.size_bytes / 1_000_000:.0f} of 300 MB: use a smaller video for Instagram."
        found.append(Finding(field, "video_too_large", message))
    if item.duration_seconds is not None:
        if item.duration_seconds < VIDEO_MIN_SECONDS:
            found.append(Finding(field, "video_too_short", "A video on Instagram lasts at least 3 seconds."))
        if item.duration_seconds > VIDEO_MAX_SECONDS:
            found.append(Finding(field, "video_too_long", "A video on Instagram lasts at most 15 minutes: cut it."))
    if item.width_px is not None and item.width_px > VIDEO_MAX_WIDTH_PX:
        message = f"{item.width_px} of {VIDEO_MAX_WIDTH_PX} pixels wide: use a smaller video for Instagram."
        found.append(Finding(field, "video_too_wide", message))
    if item.frame_rate is not None and not FRAME_RATE_MIN <= item.frame_rate <= FRAME_RATE_MAX:
        found.append(Finding(field, "frame_rate", "Instagram takes 23 to 60 frames per second: convert the video."))
    if item.codec is not None and item.codec.lower() not in CODECS:
        found.append(Finding(field, "codec", "Instagram takes H.264 or HEVC video: convert it."))
    return found


def _options(kind: str, options: Mapping[str, Any], draft: Draft) -> list[Finding]:
    found: list[Finding] = []
    for name, value in options.items():
        field = f"options.{name}"
        known_by = OPTIONS.get(name)
        if known_by is None or kind not in known_by:
            found.append(Finding(field, "unknown_option", f"This Instagram post has no option “{name}”: remove it."))
        elif value is None:
            continue
        elif name in ("share_to_feed", "is_ai_generated"):
            if not isinstance(value, bool):
                found.append(Finding(field, "invalid_option", f"“{name}” is either on or off."))
        elif name == "alt_text":
            if not isinstance(value, str) or len(value) > ALT_TEXT_MAX_CHARS:
                message = f"The alternative text is a text of at most {ALT_TEXT_MAX_CHARS} characters."
                found.append(Finding(field, "invalid_option", message))
        elif isinstance(value, bool) or not isinstance(value, int) or value < 0 or _beyond(value, draft.media):
            message = "The cover moment is a number of milliseconds within the video."
            found.append(Finding(field, "invalid_option", message))
    return found


def _beyond(offset_ms: int, media: tuple[MediaItem, ...]) -> bool:
    seconds = media[0].duration_seconds if media else None
    return seconds is not None and offset_ms >= seconds * 1000
