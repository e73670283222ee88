"""What Stripe's errors mean for us: told apart by class and code, never by words. Source: stripe.md §2."""

from __future__ import annotations

from typing import Any

from app.payments.base import (
    CallRefused,
    KeyReused,
    Misconfigured,
    NotThere,
    PaymentError,
    PaymentRefused,
    ProviderAway,
    ProviderFailed,
)

LOCKED = (409, 424, 429)
"""Somebody else works on it, or we ask too often: the same call again later."""


def error_of(error: Any, sdk: Any) -> PaymentError:
    """Return our error for one of the SDK's."""
    status = getattr(error, "http_status", None)
    code = getattr(getattr(error, "error", None), "code", None) or getattr(error, "code", None)
    detail = f"{type(error).__name__} {status or ''} {code or ''} {getattr(error, 'request_id', None) or ''}".strip()
    if isinstance(error, sdk.APIConnectionError):
        return ProviderAway(detail)
    if isinstance(error, sdk.RateLimitError) or status in LOCKED:
        return ProviderAway(detail)
    if isinstance(error, sdk.IdempotencyError):
        return KeyReused(detail)
    if isinstance(error, sdk.AuthenticationError | sdk.PermissionError):
        return Misconfigured(detail)
    if isinstance(error, sdk.CardError):
        return PaymentRefused(detail)
    if isinstance(error, sdk.InvalidRequestError):
        is_missing = code == "resource_missing" or status == 404
        return NotThere(detail, getattr(error, "param", None)) if is_missing else CallRefused(detail)
    if isinstance(status, int) and status >= 500:
        return ProviderFailed(detail)
    return ProviderAway(detail)
