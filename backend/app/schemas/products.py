"""What product endpoints take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.schemas.common import Body, Moment, Read, Storable
from app.schemas.stores import CurrencyCode, Platforms, RowProblemRead, Tone

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Storable]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5_000), Storable]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]


def _address(value: str) -> str:
    if not value.startswith(("http://", "https://")) or any(c <= " " for c in value):
        raise ValueError("This is no address. It begins with http:// or https://")
    return value


Url = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000), Storable, AfterValidator(_address)]
Price = Annotated[int, Field(ge=0, le=10**13)]
"""In the smallest unit of the currency: cents, yen, fils."""


class ProductFields(Body):
    description: Text | None = None
    url: Url | None = None
    image_urls: Annotated[list[Url], Field(max_length=20)] | None = None
    brand: Short | None = None
    category: Short | None = None
    tags: Annotated[list[Short], Field(max_length=50)] | None = None
    price_minor: Price | None = None
    compare_at_price_minor: Price | None = None
    """The crossed-out price, higher than `price_minor`."""
    currency: CurrencyCode | None = None
    is_available: bool | None = None
    stock_count: Annotated[int, Field(ge=0, le=2_000_000_000)] | None = None


class CreateProduct(ProductFields):
    """A product written by hand."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Blue mug", "description": "Holds 350 ml. Dishwasher safe.", "external_id": "MUG-1"}]
        }
    )
    title: Title
    external_id: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Storable] | None
    ) = None
    """An id of your own, such as the SKU: a file with the same id changes this product."""


class UpdateProduct(ProductFields):
    """A field left out is unchanged; null clears it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Holds 400 ml. Dishwasher safe."}]})
    title: Title | None = None

    @field_validator("title", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("A product needs a title")
        return value


class VariantRead(Read):
    external_id: str
    title: str
    price_minor: int | None
    compare_at_price_minor: int | None
    is_available: bool | None
    stock_count: int | None
    sku: str | None
    image_url: str | None


class ProductRead(Read):
    id: UUID
    connection_id: UUID | None
    """Where it is read from; null for products written by hand or imported from a file."""
    external_id: str
    title: str
    description: str
    url: str | None
    image_urls: list[str]
    brand: str | None
    category: str | None
    tags: list[str]
    price_minor: int | None
    compare_at_price_minor: int | None
    currency: str | None
    is_available: bool | None
    """Null when the source does not say."""
    stock_count: int | None
    variants: list[VariantRead]
    status: Literal["active", "removed"]
    checked_at: datetime
    removed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ProductPage(Read):
    items: list[ProductRead]
    total: int
    page: int
    per_page: int


class ProductEventRead(Read):
    id: UUID
    kind: Literal["new", "back_in_stock", "sold_out", "price_drop", "price_rise", "removed", "returned"]
    facts: dict[str, Any]
    created_at: datetime


class ImportRead(Read):
    dry_run: bool
    rows: int
    created: int
    updated: int
    unchanged: int
    problems: list[RowProblemRead]
    """What is wrong with single rows; all others were taken. At most a thousand are named."""


class ProductQuery(Body):
    """Which products: every field narrows. An empty one means all that their shops still have."""

    q: Short | None = None
    connection_id: UUID | None = None
    available: bool | None = None
    category: Short | None = None
    changed_since: Moment | None = None


class QueueProducts(Body):
    """Name the products in `product_ids`, or all that match a `filter`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"product_ids": ["019a5b1c-7d2e-7f00-8000-0123456789ab"], "platforms": ["instagram"], "generate": True}
            ]
        }
    )
    product_ids: Annotated[list[UUID], Field(min_length=1, max_length=1_000)] | None = None
    filter: ProductQuery | None = None
    platforms: Platforms
    generate: bool = False
    tone: Tone | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> QueueProducts:
        if (self.product_ids is None) == (self.filter is None):
            raise ValueError("Send either product_ids or filter")
        return self


class QueuedProduct(Read):
    id: UUID
    """The item of the queue."""
    product_id: UUID


class QueuedProducts(Read):
    queued: int
    items: list[QueuedProduct]
    already_waiting: list[UUID]
    """Products that wait in the queue already; they were not queued again."""
    not_found: list[UUID]
    """Products that do not exist, or that their shop no longer has."""
