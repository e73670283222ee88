"""TikTok's limits, and the check of a draft against them.

Source of every figure unless noted: Content Posting API › Media Transfer Guide, Direct Post, Photo Post and Content
Sharing Guidelines, copies of 2026-09-11, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain import captions
from app.platforms.base import AccountFacts, Draft, Finding, MediaItem, PlatformRules

VIDEO, PHOTO = "video", "photo"

VIDEO_CAPTION_MAX_UNITS = 2_200
"""UTF-16 units; the field is called `title`."""
PHOTO_CAPTION_MAX_UNITS = 4_000
"""UTF-16 units; the field is called `description`."""
IMAGES_MAX = 35
IMAGE_MAX_BYTES = 20 * 1_000_000
IMAGE_TYPES = ("image/jpeg", "image/webp")
IMAGE_SHORT_SIDE_MAX_PX, IMAGE_LONG_SIDE_MAX_PX = 1_080, 1_920
"""Our reading of "maximum 1080p"."""
VIDEO_MAX_BYTES = 4_000_000_000
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")
VIDEO_MAX_SECONDS = 600.0
"""The longest any account may post; the account's own limit comes with creator_info."""
VIDEO_SIDE_MIN_PX, VIDEO_SIDE_MAX_PX = 360, 4_096
FRAME_RATE_MIN, FRAME_RATE_MAX = 23.0, 60.0
CODECS = frozenset({"h264", "avc1", "hevc", "h265", "hvc1", "hev1", "vp8", "vp9"})

CHUNK_BYTES = 10_000_000
"""Chunks are 5 to 64 MB, the last may be up to 128 MB: valid whether MB means 1,000,000 or 1,048,576 bytes. Small ones,
because sending the last chunk is what publishes: the call whose answer matters stays below 20 MB."""

PUBLIC = "PUBLIC_TO_EVERYONE"
ONLY_ME = "SELF_ONLY"
PRIVACY_LEVELS = (PUBLIC, "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", ONLY_ME)

RULES = PlatformRules(
    caption_max_chars=VIDEO_CAPTION_MAX_UNITS,
    hashtags_max=None,
    mentions_max=None,
    images_max=IMAGES_MAX,
    image_max_bytes=IMAGE_MAX_BYTES,
    image_types=IMAGE_TYPES,
    video_max_bytes=VIDEO_MAX_BYTES,
    video_types=VIDEO_TYPES,
    video_min_seconds=0.0,
    video_max_seconds=VIDEO_MAX_SECONDS,
    post_types=(VIDEO, PHOTO),
)

_FLAGS = (
    "disable_comment",
    "disable_duet",
    "disable_stitch",
    "brand_content_toggle",
    "brand_organic_toggle",
    "is_aigc",
)
OPTIONS = frozenset({*_FLAGS, "privacy_level", "cover_timestamp_ms"})


def post_type(draft: Draft) -> str:
    """Return what a draft becomes: a video when it has one, else a photo post."""
    if draft.post_type:
        return draft.post_type
    return VIDEO if any(item.kind == "video" for item in draft.media) else PHOTO


def chunks(size_bytes: int) -> tuple[int, int]:
    """Return chunk size and count. The count is rounded down: what is left over goes with the last chunk."""
    if size_bytes < 2 * CHUNK_BYTES:
        return size_bytes, 1
    return CHUNK_BYTES, size_bytes // CHUNK_BYTES


def validate(draft: Draft, facts: AccountFacts) -> list[Finding]:
    """Return everything TikTok would refuse in this draft."""
    kind = post_type(draft)
    if kind not in RULES.post_types:
        return [Finding("post_type", "unsupported_post_type", f"TikTok posts cannot be of the type “{kind}” here.")]
    return [*_text(kind, draft), *_items(kind, draft, facts), *_options(kind, draft.options, facts)]


def _text(kind: str, draft: Draft) -> list[Finding]:
    most = VIDEO_CAPTION_MAX_UNITS if kind == VIDEO else PHOTO_CAPTION_MAX_UNITS
    length = captions.utf16_units(captions.compose(draft.content, draft.hashtags))
    if length <= most:
        return []
    message = f"{length} of {most} characters: shorten the caption for TikTok."
    return [Finding("content", "caption_too_long", message)]


def _items(kind: str, draft: Draft, facts: AccountFacts) -> list[Finding]:
    count = len(draft.media)
    if count == 0:
        return [Finding("media_urls", "media_required", "TikTok needs a video or pictures: add some.")]
    kinds = {item.kind for item in draft.media}
    if len(kinds) > 1:
        return [Finding("media_urls", "mixed_media", "TikTok does not mix pictures and videos in one post: split it.")]
    if kinds != {"video" if kind == VIDEO else "image"}:
        name = "a video" if kind == VIDEO else "pictures"
        return [Finding("media_urls", "wrong_media_kind", f"This kind of TikTok post takes {name}.")]
    most = 1 if kind == VIDEO else IMAGES_MAX
    if count > most:
        return [Finding("media_urls", "too_many_items", f"{count} of {most} items: remove some for TikTok.")]
    if kind == VIDEO:
        return _video(draft.media[0], facts)
    found: list[Finding] = []
    for index, item in enumerate(draft.media):
        found += _image(item, "media_urls" if count == 1 else f"media_urls.{index}")
    return found


def _image(item: MediaItem, field: str) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in IMAGE_TYPES:
        found.append(Finding(field, "unsupported_media_type", "TikTok takes pictures as JPEG or WebP: convert it."))
    if item.size_bytes is not None and item.size_bytes > IMAGE_MAX_BYTES:
        message = f"{item.size_bytes / 1_000_000:.1f} of 20 MB: use a smaller picture for TikTok."
        found.append(Finding(field, "image_too_large", message))
    if item.width_px is not None and item.height_px is not None:
        short, long = sorted((item.width_px, item.height_px))
        if short > IMAGE_SHORT_SIDE_MAX_PX or long > IMAGE_LONG_SIDE_MAX_PX:
            message = f"{item.width_px} × {item.height_px} pixels: TikTok takes pictures up to 1080 × 1920."
            found.append(Finding(field, "picture_size", message))
    return found


def _video(item: MediaItem, facts: AccountFacts) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in VIDEO_TYPES:
        found.append(
            Finding("media_urls", "unsupported_media_type", "TikTok takes videos as MP4, MOV or WebM: convert it.")
        )
    if item.size_bytes is not None and item.size_bytes > VIDEO_MAX_BYTES:
        found.append(
            Finding("media_urls", "video_too_large", "The video is larger than 4 GB: use a smaller one for TikTok.")
        )
    longest = facts.facts.get("max_video_post_duration_sec") or VIDEO_MAX_SECONDS
    if item.duration_seconds is not None and item.duration_seconds > longest:
        message = f"{item.duration_seconds:.0f} of {longest:.0f} seconds: cut the video for this TikTok account."
        found.append(Finding("media_urls", "video_too_long", message))
    sides = [side for side in (item.width_px, item.height_px) if side is not None]
    if any(not VIDEO_SIDE_MIN_PX <= side <= VIDEO_SIDE_MAX_PX for side in sides):
        message = f"Each side of a TikTok video has {VIDEO_SIDE_MIN_PX} to {VIDEO_SIDE_MAX_PX} pixels: convert it."
        found.append(Finding("media_urls", "picture_size", message))
    if item.frame_rate is not None and not FRAME_RATE_MIN <= item.frame_rate <= FRAME_RATE_MAX:
        found.append(Finding("media_urls", "frame_rate", "TikTok takes 23 to 60 frames per second: convert the video."))
    if item.codec is not None and item.codec.lower() not in CODECS:
        found.append(Finding("media_urls", "codec", "TikTok takes H.264, H.265, VP8 or VP9 video: convert it."))
    return found


def _options(kind: str, options: Mapping[str, Any], facts: AccountFacts) -> list[Finding]:
    found: list[Finding] = []
    for name, value in options.items():
        field = f"options.{name}"
        if name not in OPTIONS or (name == "cover_timestamp_ms" and kind != VIDEO):
            found.append(Finding(field, "unknown_option", f"This TikTok post has no option “{name}”: remove it."))
        elif value is None:
            continue
        elif name in _FLAGS and not isinstance(value, bool):
            found.append(Finding(field, "invalid_option", f"“{name}” is either on or off."))
        elif name == "cover_timestamp_ms" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            message = "The cover moment is a number of milliseconds within the video."
            found.append(Finding(field, "invalid_option", message))
    return found + _privacy(options, facts)


def _privacy(options: Mapping[str, Any], facts: AccountFacts) -> list[Finding]:
    field, chosen = "options.privacy_level", options.get("privacy_level")
    if not chosen:
        return [Finding(field, "privacy_level_required", "Choose who may see this post on TikTok.")]
    if chosen not in PRIVACY_LEVELS:
        return [Finding(field, "invalid_option", "TikTok does not know this visibility: choose another one.")]
    offered = facts.facts.get("privacy_level_options")
    if offered and chosen not in offered:
        message = "TikTok does not offer this visibility to the account: choose another one."
        return [Finding(field, "privacy_not_offered", message)]
    if chosen == ONLY_ME and options.get("brand_content_toggle"):
        return [Finding(field, "branded_private", "Branded content visibility cannot be set to private.")]
    return []
