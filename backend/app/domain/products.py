"""What is known of a product, wherever it came from: the one form that captions, guards and rules read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProductFacts:
    """A product as a caption may speak of it. Text fields are plain text, possibly empty."""

    title: str
    description: str = ""
    price_minor: int | None = None
    """In the smallest unit of `currency` (ISO 4217)."""
    compare_at_price_minor: int | None = None
    """The crossed-out price, higher than `price_minor`."""
    currency: str | None = None
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    brand: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    is_available: bool | None = None
    shipping: str | None = None
    """What the shop promises about delivery, in its own words."""
    discount: str | None = None
    """An offer in the shop's own words, such as "10 % off this week"."""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Fields that came along and have no place above: material, sizes, colours and so on."""
