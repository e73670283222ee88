"""What platforms tell us by themselves."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Index, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId


class InboundEvent(Base):
    """One event of a webhook, stored once however often it is delivered, then worked off."""

    __tablename__ = "inbound_events"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_inbound_events_open", "created_at", postgresql_where=text("handled_at IS NULL")),
    )

    id: Mapped[PrimaryId]
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(128))
    """The platform's id of the event, or a digest of what makes it one."""
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(64))


class DeletionRequest(Base):
    """A person asked a platform to have their data deleted here. Kept as proof; it names nobody."""

    __tablename__ = "deletion_requests"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    platform: Mapped[str] = mapped_column(String(32))
    accounts: Mapped[int]
    """How many accounts' tokens and profile data were deleted."""
    summary: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    completed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
