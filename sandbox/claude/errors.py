"""How the Messages API words its errors. Source: claude.md §8."""

from __future__ import annotations

from typing import Any

from sandbox.ids import token
from sandbox.wire import Answer, PlatformError, ok

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_answer(status: int, message: str, *, code: str | None = None, **headers: str) -> Answer:
    """Return an error as it is sent, with its `request_id` in body and header."""
    request_id = token("req_", 24)
    error: dict[str, Any] = {"type": _TYPES[status], "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    body = {"type": "error", "error": error, "request_id": request_id}
    return ok(body, status, {"request-id": request_id, **{k.replace("_", "-"): v for k, v in headers.items()}})


def refuse(message: str, status: int = 400) -> PlatformError:
    """Return an error to raise."""
    return PlatformError(error_answer(status, message))
