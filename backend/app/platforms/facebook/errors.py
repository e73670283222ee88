"""What Facebook's error codes mean.

Source: Graph API › Handle Errors and › Rate Limits, Pages API and Video API references, v25.0, read 2026-11-23;
seven-digit subcodes are seen in public clients unless they stand in those pages.
"""

from __future__ import annotations

from datetime import timedelta

from app.platforms.base import FixContent, PlatformError
from app.platforms.meta import Decider, Kind, Row

TITLE = "Facebook"

_BUSY = "Facebook has a problem at the moment. PostPilot tries again by itself."
_MANY = "Facebook asks for fewer calls for this Page. PostPilot waits and tries again by itself."
_RECONNECT = "Facebook no longer accepts this connection. Connect the Page again under Accounts."
_PERMISSION = "Facebook says that a permission is missing. Connect the Page again and leave all permissions ticked."
_BLOCKED = (
    "Facebook has blocked this Page from posting for a while. Open Facebook to see why, then connect the Page again."
)
_IMAGE = "Facebook could not use this picture. Replace it with a JPEG smaller than 4 MB."
_UPLOAD = "Facebook could not take in the media. PostPilot uploads it again by itself."
_GAVE_UP = "Facebook could not take in the media, even after several tries. Replace it, or publish again later."
_CONFIRM = (
    "Facebook wants you to confirm your identity before this Page may post. Open the Page on Facebook, follow what it "
    "asks for, then connect the Page again."
)
_DUPLICATE = "Facebook says that this Page has just posted the same thing. Change the text and schedule it again."
_LINK = "Facebook cannot read the page that this link leads to. Check the link."
_CONTENT = "Facebook says that this post goes against its rules. Change it, or ask for a review on Facebook."
_OPERATOR = "Facebook does not accept this installation's app. Tell the person who runs PostPilot (code {code})."

WRONG_OFFSET = 1363037
"""Wrong offset in a chunked upload. The number is from memory: a new session is right whatever it is called."""
_UPLOAD_ROW = Row(Kind.restage, "upload_failed", _UPLOAD, after=timedelta(seconds=30), tries=5, last_words=_GAVE_UP)


def _operator(code: int) -> Row:
    return Row(Kind.permanent, "app_misconfigured", _OPERATOR.format(code=code))


TABLE: dict[tuple[int, int | None], Row] = {
    (1, None): Row(Kind.check, "platform_busy", _BUSY),
    (2, None): Row(Kind.check, "platform_busy", _BUSY),
    (3, None): _operator(3),
    (4, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (17, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (32, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (341, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (613, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (613, 1996): Row(Kind.throttled, "platform_throttled", _MANY, after=timedelta(hours=1)),
    (80001, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (10, None): Row(Kind.reconnect, "permission_missing", _PERMISSION),
    (200, None): Row(Kind.reconnect, "permission_missing", _PERMISSION),
    (283, None): Row(Kind.reconnect, "permission_missing", _PERMISSION),
    (100, None): Row(
        Kind.fix,
        "content_refused",
        "Facebook did not accept this post as it is. Check its text, link and media, then schedule it again.",
        field="content",
    ),
    (100, 33): Row(Kind.check, "object_not_visible", _BUSY, after=timedelta(seconds=15)),
    (100, 36007): Row(
        Kind.reconnect, "sign_in_failed", "The Facebook sign-in took too long. Start it again from the Accounts page."
    ),
    (100, 36009): Row(
        Kind.reconnect,
        "sign_in_failed",
        "This Facebook sign-in was already used. Start it again from the Accounts page.",
    ),
    (102, None): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, None): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, 458): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "PostPilot was removed from this person's apps at Facebook. Connect the Page again to go on.",
    ),
    (190, 459): Row(
        Kind.act,
        "account_checkpoint",
        "Facebook wants you to confirm that it is you. Log in at facebook.com, then connect the Page again.",
    ),
    (190, 460): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "The Facebook password was changed, which ended the connection. Connect the Page again.",
    ),
    (190, 463): Row(
        Kind.reconnect, "account_needs_reconnect", "The connection to Facebook has expired. Connect the Page again."
    ),
    (190, 464): Row(
        Kind.act,
        "account_checkpoint",
        "Facebook wants this login to be confirmed. Log in at facebook.com, then connect the Page again.",
    ),
    (190, 467): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, 492): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "Your role on this Page was removed. Ask an administrator of the Page for access, then connect it again.",
    ),
    (104, None): _operator(104),
    (2500, None): _operator(2500),
    (3001, 1504028): _operator(3001),
    (324, None): Row(Kind.fix, "image_refused", _IMAGE),
    (1366046, None): Row(Kind.fix, "image_too_large", _IMAGE),
    (2069019, None): Row(Kind.fix, "media_refused", "Facebook could not read this file. Replace it."),
    (1363127, None): Row(
        Kind.fix, "video_resolution", "Facebook does not take a video of this size in pixels. Export it as 1080p."
    ),
    (368, None): Row(Kind.act, "account_blocked", _BLOCKED, pause=timedelta(hours=24)),
    (1346003, None): Row(Kind.fix, "content_flagged", _CONTENT, field="content", pause=timedelta(hours=24)),
    (1404102, None): Row(Kind.fix, "content_flagged", _CONTENT, field="content", pause=timedelta(hours=24)),
    (382, None): Row(Kind.fix, "video_too_small", "The video is too small for Facebook. Replace it with a larger one."),
    (389, None): _UPLOAD_ROW,
    (6000, None): _UPLOAD_ROW,
    (6001, None): _UPLOAD_ROW,
    (1363047, None): _UPLOAD_ROW,
    (WRONG_OFFSET, None): _UPLOAD_ROW,
    (506, None): Row(Kind.fix, "duplicate_post", _DUPLICATE, field="content"),
    (1366051, None): Row(Kind.fix, "duplicate_post", _DUPLICATE, field="media_urls"),
    (1390008, None): Row(Kind.throttled, "posting_too_fast", _MANY, after=timedelta(hours=1)),
    (1404078, None): Row(Kind.act, "identity_confirmation", _CONFIRM),
    (4854002, None): Row(Kind.act, "identity_confirmation", _CONFIRM),
    (1404006, None): Row(Kind.act, "account_checkpoint", _CONFIRM),
    (1404112, None): Row(Kind.act, "account_limited", _BLOCKED, pause=timedelta(hours=24)),
    (1609005, None): Row(Kind.fix, "link_unreadable", _LINK, field="options.link"),
    (1609008, None): Row(
        Kind.fix,
        "link_refused",
        "Facebook does not take this facebook.com link. Use another one.",
        field="options.link",
    ),
    (2061006, None): Row(
        Kind.fix, "link_invalid", "This link is not a valid address. Correct it.", field="options.link"
    ),
}

DUPLICATES = frozenset({506, 1366051})
"""Refusals that, after a lost answer, say that the first submission went through."""

UPLOADS = {
    "OffsetInvalidError": Row(Kind.later, "upload_interrupted", _UPLOAD),
    "PartialRequestError": Row(Kind.later, "upload_interrupted", _UPLOAD),
    "ProcessingFailedError": _UPLOAD_ROW,
}
"""Refusals of the byte upload, by name (Reels Publishing, updated 2026-07-30)."""

DECIDER = Decider(TITLE, TABLE, UPLOADS)


def video_failed(code: int | None) -> PlatformError:
    """Return what the owner has to know about a video that Facebook took but could not process."""
    row = TABLE.get((code or 0, None))
    sentence = "Facebook could not process this video. Export it again as MP4 (H.264, AAC) and replace it."
    if row is not None and row.kind is Kind.fix:
        sentence = row.sentence
    return FixContent(sentence, field="media_urls", code="video_refused", platform_code=str(code) if code else None)
