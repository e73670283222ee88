"""What a user wants done with posts whose product has changed since they were approved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OnSoldOut(StrEnum):
    """What becomes of a post when its product cannot be bought any more."""

    hold = "hold"
    ignore = "ignore"


class OnPriceChange(StrEnum):
    """What becomes of a post that names a price which is no longer right."""

    hold = "hold"
    rewrite = "rewrite"
    ignore = "ignore"


@dataclass(frozen=True)
class ProductPreferences:
    on_sold_out: OnSoldOut = OnSoldOut.hold
    on_price_change: OnPriceChange = OnPriceChange.hold
