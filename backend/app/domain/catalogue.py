"""What happens to products: told by comparing what was known with what is read now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ProductStatus(StrEnum):
    active = "active"
    removed = "removed"


class ProductEventKind(StrEnum):
    new = "new"
    back_in_stock = "back_in_stock"
    sold_out = "sold_out"
    price_drop = "price_drop"
    price_rise = "price_rise"
    removed = "removed"
    returned = "returned"


RULE_EVENTS = (ProductEventKind.new, ProductEventKind.back_in_stock, ProductEventKind.price_drop)
"""What a rule can wait for."""


@dataclass(frozen=True)
class Known:
    """What is compared: price, stock and presence."""

    price_minor: int | None
    currency: str | None
    is_available: bool | None
    status: str = ProductStatus.active


@dataclass(frozen=True)
class Happening:
    kind: ProductEventKind
    facts: Mapping[str, Any]


def happenings(before: Known, now: Known) -> list[Happening]:
    """Return what happened between two readings. Prices in two currencies are not compared; a stock that was not
    known does not come back."""
    found = []
    if before.status == ProductStatus.removed and now.status == ProductStatus.active:
        found.append(Happening(ProductEventKind.returned, {}))
    if before.is_available is False and now.is_available:
        found.append(Happening(ProductEventKind.back_in_stock, {}))
    elif before.is_available is not False and now.is_available is False:
        found.append(Happening(ProductEventKind.sold_out, {}))
    if None not in (before.price_minor, now.price_minor) and before.currency == now.currency:
        assert before.price_minor is not None
        assert now.price_minor is not None
        facts = {"old_price_minor": before.price_minor, "price_minor": now.price_minor, "currency": now.currency}
        if now.price_minor < before.price_minor:
            drop = round((before.price_minor - now.price_minor) * 100 / before.price_minor, 2)
            found.append(Happening(ProductEventKind.price_drop, {**facts, "drop_percent": drop}))
        elif now.price_minor > before.price_minor:
            found.append(Happening(ProductEventKind.price_rise, facts))
    return found


def rule_applies(
    conditions: Mapping[str, Any], *, facts: Mapping[str, Any], category: str | None, tags: list[str]
) -> bool:
    """Whether a product that something happened to is one that a rule means. Words are compared without case."""
    least = conditions.get("min_drop_percent")
    if least is not None and float(facts.get("drop_percent", 0)) < float(least):
        return False
    wanted = conditions.get("category")
    if wanted and str(wanted).casefold() != (category or "").casefold():
        return False
    tag = conditions.get("tag")
    return not tag or str(tag).casefold() in {known.casefold() for known in tags}


def content_hash(values: Mapping[str, Any]) -> str:
    """Return a digest of everything that a source tells of a product: the same digest, nothing to write."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


SHRUNKEN_SHARE = 0.5
"""A reading that misses more than this share of what was known is not believed at once."""


def is_suspicious(*, met: int, missing: int) -> bool:
    """Whether so much is missing in a complete reading that the source, rather than the shop, may have a fault."""
    return missing > 0 and missing > (met + missing) * SHRUNKEN_SHARE
