"""What connections to shops, and rules about products, take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator

from app.domain.money import CURRENCIES
from app.domain.vocabulary import Platform
from app.schemas.common import Body, Read, Storable

StorePlatform = Literal["shopify", "woocommerce", "platform", "feed"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255), Storable]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), Storable]
Key = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Storable]
RuleEvent = Literal["new", "back_in_stock", "price_drop"]
Tone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]
Platforms = Annotated[list[Platform], Field(min_length=1, max_length=10)]


def known_currency(value: str) -> str:
    if value.upper() not in CURRENCIES:
        raise ValueError("This is no currency. Use a code such as EUR")
    return value.upper()


CurrencyCode = Annotated[str, StringConstraints(min_length=3, max_length=3), AfterValidator(known_currency)]


class ConnectionOptions(Body):
    """How a shop is read. A field left out of a change stays; null puts it back to its default."""

    currency: CurrencyCode | None = None
    """Of the prices, where the shop does not say it; it wins over what the shop says of its cart."""
    sync_minutes: Annotated[int, Field(ge=5, le=10_080)] | None = None
    """How long after a reading the next one begins; an hour by default."""
    queue_existing: bool | None = None
    """Whether rules for new products also act on what the first reading finds. Not by default: thousands of products
    would be queued at once."""


class CreateConnection(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"platform": "shopify", "name": "My shop", "store_url": "https://my-shop.myshopify.com"},
                {"platform": "feed", "store_url": "https://shop.example/products.xml"},
            ]
        }
    )
    platform: StorePlatform
    name: Name = ""
    store_url: Address
    """The shop's address; for `feed` the address of the feed's file."""
    api_key: Key | None = None
    """Shopify: an Admin API access token, not needed for a public product list. WooCommerce: the consumer key."""
    api_secret: Key | None = None
    """WooCommerce: the consumer secret."""
    options: ConnectionOptions = Field(default_factory=ConnectionOptions)


class UpdateConnection(Body):
    """A field left out is unchanged; a key that is null is erased."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    name: Name | None = None
    store_url: Address | None = None
    api_key: Key | None = None
    api_secret: Key | None = None
    is_active: bool | None = None
    options: ConnectionOptions | None = None

    @field_validator("name", "store_url", "is_active", "options", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("This field cannot be null. Leave it out to keep it as it is")
        return value


class ConnectionRead(Read):
    id: UUID
    platform: StorePlatform
    name: str
    store_url: str
    is_active: bool
    has_credentials: bool
    options: dict[str, Any]
    is_syncing: bool
    """Whether a reading has begun and not ended."""
    last_synced_at: datetime | None
    next_sync_at: datetime | None
    """Null while the owner has to do something first; `error_message` says what."""
    error_code: str | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime


class RowProblemRead(Read):
    row: str
    field: str
    code: str
    message: str


class SyncCounts(Read):
    kind: str
    """`full`, or `changes` for a reading of what changed only."""
    pages: int
    created: int
    updated: int
    unchanged: int
    removed: int
    problems: int


class SyncRunRead(Read):
    id: UUID
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    """`done`; `shrunken` or `empty` when so much was missing that nothing was removed; `refused`, `unreadable`,
    `given_up`, `broken_off` (the connection was changed meanwhile); null while it goes on."""
    counts: SyncCounts
    errors: list[RowProblemRead]


class RuleConditions(Body):
    min_drop_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    """Only for `price_drop`: the least drop that counts."""
    category: Word | None = None
    tag: Word | None = None


class CreateRule(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"event": "back_in_stock", "platforms": ["instagram", "facebook"], "generate": True}]
        }
    )
    event: RuleEvent
    platforms: Platforms
    connection_id: UUID | None = None
    """Only for products of this connection; null for all."""
    conditions: RuleConditions = Field(default_factory=RuleConditions)
    generate: bool = False
    """Whether captions are written at once."""
    tone: Tone | None = None
    is_active: bool = True


class UpdateRule(Body):
    """A field left out is unchanged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})
    event: RuleEvent | None = None
    platforms: Platforms | None = None
    connection_id: UUID | None = None
    conditions: RuleConditions | None = None
    generate: bool | None = None
    tone: Tone | None = None
    is_active: bool | None = None

    @field_validator("event", "platforms", "conditions", "generate", "is_active", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("This field cannot be null. Leave it out to keep it as it is")
        return value


class RuleRead(Read):
    id: UUID
    event: RuleEvent
    connection_id: UUID | None
    platforms: list[Platform]
    conditions: dict[str, Any]
    generate: bool
    tone: str | None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class PlatformEventAnswer(Read):
    status: Literal["ok"]
    actions: list[str]
    """`social_post_queued`, `product_updated` or `product_removed`; empty where there was nothing to do."""
