"""How captions are to sound, and what writing them has cost."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, DateTime, ForeignKey, Index, Integer, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class BrandVoice(Base):
    """How a user's captions are to sound."""

    __tablename__ = "brand_voices"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    updated_at: Mapped[UpdatedAt]


class CaptionTemplate(Base):
    """A caption with placeholders from product fields."""

    __tablename__ = "caption_templates"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    platforms: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{}'"), default=list)
    """Where it is offered; empty for everywhere."""
    content: Mapped[str] = mapped_column(Text)
    hashtags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), default=list)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class HashtagSet(Base):
    """Hashtags that are used together."""

    __tablename__ = "hashtag_sets"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    hashtags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class AiCall(Base):
    """One call to the provider. Written before it is made, with what it may cost at most; settled once it is known."""

    __tablename__ = "ai_calls"
    __table_args__ = (
        Index("ix_ai_calls_user_id_started_at", "user_id", "started_at"),
        Index("ix_ai_calls_open", "started_at", postgresql_where=text("outcome IS NULL")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("content_queue.id", ondelete="SET NULL"), index=True)
    purpose: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(128))
    month: Mapped[date] = mapped_column(Date)
    outcome: Mapped[str | None] = mapped_column(String(32))
    """Null while it is under way; `ok`, `refused`, `truncated`, `invalid`, `error`, or `lost` when nobody came back."""
    http_status: Mapped[int | None] = mapped_column(SmallInteger)
    error_type: Mapped[str | None] = mapped_column(String(64))
    stop_reason: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(128))
    input_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    output_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    cache_creation_input_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    cache_read_input_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    thinking_tokens: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    service_tier: Mapped[str | None] = mapped_column(String(32))
    reserved_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Millionths of a US dollar held back for it while it is under way; null when the model's price is not known."""
    cost_micros: Mapped[int | None] = mapped_column(BigInteger)
    """Millionths of a US dollar; null when the model's price is not known."""
    started_at: Mapped[Timestamp]
    duration_ms: Mapped[int | None] = mapped_column(Integer)


class AiSpend(Base):
    """What a month has cost so far, with what is held back for calls under way. `scope` is a user's id or `all`."""

    __tablename__ = "ai_spend"

    scope: Mapped[str] = mapped_column(String(64), primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    micros: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)


class CaptionBatch(Base):
    """Captions ordered together, at half the price, to be ready within a day."""

    __tablename__ = "caption_batches"
    __table_args__ = (Index("ix_caption_batches_due_at", "due_at", postgresql_where=text("ended_at IS NULL")),)

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    external_id: Mapped[str | None] = mapped_column(String(128))
    """The provider's id; null until it was created there."""
    status: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(128))
    due_at: Mapped[Timestamp]
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    error_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When creating it there was begun: one without an answer is looked up, not created again."""
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
