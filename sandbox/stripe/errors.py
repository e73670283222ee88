"""How Stripe words its errors. Source: stripe.md §2."""

from __future__ import annotations

from typing import Any

from sandbox.wire import Answer, PlatformError, ok

_TYPES = {402: "card_error", 500: "api_error"}


def error_answer(
    status: int, message: str, *, kind: str = "", code: str | None = None, param: str | None = None, **more: str
) -> Answer:
    """Return an error as it is sent."""
    error: dict[str, Any] = {"type": kind or _TYPES.get(status, "invalid_request_error"), "message": message}
    named = {"code": code, "param": param, **more}
    error |= {name: value for name, value in named.items() if value is not None}
    return ok({"error": error}, status)


def refuse(
    message: str, status: int = 400, *, code: str | None = None, param: str | None = None, **more: str
) -> PlatformError:
    """Return an error to raise."""
    return PlatformError(error_answer(status, message, code=code, param=param, **more))


def missing(kind: str, thing_id: str, param: str = "id") -> PlatformError:
    """Return the error for something that is not there."""
    return refuse(f"No such {kind.replace('_', ' ')}: '{thing_id}'", 404, code="resource_missing", param=param)


class CardDeclinedError(Exception):
    """The bank said no."""
