"""What Instagram's error codes mean.

Source: Instagram Platform › Error Codes (updated 2026-06-02) and Graph API › Handle Errors, v25.0, read 2026-11-23;
rows marked "field report" are seen in public clients only.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from app.platforms.base import PlatformError
from app.platforms.http import Answer, Fault, Purpose
from app.platforms.meta import Decider, Kind, Row

TITLE = "Instagram"

_BUSY = "Instagram has a problem at the moment. PostPilot tries again by itself."
_MANY = "Instagram asks for fewer calls for this account. PostPilot waits and tries again by itself."
_RECONNECT = "Instagram no longer accepts this connection. Connect the account again under Accounts."
_FETCH = (
    "Instagram could not fetch the media from PostPilot. Check that this installation is reachable from the internet, "
    "then post it again."
)
_VIDEO = (
    "Instagram could not use this video. Export it again as MP4 (H.264, AAC, 23–60 frames per second) and replace it."
)
_STAGING = "Instagram could not take in the media. PostPilot stages it again by itself."
_GAVE_UP = "Instagram could not take in the media, even after several tries. Replace it, or publish again later."

_HALF_MINUTE = timedelta(seconds=30)

TABLE: dict[tuple[int, int | None], Row] = {
    (-2, 2207003): Row(Kind.restage, "media_not_fetched", _FETCH, after=_HALF_MINUTE, tries=3),
    (-2, 2207020): Row(Kind.restage, "container_expired", _STAGING, tries=5, last_words=_GAVE_UP),
    (-2, None): Row(Kind.restage, "staging_failed", _STAGING, after=_HALF_MINUTE, tries=3, last_words=_GAVE_UP),
    (-1, 2207001): Row(Kind.check, "platform_busy", _BUSY),
    (-1, 2207032): Row(Kind.restage, "staging_failed", _STAGING, after=_HALF_MINUTE, tries=5, last_words=_GAVE_UP),
    (-1, 2207053): Row(Kind.restage, "staging_failed", _STAGING, after=_HALF_MINUTE, tries=5, last_words=_GAVE_UP),
    (-1, None): Row(Kind.check, "platform_busy", _BUSY),
    (1, None): Row(Kind.check, "platform_busy", _BUSY),
    (2, None): Row(Kind.check, "platform_busy", _BUSY),
    (1, 2207057): Row(
        Kind.fix,
        "thumbnail_outside_video",
        "The chosen cover moment lies outside the video. Choose another moment.",
        field="options.thumb_offset_ms",
    ),
    # Field report: the post may be live in spite of this answer.
    (4, 2207051): Row(
        Kind.check,
        "action_blocked",
        "Instagram blocked this action for a while because it looks automated. PostPilot waits and tries again.",
        after=timedelta(hours=1),
        pause=timedelta(hours=1),
    ),
    (4, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (17, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (32, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (613, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (80002, None): Row(Kind.throttled, "platform_throttled", _MANY),
    (341, None): Row(Kind.later, "platform_throttled", _MANY, after=timedelta(minutes=10)),
    (9, 2207042): Row(
        Kind.quota,
        "quota_used_up",
        "This account has published as many posts in 24 hours as Instagram allows. PostPilot continues when there is "
        "room again.",
        after=timedelta(hours=1),
    ),
    (9, None): Row(
        Kind.quota,
        "quota_used_up",
        "Instagram allows no more posts for this account at the moment. PostPilot continues when there is room again.",
        after=timedelta(hours=1),
    ),
    (10, None): Row(
        Kind.reconnect,
        "permission_missing",
        "Instagram says that a permission is missing. Connect the account again and leave all permissions ticked.",
    ),
    (200, None): Row(
        Kind.reconnect,
        "permission_missing",
        "Instagram says that a permission is missing. Connect the account again and leave all permissions ticked.",
    ),
    (20, 1772107): Row(Kind.check, "platform_busy", _BUSY),
    (24, 2207006): Row(
        Kind.restage,
        "media_not_found",
        _STAGING,
        after=_HALF_MINUTE,
        tries=1,
        then=Kind.reconnect,
        last_words=_RECONNECT,
    ),
    (24, 2207008): Row(Kind.restage, "container_expired", _STAGING, after=_HALF_MINUTE, tries=5, last_words=_GAVE_UP),
    (25, 2207050): Row(
        Kind.act,
        "account_restricted",
        "Instagram has restricted this account. Open the Instagram app, follow what it asks for, then connect the "
        "account again.",
    ),
    (25, None): Row(
        Kind.act,
        "account_restricted",
        "Instagram has restricted this account. Open the Instagram app, follow what it asks for, then connect the "
        "account again.",
    ),
    # Also a known outage on fresh objects (field report): never a reason to disconnect an account.
    (100, 33): Row(Kind.check, "object_not_visible", _BUSY, after=timedelta(seconds=15)),
    (100, 2207023): Row(
        Kind.fix,
        "unsupported_media_type",
        "Instagram does not take this kind of media. Replace it.",
        field="media_urls",
    ),
    (100, 2207028): Row(
        Kind.fix,
        "carousel_size",
        "A carousel on Instagram needs 2 to 10 pictures or videos. Add or remove some.",
        field="media_urls",
    ),
    (100, 2207040): Row(
        Kind.fix, "too_many_mentions", "Instagram allows at most 20 mentions. Remove some.", field="content"
    ),
    (100, None): Row(
        Kind.fix,
        "content_refused",
        "Instagram did not accept this post as it is. Check its text, options and media, then schedule it again.",
        field="content",
    ),
    (102, None): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, None): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, 458): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "PostPilot was removed from this account's apps at Instagram. Connect the account again to go on.",
    ),
    (190, 459): Row(
        Kind.act,
        "account_checkpoint",
        "Instagram wants you to confirm that it is you. Log in at instagram.com, then connect the account again.",
    ),
    (190, 460): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "The password of this account was changed, which ended the connection. Connect the account again.",
    ),
    (190, 463): Row(
        Kind.reconnect, "account_needs_reconnect", "The connection to Instagram has expired. Connect the account again."
    ),
    (190, 464): Row(
        Kind.act,
        "account_checkpoint",
        "Instagram wants this login to be confirmed. Log in at instagram.com, then connect the account again.",
    ),
    (190, 467): Row(Kind.reconnect, "account_needs_reconnect", _RECONNECT),
    (190, 492): Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "Your role for this account was removed. Ask its owner for access, then connect the account again.",
    ),
    (352, 2207026): Row(Kind.fix, "video_unsupported", _VIDEO),
    (352, None): Row(Kind.fix, "video_unsupported", _VIDEO),
    (368, None): Row(
        Kind.act,
        "account_blocked",
        "Instagram has blocked this account from posting for a while. Open the Instagram app to see why, then connect "
        "the account again.",
        pause=timedelta(hours=24),
    ),
    (9004, 2207052): Row(Kind.restage, "media_not_fetched", _FETCH, after=_HALF_MINUTE, tries=3),
    (9004, None): Row(Kind.restage, "media_not_fetched", _FETCH, after=_HALF_MINUTE, tries=3),
    (9007, 2207027): Row(
        Kind.later, "media_not_ready", "Instagram still works on the media.", after=timedelta(seconds=10)
    ),
    (9007, None): Row(
        Kind.later, "media_not_ready", "Instagram still works on the media.", after=timedelta(seconds=10)
    ),
    (36000, None): Row(
        Kind.fix, "image_too_large", "The picture is larger than the 8 MB that Instagram takes. Use a smaller file."
    ),
    (36001, None): Row(
        Kind.fix, "image_format", "Instagram takes pictures as JPEG only. Replace the picture with a JPEG."
    ),
    (36003, None): Row(
        Kind.fix,
        "image_ratio",
        "The picture is too tall or too wide for Instagram. Crop it to between 4:5 and 1.91:1.",
    ),
    (36004, None): Row(
        Kind.fix,
        "caption_too_long",
        "The caption is too long for Instagram. Shorten it to 2200 characters.",
        field="content",
    ),
    # A container's status names a subcode alone; these are not listed with a code. Field reports except 2207026.
    (2207081, None): Row(
        Kind.fix,
        "trial_not_available",
        "Instagram does not offer trial reels to this account. Switch the trial off, then schedule the reel again.",
        field="options.trial",
    ),
    (0, 2207026): Row(Kind.restage, "video_unsupported", _VIDEO, tries=1),
    (0, 2207076): Row(Kind.restage, "video_rejected", _VIDEO, tries=1),
    (0, 2207085): Row(Kind.restage, "video_rejected", _VIDEO, tries=1),
    (0, 2207077): Row(Kind.restage, "video_not_fetched", _FETCH, after=_HALF_MINUTE, tries=2),
    (0, 2207082): Row(Kind.restage, "video_not_fetched", _VIDEO, after=_HALF_MINUTE, tries=2),
}

NAMES: dict[str, Row] = {
    # Bytes that arrived and are of no use: the container is dead (Resumable Uploads).
    "ProcessingFailedError": Row(
        Kind.restage, "upload_failed", _STAGING, after=_HALF_MINUTE, tries=2, then=Kind.fix, last_words=_VIDEO
    ),
    "OffsetInvalidError": Row(Kind.later, "platform_busy", _BUSY, after=timedelta(seconds=5)),
    "PartialRequestError": Row(Kind.later, "platform_busy", _BUSY, after=timedelta(seconds=5)),
}
"""Refusals of the upload host, which carry names."""

_CONSTANTS: tuple[tuple[str, Row], ...] = (
    # No subcode tells these apart; what is looked for is a constant of the platform, not its prose.
    (
        "INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID",
        Row(
            Kind.fix,
            "invalid_location",
            "Instagram knows no place with this id. Choose a Facebook Page that has a place, or leave it away.",
            field="options.location_id",
        ),
    ),
    (
        "collaborators is not allowed",
        Row(
            Kind.fix,
            "collaborators_not_allowed",
            "Instagram takes no collaborators for this post. Remove them, then schedule it again.",
            field="options.collaborators",
        ),
    ),
)
_ADS = Row(
    Kind.permanent,
    "ads_permission_missing",
    "Your role for this Page comes from Business Manager, where Instagram wants a permission for ads that PostPilot "
    "does not ask for. Ask an administrator for a role on the Page itself, then connect the account again.",
)


class InstagramDecider(Decider):
    """Knows, beside the table, the few refusals that only a constant in the message tells apart."""

    def row(self, fault: Fault) -> Row | None:
        if fault.number is not None and 200 <= fault.number <= 299 and "ads_management" in fault.message:
            return _ADS
        if fault.number == 100 and fault.sub is None:
            for constant, row in _CONSTANTS:
                if constant in fault.message:
                    return row
        return super().row(fault)


DECIDER = InstagramDecider(TITLE, TABLE, NAMES)

FIRST_SUBCODE = 2_207_000
"""Subcodes of Instagram's own begin here."""
_SUBCODE = re.compile(r"\b2207\d{3}\b")
_BY_SUBCODE = {sub: key for key in TABLE if (sub := key[1]) is not None and sub >= FIRST_SUBCODE}
_BY_SUBCODE |= {key[0]: key for key in TABLE if key[0] >= FIRST_SUBCODE}
_BY_SUBCODE |= {key[1]: key for key in TABLE if key[0] == 0 and key[1] is not None}
_ODD = {2207004: 36000, 2207005: 36001, 2207009: 36003, 2207010: 36004}


def container_error(status: Any) -> PlatformError:
    """Return what a container in state ERROR means; its prose ends with a subcode."""
    match = _SUBCODE.search(str(status or ""))
    sub = int(match.group()) if match else None
    number = _ODD.get(sub) if sub is not None else None
    if number is None:
        number, sub = _BY_SUBCODE.get(sub or 0, (-1, 2207032))
    fault = Fault(code=match.group() if match else "ERROR", number=number, sub=sub)
    return DECIDER.error(Answer(400, {}, None, fault), Purpose.stage)


def container_expired() -> PlatformError:
    """Return what a container in state EXPIRED means: 24 hours have passed, nothing was published."""
    return DECIDER.error(Answer(400, {}, None, Fault(code="EXPIRED", number=-2, sub=2207020)), Purpose.stage)
