"""What a shop sells, and where it is read from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class StoreConnection(Base):
    """A shop or feed that products are read from; its keys encrypted with the row's id as context."""

    __tablename__ = "store_connections"
    __table_args__ = (Index("ix_store_connections_next_sync_at", "next_sync_at", postgresql_where=text("is_active")),)

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    platform: Mapped[str] = mapped_column(String(32))
    """`shopify`, `woocommerce`, `feed`, `csv` or `platform` (a shop system that sends events)."""
    name: Mapped[str] = mapped_column(String(255))
    store_url: Mapped[str] = mapped_column(Text)
    ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_version: Mapped[str | None] = mapped_column(String(16))
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    sync_state: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    """Where a running sync stands: cursor, run id, counts so far. Empty between syncs."""
    next_sync_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    last_synced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class SyncRun(Base):
    """One reading of a source, from its first page to its last."""

    __tablename__ = "sync_runs"
    __table_args__ = (Index("ix_sync_runs_connection_id_started_at", "connection_id", text("started_at DESC")),)

    id: Mapped[PrimaryId]
    connection_id: Mapped[UUID] = mapped_column(ForeignKey("store_connections.id", ondelete="CASCADE"))
    started_at: Mapped[Timestamp]
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(32))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    errors: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)


class Product(Base):
    __tablename__ = "products"
    __table_args__ = (
        Index(
            "uq_products_source",
            "user_id",
            "connection_id",
            "external_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_products_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
        Index("ix_products_connection_id", "connection_id", "seen_run_id"),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    connection_id: Mapped[UUID | None] = mapped_column(ForeignKey("store_connections.id", ondelete="CASCADE"))
    external_id: Mapped[str] = mapped_column(String(255))
    """What the source calls it; for a CSV file its `id` or `sku` column."""
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="", default="")
    """Plain text, without markup."""
    url: Mapped[str | None] = mapped_column(Text)
    image_urls: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), default=list)
    brand: Mapped[str | None] = mapped_column(Text)
    category: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), default=list)
    price_minor: Mapped[int | None] = mapped_column(BigInteger)
    """What it costs now, in the smallest unit of its currency (ISO 4217 exponent: cents, yen, fils)."""
    compare_at_price_minor: Mapped[int | None] = mapped_column(BigInteger)
    """The crossed-out price, where there is one."""
    currency: Mapped[str | None] = mapped_column(String(3))
    is_available: Mapped[bool | None]
    """Whether it can be bought; null when the source does not say."""
    stock_count: Mapped[int | None] = mapped_column(Integer)
    variants: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    status: Mapped[str] = mapped_column(String(16), server_default="active", default="active")
    """`active`, or `removed` when the source no longer has it."""
    content_hash: Mapped[str] = mapped_column(String(64))
    seen_run_id: Mapped[UUID | None]
    """The last reading of its source that met it."""
    source_updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    checked_at: Mapped[Timestamp]
    """When the source last told us of it."""
    removed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class ProductEvent(Base):
    """Something that happened to a product, for rules to act on."""

    __tablename__ = "product_events"
    __table_args__ = (
        Index("ix_product_events_unhandled", "created_at", postgresql_where=text("handled_at IS NULL")),
        Index("ix_product_events_product_id", "product_id", text("created_at DESC")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    """`new`, `back_in_stock`, `sold_out`, `price_drop`, `price_rise`, `removed` or `returned`."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


class ProductRule(Base):
    """What a user wants to happen when something happens to a product."""

    __tablename__ = "product_rules"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(String(32))
    """`new`, `back_in_stock` or `price_drop`."""
    connection_id: Mapped[UUID | None] = mapped_column(ForeignKey("store_connections.id", ondelete="CASCADE"))
    """Only for this source; null for all."""
    platforms: Mapped[list[str]] = mapped_column(ARRAY(String(32)))
    conditions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    """`min_drop_percent`, `category`, `tag`."""
    generate: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """Whether captions are written at once."""
    tone: Mapped[str | None] = mapped_column(String(64))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
