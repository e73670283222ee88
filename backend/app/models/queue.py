"""Products on their way to posts."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, UpdatedAt


class QueueItem(Base):
    __tablename__ = "content_queue"
    __table_args__ = (
        Index("ix_content_queue_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    product_data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    ai_generated_content: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    platforms: Mapped[list[str]] = mapped_column(ARRAY(String(32)), server_default=text("'{}'"), default=list)
    status: Mapped[str] = mapped_column(String(32))
    error_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
