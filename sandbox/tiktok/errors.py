"""TikTok's envelope and errors. Source: tiktok-api-v2-error-handling; content-posting-api references (2026-09-11)."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.wire import Answer, PlatformError, ok

STATUS = {
    "invalid_params": 400,
    "invalid_file_upload": 400,
    "invalid_publish_id": 400,
    "token_not_authorized_for_specified_publish_id": 400,
    "access_token_invalid": 401,
    "scope_not_authorized": 401,
    "spam_risk_too_many_posts": 403,
    "spam_risk_too_many_pending_share": 403,
    "spam_risk_user_banned_from_posting": 403,
    "reached_active_user_cap": 403,
    "unaudited_client_can_only_post_to_private_accounts": 403,
    "privacy_level_option_mismatch": 403,
    "url_ownership_unverified": 403,
    "unsupported_path": 404,
    "rate_limit_exceeded": 429,
    "internal_error": 500,
}
"""HTTP status of every error code."""

_MESSAGES = {
    "access_token_invalid": "The access token is invalid or not found in the request.",
    "scope_not_authorized": "The user did not authorize the scope required for completing this request.",
    "rate_limit_exceeded": "The API rate limit was exceeded. Please try again later.",
    "internal_error": "Something is wrong. Please try again later.",
    "unsupported_path": "Unsupported path.",
}


def success(data: dict[str, Any]) -> Answer:
    """Answer with data."""
    return ok({"data": data, "error": {"code": "ok", "message": "", "log_id": ids.log_id()}})


def error_answer(code: str, message: str = "", status: int = 0) -> Answer:
    """Build an error in TikTok's envelope."""
    text = message or _MESSAGES.get(code, code.replace("_", " ").capitalize() + ".")
    return ok({"data": {}, "error": {"code": code, "message": text, "log_id": ids.log_id()}}, status or STATUS[code])


def refuse(code: str, message: str = "", status: int = 0) -> PlatformError:
    """Return an exception that answers with an error."""
    return PlatformError(error_answer(code, message, status))


def bad_parameter(message: str) -> PlatformError:
    """`invalid_params`, with what is wrong."""
    return refuse("invalid_params", message)


def oauth_refusal(error: str, description: str, status: int) -> PlatformError:
    """Return an error of the token endpoint: flat, without envelope."""
    return PlatformError(ok({"error": error, "error_description": description, "log_id": ids.log_id()}, status))
