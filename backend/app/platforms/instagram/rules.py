"""Instagram's limits, and the check of a draft against them.

Source of every figure unless noted: Instagram Platform › Content Publishing and › reference IG User Media, v25.0, read
2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.domain import captions
from app.platforms import limits
from app.platforms.base import AccountFacts, Draft, Finding
from app.platforms.limits import ImageLimits, PlatformRules, PostTypeRules, VideoLimits

IMAGE, REEL, CAROUSEL, STORY = "image", "reel", "carousel", "story"
FEED = (IMAGE, CAROUSEL, REEL)
"""The post types that have a text and comments."""

CAPTION_MAX_CHARS = 2_200
"""Unicode code points, hashtags included; a comment takes as many."""
HASHTAGS_MAX = 30
MENTIONS_MAX = 20
ALT_TEXT_MAX_CHARS = 1_000
"""Pictures only."""
CAROUSEL_MIN, CAROUSEL_MAX = 2, 10
COLLABORATORS_MAX = 3
TAGS_MAX = 20
"""People marked in one post (error 2207040)."""
AUDIO_NAME_MAX_CHARS = 100
"""Ours: the platform names no limit."""
TRIALS = {"manual": "MANUAL", "performance": "SS_PERFORMANCE"}
"""Our word for how a trial reel ends, and the platform's."""

_USERNAME = re.compile(r"@?[A-Za-z0-9_](?:[A-Za-z0-9_.]{0,28}[A-Za-z0-9_])?")
_PLACE = re.compile(r"[0-9]{1,30}")
_ADDRESS = re.compile(r"https?://[!-~]+", re.IGNORECASE)
_JPEG = ("image/jpeg",)
_IMAGE_MAX_BYTES = 8 * 1024 * 1024
"""The guide says 8 MB; error 36000 says 8 MiB, which is what is enforced."""
_FEED_IMAGE = ImageLimits(types=_JPEG, max_bytes=_IMAGE_MAX_BYTES, ratio_min=4 / 5, ratio_max=1.91)
_STORY_IMAGE = ImageLimits(types=_JPEG, max_bytes=_IMAGE_MAX_BYTES)


def _video(*, max_bytes: int, seconds_max: float, ratio_min: float) -> VideoLimits:
    return VideoLimits(
        types=("video/mp4", "video/quicktime"),
        codecs=("h264", "hevc"),
        max_bytes=max_bytes,
        seconds_min=3.0,
        seconds_max=seconds_max,
        ratio_min=ratio_min,
        ratio_max=10.0,
        width_max_px=1_920,
        frame_rate_min=23.0,
        frame_rate_max=60.0,
    )


_FEED_VIDEO = _video(max_bytes=300 * 1_000_000, seconds_max=900.0, ratio_min=0.01)
_STORY_VIDEO = _video(max_bytes=100 * 1_000_000, seconds_max=60.0, ratio_min=0.1)


# ---------------------------------------------------------------------------------------------------------------------
# What the options' values look like


def _matching(pattern: re.Pattern[str], sentence: str) -> Callable[[Any], str | None]:
    return lambda value: None if isinstance(value, str) and pattern.fullmatch(value) else sentence


def _alt_texts(value: Any) -> str | None:
    texts = value if isinstance(value, list) and len(value) <= CAROUSEL_MAX else [0]
    if all(text is None or (isinstance(text, str) and len(text) <= ALT_TEXT_MAX_CHARS) for text in texts):
        return None
    return f"The alternative texts are a list of texts of at most {ALT_TEXT_MAX_CHARS} characters, in the items' order."


def _collaborators(value: Any) -> str | None:
    names = value if isinstance(value, list) else [0]
    if not all(isinstance(name, str) and _USERNAME.fullmatch(name) for name in names):
        return "The collaborators are a list of Instagram usernames."
    if len(names) > COLLABORATORS_MAX:
        return f"{len(names)} of {COLLABORATORS_MAX} collaborators: remove some."
    return None


def _user_tags(value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(tag, dict) for tag in value):
        return "The marked people are a list with a username each."
    if len(value) > TAGS_MAX:
        return f"{len(value)} of {TAGS_MAX} marked people: remove some."
    for tag in value:
        name = tag.get("username")
        if (
            not isinstance(name, str)
            or not _USERNAME.fullmatch(name)
            or not tag.keys() <= {"username", "x", "y", "item"}
        ):
            return "A marked person has an Instagram username, a place in the picture and in a carousel an item."
        if not all(tag.get(axis) is None or _is_share(tag[axis]) for axis in "xy"):
            return "The place of a marked person is given by x and y from 0 to 1."
        if (tag.get("x") is None) != (tag.get("y") is None):
            return "The place of a marked person needs both x and y."
        item = tag.get("item")
        if item is not None and (isinstance(item, bool) or not isinstance(item, int) or item < 0):
            return "The item in which somebody is marked is its position in the carousel, from 0."
    return None


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


# ---------------------------------------------------------------------------------------------------------------------

RULES = PlatformRules(
    title="Instagram",
    text_unit="characters",
    hashtags_max=HASHTAGS_MAX,
    mentions_max=MENTIONS_MAX,
    links_open=False,
    post_types={
        IMAGE: PostTypeRules(
            IMAGE,
            "One picture in the feed. The text is its caption.",
            items_min=1,
            items_max=1,
            image=_FEED_IMAGE,
            text_max=CAPTION_MAX_CHARS,
        ),
        CAROUSEL: PostTypeRules(
            CAROUSEL,
            "2 to 10 pictures and videos to swipe through, all cropped to the shape of the first.",
            items_min=CAROUSEL_MIN,
            items_max=CAROUSEL_MAX,
            image=_FEED_IMAGE,
            video=_FEED_VIDEO,
            mixes=True,
            text_max=CAPTION_MAX_CHARS,
        ),
        REEL: PostTypeRules(
            REEL,
            "One video. The text is its caption.",
            items_min=1,
            items_max=1,
            video=_FEED_VIDEO,
            text_max=CAPTION_MAX_CHARS,
        ),
        STORY: PostTypeRules(
            STORY,
            "One picture or video that is shown for 24 hours. Instagram takes no text with it.",
            items_min=1,
            items_max=1,
            image=_STORY_IMAGE,
            video=_STORY_VIDEO,
        ),
    },
    options={
        option.name: option
        for option in (
            limits.text_option(
                "alt_text",
                (IMAGE,),
                "What is in the picture, for people who cannot see it.",
                max_chars=ALT_TEXT_MAX_CHARS,
            ),
            limits.other(
                "alt_texts",
                (CAROUSEL,),
                "What is in each picture, in the items' order; nothing for videos.",
                _alt_texts,
                kind="list",
                max_items=CAROUSEL_MAX,
            ),
            limits.other(
                "location_id",
                FEED,
                "Id of a Facebook Page that has a place: the post is shown there.",
                _matching(_PLACE, "The place is given by the id of a Facebook Page: digits only."),
                kind="text",
            ),
            limits.other(
                "user_tags",
                (*FEED, STORY),
                "People marked in the post: their usernames, and in pictures where (x and y from 0 to 1).",
                _user_tags,
                kind="list",
                max_items=TAGS_MAX,
            ),
            limits.other(
                "collaborators",
                FEED,
                "Usernames of up to 3 accounts that are invited to appear as authors too.",
                _collaborators,
                kind="list",
                max_items=COLLABORATORS_MAX,
            ),
            limits.flag("share_to_feed", (REEL,), "The reel is shown in the feed too. On unless switched off."),
            limits.milliseconds("thumb_offset_ms", (REEL,), "Moment of the video that becomes its cover."),
            limits.other(
                "cover_url",
                (REEL,),
                "Address of a JPEG that becomes the cover, instead of a moment of the video.",
                _matching(_ADDRESS, "The cover is the web address of a JPEG, starting with https://."),
                kind="link",
            ),
            limits.text_option(
                "audio_name", (REEL,), "What the reel's own sound is called.", max_chars=AUDIO_NAME_MAX_CHARS
            ),
            limits.choice(
                "trial",
                (REEL,),
                "Show the reel to non-followers first; it is shared with followers by hand or when it does well.",
                choices=TRIALS,
            ),
            limits.flag("is_ai_generated", FEED, "The picture or video was made by AI: labelled so."),
            limits.text_option(
                "first_comment", FEED, "Comment that PostPilot writes under the post.", max_chars=CAPTION_MAX_CHARS
            ),
            limits.hashtag_placement(FEED),
        )
    },
)


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
    found = limits.check(RULES, kind, draft)
    if kind in RULES.post_types and not any(finding.field.startswith("options.") for finding in found):
        found += [*_tags(kind, draft), *_texts_fit(draft), *_comment(kind, draft)]
    return found


def _tags(kind: str, draft: Draft) -> list[Finding]:
    """Hold the marked people against the items: pictures want a place, reels take none."""
    for tag in draft.options.get("user_tags") or ():
        item = tag.get("item")
        if item is not None and kind != CAROUSEL:
            return [_invalid("user_tags", "Only a carousel has items to mark people in: leave the item away.")]
        if kind == CAROUSEL and (item or 0) >= max(len(draft.media), 1):
            return [_invalid("user_tags", "The carousel has no such item to mark somebody in: count from 0.")]
        media = draft.media[item or 0] if draft.media else None
        has_place = tag.get("x") is not None
        if media is not None and media.kind == "image" and kind != STORY and not has_place:
            return [_invalid("user_tags", f"Choose where in the picture “{tag['username']}” is marked (x and y).")]
        if has_place and media is not None and media.kind == "video" and kind != STORY:
            return [_invalid("user_tags", "People are marked in a video without a place: leave x and y away.")]
    return []


def _texts_fit(draft: Draft) -> list[Finding]:
    texts = draft.options.get("alt_texts") or ()
    if len(texts) > len(draft.media):
        message = f"{len(texts)} alternative texts for {len(draft.media)} items: remove some."
        return [_invalid("alt_texts", message)]
    if any(text and item.kind == "video" for text, item in zip(texts, draft.media, strict=False)):
        return [_invalid("alt_texts", "Instagram takes alternative texts for pictures only: leave the video's empty.")]
    return []


def _comment(kind: str, draft: Draft) -> list[Finding]:
    """Hold the first comment, hashtags included where they stand there, against a comment's limits."""
    if kind not in FEED:
        return []
    text = limits.first_comment_of(draft.options, draft.hashtags)
    length = limits.TEXT_UNITS[RULES.text_unit](text)
    if length > CAPTION_MAX_CHARS:
        message = f"{length} of {CAPTION_MAX_CHARS} characters in the first comment: shorten it."
        return [_invalid("first_comment", message)]
    tags = len(captions.hashtags_in(text))
    if tags > HASHTAGS_MAX:
        message = f"{tags} of {HASHTAGS_MAX} hashtags in the first comment: remove some for Instagram."
        return [Finding("hashtags", "too_many_hashtags", message)]
    return []


def _invalid(option: str, message: str) -> Finding:
    return Finding(f"options.{option}", "invalid_option", message)
