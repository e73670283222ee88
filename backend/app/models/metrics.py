"""Numbers of posts: the latest, and how they grew."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, PrimaryId, Timestamp


class _Numbers:
    """Null where the platform does not report the number."""

    impressions: Mapped[int | None] = mapped_column(BigInteger)
    reach: Mapped[int | None] = mapped_column(BigInteger)
    likes: Mapped[int | None] = mapped_column(BigInteger)
    comments: Mapped[int | None] = mapped_column(BigInteger)
    shares: Mapped[int | None] = mapped_column(BigInteger)
    clicks: Mapped[int | None] = mapped_column(BigInteger)


class PostMetrics(_Numbers, Base):
    """The latest numbers of one post, and when to read them again."""

    __tablename__ = "post_metrics"
    __table_args__ = (
        Index("ix_post_metrics_next_fetch_at", "next_fetch_at", postgresql_where=text("next_fetch_at IS NOT NULL")),
        Index("ix_post_metrics_user_id", "user_id", "platform"),
    )

    id: Mapped[PrimaryId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"))
    platform: Mapped[str]
    posted_at: Mapped[Timestamp]
    fetched_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_fetch_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reads: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)


class MetricSnapshot(_Numbers, Base):
    """The numbers of one post as read at one moment."""

    __tablename__ = "metric_snapshots"
    __table_args__ = (Index("ix_metric_snapshots_post_id_fetched_at", "post_id", "fetched_at"),)

    id: Mapped[PrimaryId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    fetched_at: Mapped[Timestamp]
