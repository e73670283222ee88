"""TikTok's limits, and the check of a draft against them.

Source of every figure unless noted: Content Posting API › Media Transfer Guide, Direct Post, Photo Post, Upload Video
and Content Sharing Guidelines, copies of 2026-09-11, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.platforms import limits
from app.platforms.base import AccountFacts, Draft, Finding
from app.platforms.limits import ImageLimits, PlatformRules, PostTypeRules, VideoLimits

VIDEO, PHOTO = "video", "photo"
INBOX_VIDEO, INBOX_PHOTO = "inbox_video", "inbox_photo"
VIDEOS, PHOTOS = frozenset({VIDEO, INBOX_VIDEO}), frozenset({PHOTO, INBOX_PHOTO})
DIRECT = (VIDEO, PHOTO)

VIDEO_CAPTION_MAX_UNITS = 2_200
"""UTF-16 units; the field is called `title`."""
PHOTO_CAPTION_MAX_UNITS = 4_000
"""UTF-16 units; the field is called `description`."""
PHOTO_TITLE_MAX_UNITS = 90
"""UTF-16 units; a short heading that only photo posts have."""
IMAGES_MAX = 35
VIDEO_MAX_SECONDS = 600.0
"""The longest any account may post, and the longest draft; the account's own limit comes with creator_info."""

CHUNK_BYTES = 10_000_000
"""Chunks are 5 to 64 MB, the last may be up to 128 MB: valid whether MB means 1,000,000 or 1,048,576 bytes. Small ones,
because sending the last chunk is what publishes: the call whose answer matters stays below 20 MB."""

PUBLIC = "PUBLIC_TO_EVERYONE"
ONLY_ME = "SELF_ONLY"
PRIVACY_LEVELS = (PUBLIC, "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", ONLY_ME)

MUSIC_CONSENT, BRANDED_CONSENT = "music_usage", "branded_content_and_music_usage"
CONSENTS: Mapping[str, Mapping[str, Any]] = {
    MUSIC_CONSENT: {
        "text": "By posting, you agree to TikTok's Music Usage Confirmation",
        "links": {
            "Music Usage Confirmation": "https://www.tiktok.com/legal/page/global/music-usage-confirmation/en",
        },
    },
    BRANDED_CONSENT: {
        "text": "By posting, you agree to TikTok's Branded Content Policy and Music Usage Confirmation",
        "links": {
            "Branded Content Policy": "https://www.tiktok.com/legal/page/global/bc-policy/en",
            "Music Usage Confirmation": "https://www.tiktok.com/legal/page/global/music-usage-confirmation/en",
        },
    },
}
"""What has to stand above the button, word for word (Content Sharing Guidelines)."""

_IMAGE = ImageLimits(
    types=("image/jpeg", "image/webp"),
    max_bytes=20 * 1_000_000,
    short_side_max_px=1_080,
    long_side_max_px=1_920,  # our reading of "maximum 1080p"
)
_VIDEO = VideoLimits(
    types=("video/mp4", "video/quicktime", "video/webm"),
    codecs=("h264", "hevc", "vp8", "vp9"),
    max_bytes=4_000_000_000,
    seconds_max=VIDEO_MAX_SECONDS,
    side_min_px=360,
    side_max_px=4_096,
    frame_rate_min=23.0,
    frame_rate_max=60.0,
)

RULES = PlatformRules(
    title="TikTok",
    text_unit="utf16",
    hashtags_inline=True,  # resolved where a space or the end delimits them
    links_open=False,
    post_types={
        VIDEO: PostTypeRules(
            VIDEO,
            "One video, posted directly. The text is its caption.",
            items_min=1,
            items_max=1,
            video=_VIDEO,
            text_max=VIDEO_CAPTION_MAX_UNITS,
        ),
        PHOTO: PostTypeRules(
            PHOTO,
            "1 to 35 pictures, posted directly. The text is their description.",
            items_min=1,
            items_max=IMAGES_MAX,
            image=_IMAGE,
            text_max=PHOTO_CAPTION_MAX_UNITS,
        ),
        INBOX_VIDEO: PostTypeRules(
            INBOX_VIDEO,
            "One video, sent to the inbox in the TikTok app, where its owner writes the caption and posts it.",
            items_min=1,
            items_max=1,
            video=_VIDEO,
        ),
        INBOX_PHOTO: PostTypeRules(
            INBOX_PHOTO,
            "1 to 35 pictures, sent to the account's inbox in the TikTok app, where its owner posts them.",
            items_min=1,
            items_max=IMAGES_MAX,
            image=_IMAGE,
            text_max=PHOTO_CAPTION_MAX_UNITS,
        ),
    },
    options={
        option.name: option
        for option in (
            limits.choice(
                "privacy_level",
                DIRECT,
                "Who may see the post. There is no default: its owner chooses among what the account offers.",
                choices=PRIVACY_LEVELS,
            ),
            limits.flag("disable_comment", DIRECT, "Nobody may comment. On unless switched off."),
            limits.flag("disable_duet", (VIDEO,), "Nobody may make a duet with the video. On unless switched off."),
            limits.flag("disable_stitch", (VIDEO,), "Nobody may stitch the video. On unless switched off."),
            limits.flag(
                "brand_content_toggle", DIRECT, "Paid partnership with a third party: labelled so, never private."
            ),
            limits.flag("brand_organic_toggle", DIRECT, "Promotes the account's own business: labelled so."),
            limits.flag("is_aigc", DIRECT, "The picture or video was made by AI: labelled so."),
            limits.milliseconds("cover_timestamp_ms", (VIDEO,), "Moment of the video that becomes its cover."),
            limits.text_option(
                "title", (PHOTO, INBOX_PHOTO), "Short heading above the description.", max_chars=PHOTO_TITLE_MAX_UNITS
            ),
            limits.flag("auto_add_music", (PHOTO,), "TikTok adds music that fits. Off unless switched on."),
            limits.number(
                "cover_index", (PHOTO, INBOX_PHOTO), "Position of the picture that becomes the cover, from 0.", least=0
            ),
            limits.choice(
                "consent",
                DIRECT,
                "Which consent line its owner saw when choosing; kept with the post.",
                choices=tuple(CONSENTS),
            ),
        )
    },
)


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
    """Return everything TikTok would refuse in this draft, for this account where its facts are known."""
    kind = post_type(draft)
    found = limits.check(RULES, kind, draft)
    if kind not in RULES.post_types:
        return found
    found += _cover(draft)
    if kind in DIRECT:
        found += _privacy(draft.options, facts) + _account(kind, draft, facts)
    return found


def _cover(draft: Draft) -> list[Finding]:
    index = draft.options.get("cover_index")
    if isinstance(index, int) and not isinstance(index, bool) and index >= max(len(draft.media), 1):
        message = "The cover is one of the post's pictures: choose a smaller position, counted from 0."
        return [Finding("options.cover_index", "invalid_option", message)]
    return []


def _privacy(options: Mapping[str, Any], facts: AccountFacts) -> list[Finding]:
    field, chosen = "options.privacy_level", options.get("privacy_level")
    if not chosen:
        return [Finding(field, "privacy_level_required", "Choose who may see this post on TikTok.")]
    if chosen not in PRIVACY_LEVELS:
        return []  # said already
    offered = facts.facts.get("privacy_level_options")
    if offered and chosen not in offered:
        message = "TikTok does not offer this visibility to the account: choose another one."
        return [Finding(field, "privacy_not_offered", message)]
    if chosen == ONLY_ME and options.get("brand_content_toggle"):
        return [Finding(field, "branded_private", "Branded content visibility cannot be set to private.")]
    if options.get("consent") == MUSIC_CONSENT and options.get("brand_content_toggle"):
        message = "Branded content needs its own consent line: show it to the owner again."
        return [Finding("options.consent", "consent_outdated", message)]
    return []


def _account(kind: str, draft: Draft, facts: AccountFacts) -> list[Finding]:
    """Hold the owner's choices against what the account may do now; nothing is ever substituted."""
    found: list[Finding] = []
    known = facts.facts
    if known.get("can_post") is False:
        sentence = str(known.get("why_not") or "TikTok lets this account post nothing now. Try again later.")
        found.append(Finding("account_id", "account_cannot_post", sentence))
    for name, word in (("comment", "Comments"), ("duet", "Duets"), ("stitch", "Stitches")):
        asked_for = draft.options.get(f"disable_{name}") is False
        if asked_for and known.get(f"{name}_disabled") and (kind == VIDEO or name == "comment"):
            message = f"{word} are switched off for this TikTok account: leave them off here."
            found.append(Finding(f"options.disable_{name}", "interaction_not_offered", message))
    longest = known.get("max_video_post_duration_sec")
    seconds = draft.media[0].duration_seconds if draft.media else None
    if isinstance(longest, int) and seconds is not None and longest < seconds <= VIDEO_MAX_SECONDS:
        message = f"{seconds:.0f} of {longest} seconds: cut the video for this TikTok account."
        found.append(Finding("media_urls", "video_too_long", message))
    return found
