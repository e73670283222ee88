"""The Graph error envelope. Source: Graph API › Handle Errors, and Instagram Platform › Error Codes (2026-06-02)."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.wire import Answer, PlatformError, ok


def error_answer(
    message: str,
    code: int,
    subcode: int = 0,
    *,
    status: int = 400,
    kind: str = "OAuthException",
    title: str = "",
    user_message: str = "",
    is_transient: bool = False,
    data: dict[str, Any] | None = None,
) -> Answer:
    """Build an error as the Graph API writes it."""
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode:
        error["error_subcode"] = subcode
        error["is_transient"] = is_transient
    if data is not None:
        error["error_data"] = data
    if title:
        error["error_user_title"] = title
    if user_message:
        error["error_user_msg"] = user_message
    error["fbtrace_id"] = ids.trace_id()
    return ok({"error": error}, status)


def refuse(message: str, code: int, subcode: int = 0, **options: Any) -> PlatformError:
    """Return an exception that answers with a Graph error."""
    return PlatformError(error_answer(message, code, subcode, **options))


def bad_parameter(message: str) -> PlatformError:
    """Code 100: a parameter is unknown, missing or has the wrong form."""
    return refuse(f"(#100) {message}", 100)


def missing_object(object_id: str) -> PlatformError:
    """Code 100, subcode 33: the object does not exist or this token may not see it."""
    return refuse(
        f"Unsupported request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing"
        " permissions, or does not support this operation.",
        100,
        33,
        kind="GraphMethodException",
    )


def unknown_path(path: str) -> PlatformError:
    """Code 2500: nothing lives at this path."""
    return refuse(f"Unknown path components: /{path.lstrip('/')}", 2500)


def token_refused(subcode: int = 0, message: str = "") -> PlatformError:
    """Code 190: the access token cannot be used; the subcode says why."""
    return refuse(message or _TOKEN_MESSAGES.get(subcode, _TOKEN_MESSAGES[0]), 190, subcode)


_TOKEN_MESSAGES = {
    0: "Invalid OAuth access token - Cannot parse access token",
    458: "Error validating access token: The user has not authorized application.",
    459: "Error validating access token: You cannot access the app till you log in to www.facebook.com and follow"
    " the instructions given.",
    460: "Error validating access token: The session has been invalidated because the user changed their password or"
    " Facebook has changed the session for security reasons.",
    463: "Error validating access token: Session has expired.",
    464: "Error validating access token: Sessions for the user are not allowed because the user is not a confirmed"
    " user.",
    467: "Error validating access token: This may be because the user logged out or may be due to a system error.",
    492: "Error validating access token: User does not have a role on the Page.",
}
