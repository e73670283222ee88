"""Products on their way to posts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, ForeignKey, Index, Integer, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, UpdatedAt


class QueueItem(Base):
    __tablename__ = "content_queue"
    __table_args__ = (
        Index("ix_content_queue_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_content_queue_user_id_status_created_at", "user_id", "status", text("created_at DESC"), text("id DESC")
        ),
        Index("ix_content_queue_product_id", "product_id", postgresql_where=text("product_id IS NOT NULL")),
        Index(
            "ix_content_queue_generate_due_at", "generate_due_at", postgresql_where=text("generate_due_at IS NOT NULL")
        ),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.id", ondelete="SET NULL"))
    origin: Mapped[str] = mapped_column(String(32), server_default="manual", default="manual")
    """What put it here: `manual`, `product`, `rule` or `platform_event`."""
    product_data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    ai_generated_content: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """The captions by platform as the original contract has them; `captions` says more about each."""
    captions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    platforms: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{}'"), default=list)
    status: Mapped[str] = mapped_column(String(32))
    version: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    """Number of the newest row in `caption_versions`; 0 while nothing was written."""
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    generate_request: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What was asked for in the background (tone, instruction, platforms); null while nothing is under way."""
    generate_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    generate_lease_id: Mapped[UUID | None]
    generate_lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    generate_tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("caption_batches.id", ondelete="SET NULL"))
    """The batch at the provider that its captions are expected from."""
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class CaptionVersion(Base):
    """What the captions of an item were at one time. Append-only."""

    __tablename__ = "caption_versions"
    __table_args__ = (UniqueConstraint("item_id", "version"),)

    id: Mapped[PrimaryId]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("content_queue.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    version: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(String(16))
    """`generated`, `edited`, `template` or `restored`."""
    captions: Mapped[dict[str, Any]] = mapped_column(JSONB)
    model: Mapped[str | None] = mapped_column(String(128))
    tone: Mapped[str | None] = mapped_column(String(64))
    instruction: Mapped[str | None] = mapped_column(Text)
    prompt_version: Mapped[str | None] = mapped_column(String(32))
    inputs_hash: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
