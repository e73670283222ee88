"""Short links, and how often people followed them."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId


class ShortLink(Base):
    """One address of ours that leads to one of the shop's."""

    __tablename__ = "short_links"
    __table_args__ = (Index("ix_short_links_post_id", "post_id", postgresql_where=text("post_id IS NOT NULL")),)

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    post_id: Mapped[UUID | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"))
    code: Mapped[str] = mapped_column(String(16), unique=True)
    target_url: Mapped[str] = mapped_column(Text)
    clicks: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    """People; what programs fetched is in `bot_hits`."""
    bot_hits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    last_clicked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


class LinkDay(Base):
    """Clicks of one link on one day (UTC)."""

    __tablename__ = "link_days"

    link_id: Mapped[UUID] = mapped_column(ForeignKey("short_links.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    clicks: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)


class LinkVisitor(Base):
    """Who followed a link a moment ago, as a keyed hash: the same person counts once in a while. Kept for an hour."""

    __tablename__ = "link_visitors"

    link_id: Mapped[UUID] = mapped_column(ForeignKey("short_links.id", ondelete="CASCADE"), primary_key=True)
    visitor_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    seen_at: Mapped[CreatedAt]
