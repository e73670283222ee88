"""Facebook's limits, and the check of a draft against them.

Sources: Graph reference Page › Feed, Photos, Videos and Reels Publishing, v25.0, read 2026-11-23; figures marked
"clients" are undocumented and taken from public clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from app.domain import captions
from app.platforms.base import AccountFacts, Draft, Finding, MediaItem, PlatformRules

TEXT, LINK, PHOTO, PHOTOS, VIDEO = "text", "link", "photo", "photos", "video"

MESSAGE_MAX_CHARS = 63_206
"""Unicode code points (clients)."""
PHOTOS_MAX = 10
"""Pictures in one post (clients)."""
IMAGE_MAX_BYTES = 10 * 1_000_000
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff")
VIDEO_MAX_BYTES = 10_000_000_000
"""From older documents, not published now."""
VIDEO_MAX_SECONDS = 4 * 3600.0
"""From older documents, not published now."""
VIDEO_TYPES = ("video/mp4", "video/quicktime")
REEL_MIN_SECONDS, REEL_MAX_SECONDS = 3.0, 90.0
REEL_MIN_WIDTH_PX, REEL_MIN_HEIGHT_PX = 540, 960

RULES = PlatformRules(
    caption_max_chars=MESSAGE_MAX_CHARS,
    hashtags_max=None,
    mentions_max=None,
    images_max=PHOTOS_MAX,
    image_max_bytes=IMAGE_MAX_BYTES,
    image_types=IMAGE_TYPES,
    video_max_bytes=VIDEO_MAX_BYTES,
    video_types=VIDEO_TYPES,
    video_min_seconds=0.0,
    video_max_seconds=VIDEO_MAX_SECONDS,
    post_types=(TEXT, LINK, PHOTO, PHOTOS, VIDEO),
)


def post_type(draft: Draft) -> str:
    """Return what a draft becomes: by its media, else by its link."""
    if draft.post_type:
        return draft.post_type
    if not draft.media:
        return LINK if draft.options.get("link") else TEXT
    if any(item.kind == "video" for item in draft.media):
        return VIDEO
    return PHOTO if len(draft.media) == 1 else PHOTOS


def goes_as_reel(item: MediaItem) -> bool:
    """Whether a video goes to the reel address: upright and 3–90 s long; what is not known goes the general way."""
    if item.width_px is None or item.height_px is None or item.duration_seconds is None:
        return False
    is_upright = item.height_px > item.width_px
    is_large = item.width_px >= REEL_MIN_WIDTH_PX and item.height_px >= REEL_MIN_HEIGHT_PX
    return is_upright and is_large and REEL_MIN_SECONDS <= item.duration_seconds <= REEL_MAX_SECONDS


def validate(draft: Draft, _facts: AccountFacts) -> list[Finding]:
    """Return everything Facebook would refuse in this draft."""
    kind = post_type(draft)
    if kind not in RULES.post_types:
        return [Finding("post_type", "unsupported_post_type", f"Facebook posts cannot be of the type “{kind}” here.")]
    return [*_text(kind, draft), *_items(kind, draft), *_options(kind, draft.options)]


def _text(kind: str, draft: Draft) -> list[Finding]:
    text = captions.compose(draft.content, draft.hashtags)
    length = captions.code_points(text)
    if length > MESSAGE_MAX_CHARS:
        message = f"{length} of {MESSAGE_MAX_CHARS} characters: shorten the text for Facebook."
        return [Finding("content", "caption_too_long", message)]
    if kind == TEXT and not text:
        return [Finding("content", "text_required", "Write a text, or add a link or a picture.")]
    return []


def _items(kind: str, draft: Draft) -> list[Finding]:
    count = len(draft.media)
    if kind in (TEXT, LINK):
        if count:
            return [Finding("media_urls", "media_not_allowed", f"A Facebook {kind} post has no pictures or videos.")]
        return []
    if count == 0:
        return [Finding("media_urls", "media_required", "Add a picture or a video for this Facebook post.")]
    wanted = "video" if kind == VIDEO else "image"
    kinds = {item.kind for item in draft.media}
    if len(kinds) > 1:
        return [
            Finding("media_urls", "mixed_media", "Facebook does not mix pictures and videos in one post: split it.")
        ]
    if kinds != {wanted}:
        name = "a video" if wanted == "video" else "pictures"
        return [Finding("media_urls", "wrong_media_kind", f"This kind of Facebook post takes {name}.")]
    most = PHOTOS_MAX if kind == PHOTOS else 1
    if count > most:
        message = f"{count} of {most} items: remove some for this Facebook post."
        return [Finding("media_urls", "too_many_items", message)]
    found: list[Finding] = []
    for index, item in enumerate(draft.media):
        field = "media_urls" if count == 1 else f"media_urls.{index}"
        found += _video(item, field) if wanted == "video" else _image(item, field)
    return found


def _image(item: MediaItem, field: str) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in IMAGE_TYPES:
        found.append(Finding(field, "unsupported_media_type", "Facebook takes JPEG, PNG, GIF, BMP and TIFF pictures."))
    if item.size_bytes is not None and item.size_bytes > IMAGE_MAX_BYTES:
        message = f"{item.size_bytes / 1_000_000:.1f} of 10 MB: use a smaller picture for Facebook."
        found.append(Finding(field, "image_too_large", message))
    return found


def _video(item: MediaItem, field: str) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in VIDEO_TYPES:
        found.append(Finding(field, "unsupported_media_type", "Facebook takes videos as MP4 or MOV: convert it."))
    if item.size_bytes is not None and item.size_bytes > VIDEO_MAX_BYTES:
        found.append(Finding(field, "video_too_large", "The video is larger than 10 GB: use a smaller one."))
    if item.duration_seconds is not None and item.duration_seconds > VIDEO_MAX_SECONDS:
        found.append(Finding(field, "video_too_long", "A video on Facebook lasts at most 4 hours: cut it."))
    return found


def _options(kind: str, options: Mapping[str, Any]) -> list[Finding]:
    found: list[Finding] = []
    for name in options:
        if name != "link" or kind not in (TEXT, LINK):
            message = f"This Facebook post has no option “{name}”: remove it."
            found.append(Finding(f"options.{name}", "unknown_option", message))
    link = options.get("link")
    if kind == LINK and not link:
        found.append(Finding("options.link", "link_required", "Add the link that this post is about."))
    elif link and not _is_web_address(link):
        message = "The link must be a full web address that starts with https:// or http://."
        found.append(Finding("options.link", "invalid_option", message))
    return found


def _is_web_address(link: Any) -> bool:
    if not isinstance(link, str):
        return False
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
