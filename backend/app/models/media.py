"""Files that users uploaded, what was made of them, and uploads under way."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, SmallInteger, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp


class MediaAsset(Base):
    """An uploaded file. It is never changed; what fits a platform better is made as a rendition."""

    __tablename__ = "media_assets"
    __table_args__ = (
        Index("ix_media_assets_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
        Index("ix_media_assets_last_used_at", "last_used_at"),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    file_name: Mapped[str] = mapped_column(String(255))
    """As its owner calls it."""
    url_name: Mapped[str] = mapped_column(String(80))
    """As addresses call it, for good: posts refer to it."""
    kind: Mapped[str] = mapped_column(String(8))
    mime_type: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage_key: Mapped[str] = mapped_column(String(255))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The other fields of `platforms.base.MediaItem`."""
    alt_text: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    """When it was uploaded or last put into a post."""


class MediaRendition(Base):
    """A file made of an asset that satisfies some post types at once."""

    __tablename__ = "media_renditions"
    __table_args__ = (
        Index("ix_media_renditions_open", "lease_until", postgresql_where=text("status IN ('pending', 'running')")),
    )

    id: Mapped[PrimaryId]
    asset_id: Mapped[UUID] = mapped_column(ForeignKey("media_assets.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    url_name: Mapped[str] = mapped_column(String(80))
    targets: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    fit: Mapped[str] = mapped_column(String(8))
    recipe: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(16))
    progress: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    """Per cent."""
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    storage_key: Mapped[str | None] = mapped_column(String(255))
    mime_type: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    lease_id: Mapped[UUID | None]
    lease_until: Mapped[Timestamp] = mapped_column(DateTime(timezone=True), server_default=func.now())
    """Before this moment nobody else takes it up."""
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class MediaUpload(Base):
    """A resumable upload. How much of it is there is what its file on disk says."""

    __tablename__ = "media_uploads"
    __table_args__ = (Index("ix_media_uploads_expires_at", "expires_at"),)

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    file_name: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    asset_id: Mapped[UUID | None] = mapped_column(ForeignKey("media_assets.id", ondelete="SET NULL"))
    """What became of it, once it was complete."""
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]


class MediaDiscard(Base):
    """A stored file whose row is gone, written by a trigger; the file goes after the row, also when that takes two
    tries. Also a file that is about to be stored: its row removes this note."""

    __tablename__ = "media_discards"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    storage_key: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]
    """From when on the note counts: in the future while the file may still get its row."""
