"""Facebook's limits, and the check of a draft against them.

Sources: Graph reference Page › Feed, Photos, Videos, Reels Publishing and Page Stories API, v25.0, read 2026-11-23;
figures marked "clients" are undocumented and taken from public clients.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from app.platforms import limits
from app.platforms.base import AccountFacts, Draft, Finding, MediaItem
from app.platforms.limits import ImageLimits, PlatformRules, PostTypeRules, VideoLimits

TEXT, LINK, PHOTO, PHOTOS, VIDEO, REEL = "text", "link", "photo", "photos", "video", "reel"
PHOTO_STORY, VIDEO_STORY = "photo_story", "video_story"
VIDEOS = frozenset({VIDEO, REEL, VIDEO_STORY})
IN_FEED = (TEXT, LINK, PHOTO, PHOTOS, VIDEO, REEL)

MESSAGE_MAX_CHARS = 63_206
"""Unicode code points (clients)."""
COMMENT_MAX_CHARS = 8_000
"""Unicode code points (clients)."""
TITLE_MAX_CHARS = 255
"""Ours: the reference names no limit for a video's title."""
ALT_TEXT_MAX_CHARS = 1_000
"""Ours: the reference names no limit for `alt_text_custom`."""
PHOTOS_MAX = 10
"""Pictures in one post (clients)."""
REEL_MIN_SECONDS, REEL_MAX_SECONDS = 3.0, 90.0
REEL_MIN_WIDTH_PX, REEL_MIN_HEIGHT_PX = 540, 960
STORY_MAX_SECONDS = 60.0

_IMAGE = ImageLimits(
    types=("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff"), max_bytes=10 * 1_000_000
)
_VIDEO = VideoLimits(
    types=("video/mp4", "video/quicktime"),
    codecs=None,
    max_bytes=10_000_000_000,  # from older documents, not published now
    seconds_max=4 * 3600.0,  # from older documents, not published now
)


def _upright(seconds_max: float) -> VideoLimits:
    """Reels and stories: the same file, of different length."""
    return VideoLimits(
        types=("video/mp4",),
        codecs=("h264", "hevc", "vp9", "av1"),
        max_bytes=10_000_000_000,
        seconds_min=REEL_MIN_SECONDS,
        seconds_max=seconds_max,
        ratio_min=9 / 16,
        ratio_max=16 / 9,
        side_min_px=REEL_MIN_WIDTH_PX,
        long_side_min_px=REEL_MIN_HEIGHT_PX,
        frame_rate_min=24.0,
        frame_rate_max=60.0,
    )


RULES = PlatformRules(
    title="Facebook",
    text_unit="characters",
    mentions_resolve=False,
    post_types={
        TEXT: PostTypeRules(
            TEXT,
            "Text only, or a text whose first link gets a preview.",
            text_max=MESSAGE_MAX_CHARS,
            text_required=True,
        ),
        LINK: PostTypeRules(LINK, "A link with its preview, and a text.", text_max=MESSAGE_MAX_CHARS),
        PHOTO: PostTypeRules(PHOTO, "One picture.", items_min=1, items_max=1, image=_IMAGE, text_max=MESSAGE_MAX_CHARS),
        PHOTOS: PostTypeRules(
            PHOTOS,
            "Several pictures in one post.",
            items_min=1,
            items_max=PHOTOS_MAX,
            image=_IMAGE,
            text_max=MESSAGE_MAX_CHARS,
        ),
        VIDEO: PostTypeRules(
            VIDEO,
            "One video. An upright one of 3 to 90 seconds goes out as a reel, as Facebook does with it anyway.",
            items_min=1,
            items_max=1,
            video=_VIDEO,
            text_max=MESSAGE_MAX_CHARS,
        ),
        REEL: PostTypeRules(
            REEL,
            "A short video among the reels.",
            items_min=1,
            items_max=1,
            video=_upright(REEL_MAX_SECONDS),
            text_max=MESSAGE_MAX_CHARS,
        ),
        PHOTO_STORY: PostTypeRules(
            PHOTO_STORY, "A picture that shows for 24 hours. It has no text.", items_min=1, items_max=1, image=_IMAGE
        ),
        VIDEO_STORY: PostTypeRules(
            VIDEO_STORY,
            "A video that shows for 24 hours. It has no text.",
            items_min=1,
            items_max=1,
            video=_upright(STORY_MAX_SECONDS),
        ),
    },
    options={
        option.name: option
        for option in (
            limits.other(
                "link",
                (TEXT, LINK),
                "The web address that gets a preview.",
                lambda value: _link_problem(value),
                kind="link",
            ),
            limits.text_option(
                "alt_text",
                (PHOTO,),
                "What the picture shows, for people who cannot see it.",
                max_chars=ALT_TEXT_MAX_CHARS,
            ),
            limits.texts_option(
                "alt_texts",
                (PHOTOS,),
                "What each picture shows, by position.",
                max_chars=ALT_TEXT_MAX_CHARS,
                max_items=PHOTOS_MAX,
            ),
            limits.text_option("title", (VIDEO, REEL), "Title of the video.", max_chars=TITLE_MAX_CHARS),
            limits.text_option(
                "first_comment",
                IN_FEED,
                "A comment by the Page itself, right after the post.",
                max_chars=COMMENT_MAX_CHARS,
            ),
            limits.hashtag_placement(IN_FEED),
        )
    },
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


def alt_text(draft: Draft, index: int) -> str | None:
    """Return what a post says about one of its pictures, else what is noted with the picture."""
    texts = draft.options.get("alt_texts") or [draft.options.get("alt_text")]
    chosen = texts[index] if index < len(texts) else None
    return str(chosen) if chosen else draft.media[index].alt_text


def validate(draft: Draft, _facts: AccountFacts) -> list[Finding]:
    """Return everything Facebook would refuse in this draft."""
    kind = post_type(draft)
    found = limits.check(RULES, kind, draft)
    if kind == LINK and not draft.options.get("link"):
        found.append(Finding("options.link", "link_required", "Add the link that this post is about."))
    return found


def _link_problem(link: Any) -> str | None:
    message = "The link must be a full web address that starts with https:// or http://."
    if not isinstance(link, str):
        return message
    try:
        parts = urlsplit(link)
    except ValueError:
        return message
    return None if parts.scheme in ("http", "https") and parts.netloc else message
