"""What TikTok's error codes and fail reasons mean.

Source: developers.tiktok.com, Content Posting API › Direct Post, Get Video Status, Query Creator Info, and API v2 ›
Error Handling, copies of 2026-09-11, read 2026-11-23. The code decides, never the HTTP status: creator_info blocks come
as 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

from app.platforms.base import (
    FixContent,
    Permanent,
    PlatformError,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
)
from app.platforms.http import Answer, Fault, Purpose, unknown_outcome
from app.platforms.waiting import StageAgain

TITLE = "TikTok"


class Kind(StrEnum):
    """What a refusal means for the publication."""

    later = "later"
    quota = "quota"
    restage = "restage"
    check = "check"  # on submit the outcome is unknown, else later
    refresh = "refresh"
    reconnect = "reconnect"
    fix = "fix"
    permanent = "permanent"


@dataclass(frozen=True)
class Row:
    """One row of the tables: what it means, our code for it, and what the owner reads."""

    kind: Kind
    code: str
    sentence: str
    field: str = "content"
    after: timedelta | None = None
    tries: int = 1
    """How often beginning anew is worth trying."""
    then: Kind = Kind.permanent
    """What it becomes when beginning anew did not help."""


_BUSY = "TikTok has a problem at the moment. PostPilot tries again by itself."
_GAVE_UP = "TikTok could not publish this post, even after several tries. Schedule it again later."
_BANNED = "TikTok has banned this account from posting. Open the TikTok app to see why."
_DAILY = (
    "This account has made as many posts in 24 hours as TikTok allows through other apps. PostPilot tries again later."
)
_PULL = "TikTok could not fetch the media from PostPilot. Check that this installation is reachable from the internet."

DAILY_WAIT = timedelta(hours=6)
"""Ours: the cap counts a moving 24 h and the posts of other apps, so when there is room again is not knowable."""
APP_CAP_WAIT = timedelta(hours=12)
"""Ours: the cap on active accounts counts a moving 24 h."""

TABLE: dict[str, Row] = {
    "invalid_param": Row(
        Kind.fix, "content_refused", "TikTok did not accept this post as it is. Check its text, options and media."
    ),
    "invalid_params": Row(
        Kind.fix, "content_refused", "TikTok did not accept this post as it is. Check its text, options and media."
    ),
    "invalid_file_upload": Row(
        Kind.fix,
        "media_refused",
        "TikTok did not accept this file. Export it again as MP4 (H.264).",
        field="media_urls",
    ),
    "app_version_check_failed": Row(
        Kind.fix, "app_too_old", "The TikTok app on your phone is too old for this. Update it, then post again."
    ),
    "invalid_publish_id": Row(
        Kind.permanent,
        "publish_id_unknown",
        "TikTok no longer knows this post. Look in the TikTok app whether it is there before posting it again.",
    ),
    "token_not_authorized_for_specified_publish_id": Row(
        Kind.permanent,
        "publish_id_foreign",
        "TikTok does not show this post to the connected account. Look in the TikTok app whether it is there.",
    ),
    "scope_permission_missed": Row(
        Kind.reconnect,
        "permission_missing",
        "TikTok says that a permission is missing. Connect the account again and leave all permissions on.",
    ),
    "scope_not_authorized": Row(
        Kind.reconnect,
        "permission_missing",
        "TikTok says that a permission is missing. Connect the account again and leave all permissions on.",
    ),
    "access_token_invalid": Row(
        Kind.refresh, "token_expired", "The connection to TikTok has expired. PostPilot renews it."
    ),
    "spam_risk_too_many_posts": Row(Kind.quota, "quota_used_up", _DAILY, after=DAILY_WAIT),
    "spam_risk_too_many_pending_share": Row(
        Kind.quota,
        "too_many_drafts",
        "Too many TikTok drafts wait in your inbox. Finish or delete some in the TikTok app.",
        after=DAILY_WAIT,
    ),
    "reached_active_user_cap": Row(
        Kind.quota,
        "app_quota_used_up",
        "TikTok allows this installation no more accounts today. PostPilot tries again later.",
        after=APP_CAP_WAIT,
    ),
    "spam_risk_user_banned_from_posting": Row(Kind.permanent, "account_banned", _BANNED),
    "spam_risk": Row(Kind.permanent, "account_blocked", "TikTok takes this post for spam and does not publish it."),
    "unaudited_client_can_only_post_to_private_accounts": Row(
        Kind.fix,
        "account_must_be_private",
        "TikTok has not yet audited this installation's app: until then the TikTok account itself must be set to "
        "private when it posts. Make it private in the TikTok app, then schedule the post again.",
        field="options.privacy_level",
    ),
    "privacy_level_option_mismatch": Row(
        Kind.fix,
        "privacy_not_offered",
        "TikTok does not offer the chosen visibility to this account any more. Choose another one.",
        field="options.privacy_level",
    ),
    "url_ownership_unverified": Row(
        Kind.permanent,
        "media_address_unverified",
        "TikTok has not verified the address under which this installation serves media. Tell the person who runs "
        "PostPilot to verify it in TikTok's developer portal.",
    ),
    "rate_limit_exceeded": Row(
        Kind.later, "platform_throttled", "TikTok asks for fewer calls. PostPilot waits.", after=timedelta(seconds=60)
    ),
    "internal_error": Row(Kind.check, "platform_busy", _BUSY),
}
"""By `error.code` of the answer's envelope."""

FAIL_REASONS: dict[str, Row] = {
    "internal": Row(Kind.restage, "tiktok_failed", _GAVE_UP, after=timedelta(minutes=1), tries=5),
    "internal_error": Row(Kind.restage, "tiktok_failed", _GAVE_UP, after=timedelta(minutes=1), tries=5),
    "video_pull_failed": Row(
        Kind.restage, "media_not_fetched", _PULL, field="media_urls", after=timedelta(minutes=5), then=Kind.fix
    ),
    "photo_pull_failed": Row(
        Kind.restage, "media_not_fetched", _PULL, field="media_urls", after=timedelta(minutes=5), then=Kind.fix
    ),
    "file_format_check_failed": Row(
        Kind.fix,
        "file_format",
        "TikTok cannot read this file. Use MP4 (H.264) for videos and JPEG for pictures.",
        field="media_urls",
    ),
    "duration_check_failed": Row(
        Kind.fix,
        "video_duration",
        "The video is too short or too long for this TikTok account. Cut it.",
        field="media_urls",
    ),
    "frame_rate_check_failed": Row(
        Kind.fix, "frame_rate", "TikTok takes 23 to 60 frames per second. Convert the video.", field="media_urls"
    ),
    "picture_size_check_failed": Row(
        Kind.fix,
        "picture_size",
        "The picture or video has a size in pixels that TikTok does not take: each side 360 to 4096 for videos, at "
        "most 1080p for pictures.",
        field="media_urls",
    ),
    "spam_risk_text": Row(
        Kind.fix, "caption_refused", "TikTok refuses this caption. Change the text, then schedule it again."
    ),
    "spam_risk_too_many_posts": Row(Kind.restage, "quota_used_up", _DAILY, after=DAILY_WAIT, tries=4),
    "auth_removed": Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "PostPilot was removed from this account's apps at TikTok. Connect the account again to go on.",
    ),
    "spam_risk": Row(Kind.permanent, "account_blocked", "TikTok takes this post for spam and does not publish it."),
    "spam_risk_user_banned_from_posting": Row(Kind.permanent, "account_banned", _BANNED),
    "publish_cancelled": Row(Kind.permanent, "publish_cancelled", "This post was cancelled at TikTok."),
}
"""By `fail_reason` of a status FAILED: the post is proven not to be out."""

OAUTH: dict[str, Row] = {
    "access_denied": Row(Kind.reconnect, "sign_in_failed", "The connection was declined in TikTok."),
    "invalid_grant": Row(
        Kind.reconnect,
        "account_needs_reconnect",
        "TikTok no longer accepts this connection. Connect the account again.",
    ),
    "invalid_request": Row(
        Kind.reconnect, "sign_in_failed", "TikTok did not complete the sign-in. Start it again from the Accounts page."
    ),
    "server_error": Row(Kind.later, "platform_busy", _BUSY),
    "temporarily_unavailable": Row(Kind.later, "platform_busy", _BUSY),
} | {
    name: Row(
        Kind.permanent,
        "app_misconfigured",
        "TikTok does not accept this installation's app. Tell the person who runs PostPilot to check its key "
        "and secret.",
    )
    for name in (
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
        "unsupported_response_type",
    )
}
"""By `error` of the flat answer of the token addresses (OAuth Error Handling)."""


def fault_of(answer: Answer) -> Fault | None:
    """Read an answer in the envelope of posting and display calls."""
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    if not isinstance(error, dict):
        return Fault(code=f"http_{answer.status}", parsed=False)
    code = str(error.get("code") or "")
    if code == "ok":
        return None
    trace = error.get("log_id") or error.get("logid")
    return Fault(
        code=code or f"http_{answer.status}",
        message=str(error.get("message") or ""),
        trace_id=str(trace) if trace else None,
        parsed=bool(code),
    )


def oauth_fault_of(answer: Answer) -> Fault | None:
    """Read an answer of the token addresses: flat, and refusals may come with status 200."""
    data = answer.data
    if isinstance(data, dict) and isinstance(data.get("error"), str) and data["error"]:
        return Fault(code=data["error"], message=str(data.get("error_description") or ""), trace_id=data.get("log_id"))
    if answer.status < 300:
        return None
    return Fault(code=f"http_{answer.status}", parsed=False)


def upload_fault_of(answer: Answer) -> Fault | None:
    """Read an answer of the byte upload: its status alone speaks."""
    return None if answer.status in (200, 201, 206) else Fault(code=f"http_{answer.status}")


def error(answer: Answer, purpose: Purpose, table: dict[str, Row] = TABLE) -> PlatformError:
    """Return the error for a refused call."""
    fault = answer.fault
    assert fault is not None
    row = table.get(fault.code)
    if row is None:
        is_odd = answer.status >= 500 or answer.status < 400 or not fault.parsed
        if purpose is Purpose.submit and is_odd:
            return unknown_outcome(TITLE, fault)
        if answer.status >= 500 or answer.status < 400:
            row = Row(Kind.later, "platform_busy", _BUSY)
        elif answer.status == 429:
            row = TABLE["rate_limit_exceeded"]
        else:
            sentence = (
                f"TikTok refused this for a reason that PostPilot does not know (code {fault.code}). Check the account "
                "in the TikTok app, or try again later."
            )
            row = Row(Kind.permanent, "platform_refused", sentence)
    if purpose is Purpose.submit and (row.kind is Kind.check or answer.status >= 500):
        return unknown_outcome(TITLE, fault)
    return _build(row, fault, answer.retry_after())


def failed(reason: str) -> PlatformError:
    """Return what a status FAILED means; nothing was published."""
    row = FAIL_REASONS.get(reason)
    if row is None:
        sentence = (
            f"TikTok could not publish this post (reason: {reason or 'not given'}). Check it, then schedule it again."
        )
        row = Row(Kind.permanent, "platform_refused", sentence)
    return _build(row, Fault(code=reason or "FAILED"), None)


def refuse(answer: Answer, purpose: Purpose) -> NoReturn:
    raise error(answer, purpose)


def _build(row: Row, fault: Fault, retry_after: timedelta | None) -> PlatformError:
    words: dict[str, Any] = {"code": row.code, "platform_code": fault.code, "trace_id": fault.trace_id}
    match row.kind:
        case Kind.later | Kind.check:
            return RetryLater(row.sentence, after=retry_after or row.after, **words)
        case Kind.restage:
            final = _build(Row(row.then, row.code, row.sentence, field=row.field), fault, None)
            return StageAgain(row.sentence, tries=row.tries, final=final, after=row.after, code=row.code)
        case Kind.quota:
            return QuotaUsedUp(row.sentence, until=datetime.now(UTC) + (row.after or DAILY_WAIT), **words)
        case Kind.refresh:
            return RefreshToken(row.sentence, **words)
        case Kind.reconnect:
            return ReconnectAccount(row.sentence, **words)
        case Kind.fix:
            return FixContent(row.sentence, field=row.field, **words)
        case Kind.permanent:
            return Permanent(row.sentence, **words)
