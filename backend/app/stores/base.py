"""What every product source gives and raises. A source reads; it writes nothing anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Variant:
    """One way to buy a product. Prices in the smallest unit of the product's currency."""

    external_id: str
    title: str
    price_minor: int | None = None
    compare_at_price_minor: int | None = None
    is_available: bool | None = None
    stock_count: int | None = None
    sku: str | None = None
    image_url: str | None = None


@dataclass(frozen=True)
class SourceProduct:
    """A product as its source describes it. Texts are plain text; the price is the cheapest variant's."""

    external_id: str
    title: str
    description: str = ""
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    brand: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    price_minor: int | None = None
    compare_at_price_minor: int | None = None
    currency: str | None = None
    is_available: bool | None = None
    stock_count: int | None = None
    variants: tuple[Variant, ...] = ()
    source_updated_at: datetime | None = None


@dataclass(frozen=True)
class RowProblem:
    """One thing wrong with one row or product of a source."""

    row: str
    """Line number of a file, or the product's id or title in a feed."""
    field: str
    code: str
    message: str
    external_id: str | None = None
    """The product, where it is known: one that cannot be read just now is not one that is gone."""


@dataclass(frozen=True)
class SourcePage:
    """One page: what it holds, what was wrong in it, and where the next one is (None at the end)."""

    products: tuple[SourceProduct, ...]
    cursor: Mapping[str, Any] | None
    problems: tuple[RowProblem, ...] = ()
    wait_seconds: float = 0.0
    """How long the source wants us to wait before the next page."""


@dataclass(frozen=True)
class StoreAccess:
    """Where a store is and what opens it."""

    store_url: str
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)


class ProductSource(Protocol):
    """Reads products page by page. Every call may be repeated."""

    async def page(self, access: StoreAccess, cursor: Mapping[str, Any] | None) -> SourcePage:
        """Return the page at a cursor (None for the first). Raises `SourceError`."""

    async def one(self, access: StoreAccess, external_id: str, *, url: str | None = None) -> SourceProduct | None:
        """Return one product as it is now, None when it is gone; `url` is where it was. Raises `SourceError`."""


class SourceError(Exception):
    """A source cannot be read. `sentence` is for the owner; `code` is stable; `field` is what the owner can correct."""

    code = "source_failed"

    def __init__(
        self, sentence: str, *, detail: str | None = None, code: str | None = None, field: str = "store_url"
    ) -> None:
        super().__init__(detail or sentence)
        self.sentence = sentence
        self.detail = detail
        self.code = code or type(self).code
        self.field = field


class SourceBusy(SourceError):
    """Nothing is wrong: again after a while."""

    code = "source_busy"

    def __init__(self, sentence: str, *, after_seconds: float | None = None, detail: str | None = None) -> None:
        super().__init__(sentence, detail=detail)
        self.after_seconds = after_seconds


class SourceRefused(SourceError):
    """The owner has to do something: key, address, rights."""

    code = "source_refused"


class SourceUnreadable(SourceError):
    """What came is not what it should be."""

    code = "source_unreadable"
