"""The payment provider's failures, as the API reports them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.domain.errors import CardRefused, NoSubscription, PaymentsMisconfigured, PaymentsUnavailable
from app.payments.base import CallRefused, Misconfigured, NotThere, PaymentError, PaymentRefused

log = structlog.get_logger()

RETRY_AFTER = {"Retry-After": "30"}


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Turn a failed call into what its caller can act on; what the provider said goes to the log."""
    try:
        yield
    except PaymentError as error:
        kind = type(error).__name__
        if isinstance(error, Misconfigured):
            log.error("payments.misconfigured", doing=doing, detail=error.detail)  # noqa: TRY400
            raise PaymentsMisconfigured from error
        if isinstance(error, PaymentRefused):
            log.info("payment.refused", doing=doing, detail=error.detail)
            raise CardRefused from error
        if isinstance(error, NotThere):
            log.warning("payments.not_there", doing=doing, detail=error.detail)
            raise NoSubscription from error
        if isinstance(error, CallRefused):
            log.error("payments.call_refused", doing=doing, detail=error.detail)  # noqa: TRY400
            raise PaymentsMisconfigured from error
        log.warning("payments.away", doing=doing, error=kind, detail=error.detail)
        raise PaymentsUnavailable(headers=RETRY_AFTER) from error
