"""Prices as shops' APIs write them: plain decimals, never grouped."""

from __future__ import annotations

import re
from decimal import Decimal

from app.domain.money import CURRENCIES, minor_of

_PLAIN = re.compile(r"\d{1,12}(?:\.\d{1,10})?")


def api_amount(value: object, currency: str | None) -> int | None:
    """Return `12.50` in the smallest unit; None for an empty or unreadable price. `1.234` is not a thousand here."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return minor_of(Decimal(text), currency) if _PLAIN.fullmatch(text) else None


def hundredths(value: object, currency: str | None) -> int | None:
    """Return a price that is given in hundredths of the main unit, whatever the currency's own decimals are."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**14:
        return None
    return minor_of(Decimal(value).scaleb(-2), currency)


def currency_code(value: object) -> str | None:
    """Return a known currency's code in capitals."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if code in CURRENCIES else None
