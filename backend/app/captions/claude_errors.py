"""Failures of the provider: what each means for the books, for the owner and for the next call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.captions.base import CaptionError, CaptionUnusable, Settlement, WriterBusy, WriterMisconfigured

RETRY_AFTER_MAX_SECONDS = 900.0
"""A longer wait is not obeyed: the provider's header has no bound. Source: claude.md §8."""
SPEND_LIMITS = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
_OPERATOR = {
    401: "The key for captions is not accepted. Whoever runs PostPilot has to look at ANTHROPIC_API_KEY.",
    402: "The account that pays for captions has a problem with its bill. Whoever runs PostPilot has to look at it.",
    403: "The key for captions may not use this model. Whoever runs PostPilot has to look at it.",
    404: "The model or the address for captions is not known. Whoever runs PostPilot has to look at AI_CAPTION_MODEL "
    "and ANTHROPIC_BASE_URL.",
}
BUSY = "The caption writer is busy. Try again in a few minutes, or write the caption by hand."
SILENT = "The caption writer did not answer in time. Try again, or write the caption by hand."
REFUSED = "The caption writer does not take this request. Whoever runs PostPilot finds the reason in the log."
SPENT = "The provider's spending limit for captions is reached. Whoever runs PostPilot can raise it."


@dataclass(frozen=True)
class Failure:
    """One failed call."""

    error: CaptionError
    settlement: Settlement
    is_overloaded: bool = False
    is_for_operator: bool = False
    """Every further call would fail the same way: none is made for a while."""
    is_about_photo: bool = False
    """Without the picture it may work."""


def failure_of(error: BaseException, sdk: Any, *, model: str, duration_ms: int) -> Failure:
    """Return what a failed call means. Anything unknown counts as busy."""

    def settled(
        kind: str, *, status: int | None = None, known: bool = True, request_id: str | None = None
    ) -> Settlement:
        return Settlement(
            outcome="error", model=model, error_type=kind, http_status=status, request_id=request_id,
            duration_ms=duration_ms, is_cost_known=known,
        )  # fmt: skip

    if isinstance(error, TimeoutError | sdk.APITimeoutError):
        is_sent = "Connect" not in type(error.__cause__).__name__
        return Failure(WriterBusy(SILENT, detail=str(error)), settled("timeout", known=not is_sent))
    if isinstance(error, sdk.APIConnectionError):
        is_sent = "Connect" not in type(error.__cause__).__name__
        return Failure(WriterBusy(BUSY, detail=str(error)), settled("connection_error", known=not is_sent))
    if not isinstance(error, sdk.APIStatusError):
        detail = f"{type(error).__name__}: {error}"[:500]
        return Failure(CaptionUnusable(REFUSED, detail=detail), settled(type(error).__name__, known=False))
    status, kind = error.status_code, str(getattr(error, "type", None) or type(error).__name__)
    detail = f"{status} {kind}: {getattr(error, 'api_message', None) or error}"[:500]
    settlement = settled(kind, status=status, request_id=getattr(error, "request_id", None))
    if _is_spend_limit(error, sdk):
        return Failure(WriterMisconfigured(SPENT, detail=detail), settlement, is_for_operator=True)
    if status in _OPERATOR:
        return Failure(WriterMisconfigured(_OPERATOR[status], detail=detail), settlement, is_for_operator=True)
    if status == 429 or status >= 500 or status in (408, 409):
        after = _retry_after(error.response.headers)
        busy = WriterBusy(BUSY, after_seconds=after, detail=detail)
        return Failure(busy, settlement, is_overloaded=status == 529)
    is_about_photo = status == 413 or "image" in str(getattr(error, "details", None) or "")
    return Failure(WriterMisconfigured(REFUSED, detail=detail), settlement, is_about_photo=is_about_photo)


def _is_spend_limit(error: Any, sdk: Any) -> bool:
    classes = (sdk.EnforcedSpendLimitReachedError, sdk.ContractSpendLimitReachedError)
    return isinstance(error, classes) or getattr(error, "error_code", None) in SPEND_LIMITS


def _retry_after(headers: Any) -> float | None:
    """Return the seconds a server asks to wait, bounded; it may say milliseconds, seconds or a date."""
    text, seconds = headers.get("retry-after"), None
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            seconds = float(milliseconds) / 1000
        elif text is not None:
            seconds = float(text) if text.strip().replace(".", "", 1).isdigit() else _until(text)
    except (ValueError, TypeError):
        return None
    return None if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)


def _until(text: str) -> float:
    return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
