"""What the payment provider has told us, and purchases under way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp


class BillingEvent(Base):
    """One event of the payment provider, stored once, then worked off. Its content is only a hint of where to look."""

    __tablename__ = "billing_events"
    __table_args__ = (Index("ix_billing_events_due_at", "due_at", postgresql_where=text("handled_at IS NULL")),)

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The provider's id."""
    kind: Mapped[str] = mapped_column(String(128))
    api_version: Mapped[str | None] = mapped_column(String(64))
    created_epoch: Mapped[int | None] = mapped_column(BigInteger)
    is_live: Mapped[bool]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    due_at: Mapped[Timestamp]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]


class BillingPrice(Base):
    """Which plan a price of the provider stands for, kept from when it was first seen."""

    __tablename__ = "billing_prices"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    plan: Mapped[str] = mapped_column(String(32))
    lookup_key: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]


class Checkout(Base):
    """A purchase that was begun: its idempotency key is kept before the call, so that a repetition is the same one."""

    __tablename__ = "checkouts"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    plan: Mapped[str] = mapped_column(String(32))
    mode: Mapped[str] = mapped_column(String(16))
    idempotency_key: Mapped[str] = mapped_column(String(255))
    session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    url: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    """`open`, `complete` or `expired`."""
    expires_at: Mapped[Timestamp]
    created_at: Mapped[CreatedAt]
