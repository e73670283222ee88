"""Posts, and the record of getting each one out."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class Post(Base):
    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
        Index("ix_posts_user_id_status_created_at", "user_id", "status", text("created_at DESC"), text("id DESC")),
        Index("ix_posts_account_id_created_at", "account_id", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_posts_user_id_scheduled_for",
            "user_id",
            "scheduled_for",
            postgresql_where=text("scheduled_for IS NOT NULL"),
        ),
        Index("ix_posts_group_id", "group_id", postgresql_where=text("group_id IS NOT NULL")),
        Index("ix_posts_queue_item_id", "queue_item_id", postgresql_where=text("queue_item_id IS NOT NULL")),
        Index("ix_posts_product_id", "product_id", postgresql_where=text("product_id IS NOT NULL")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"))
    platform: Mapped[str] = mapped_column(String(32))
    post_type: Mapped[str] = mapped_column(String(32))
    content: Mapped[str] = mapped_column(Text)
    media_urls: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), default=list)
    media: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"), default=list)
    hashtags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"), default=list)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    status: Mapped[str] = mapped_column(String(32))
    scheduled_for: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    posted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    platform_post_id: Mapped[str | None] = mapped_column(String(255))
    permalink: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    live_status: Mapped[str | None] = mapped_column(String(16))
    """What the second look after publishing found (`domain.vocabulary.LiveStatus`); null before it."""
    live_checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    first_comment_status: Mapped[str | None] = mapped_column(String(16))
    first_comment_error: Mapped[str | None] = mapped_column(Text)
    group_id: Mapped[UUID | None]
    queue_item_id: Mapped[UUID | None] = mapped_column(ForeignKey("content_queue.id", ondelete="SET NULL"))
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.id", ondelete="SET NULL"))
    """The product it speaks of."""
    product_facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """What was known of the product when the text was approved (title, price, currency): the guard compares with it."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class PostCountDelta(Base):
    """Exact numbers of posts as a sum of small steps, written by a trigger and folded together now and then.

    A count is `sum(delta)` over the rows that match; nobody waits for anybody's lock to write one.
    """

    __tablename__ = "post_count_deltas"
    __table_args__ = (
        Index(
            "ix_post_count_deltas_user_id", "user_id", postgresql_include=["status", "platform", "account_id", "delta"]
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[UUID]
    account_id: Mapped[UUID]
    platform: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(32))
    delta: Mapped[int]


class Publication(Base):
    """One run of getting one post out. A retry is a new run; at most one run of a post is open."""

    __tablename__ = "publications"
    __table_args__ = (
        UniqueConstraint("post_id", "run"),
        Index("uq_publications_open_post", "post_id", unique=True, postgresql_where=text("finished_at IS NULL")),
        Index("ix_publications_open_due", "account_id", "due_at", "id", postgresql_where=text("finished_at IS NULL")),
        Index("ix_publications_due_at", "due_at", postgresql_where=text("finished_at IS NULL")),
    )

    id: Mapped[PrimaryId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"))
    run: Mapped[int] = mapped_column(SmallInteger)
    step: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    scheduled_for: Mapped[Timestamp]
    """When the owner wanted it out."""
    due_at: Mapped[Timestamp]
    """When to look at it next."""
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    """Failed tries of the current step in a row, for the backoff."""
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    submitted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(32))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    platform_code: Mapped[str | None] = mapped_column(String(64))
    platform_trace_id: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[CreatedAt]


class PublicationAttempt(Base):
    """The journal: one call made for a publication, or one decision taken. Append-only; no tokens, no captions."""

    __tablename__ = "publication_attempts"

    id: Mapped[PrimaryId]
    publication_id: Mapped[UUID] = mapped_column(ForeignKey("publications.id", ondelete="CASCADE"), index=True)
    step: Mapped[str] = mapped_column(String(16))
    operation: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(32))
    status: Mapped[int | None] = mapped_column(SmallInteger)
    code: Mapped[str | None] = mapped_column(String(64))
    trace_id: Mapped[str | None] = mapped_column(String(128))
    detail: Mapped[str | None] = mapped_column(Text)
    host: Mapped[str | None] = mapped_column(String(255))
    path: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[Timestamp]
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    worker: Mapped[str | None] = mapped_column(String(128))


class FollowUp(Base):
    """Something to do for a post once it is out: write its first comment, look whether it is really there."""

    __tablename__ = "follow_ups"
    __table_args__ = (
        UniqueConstraint("post_id", "kind"),
        Index("ix_follow_ups_due_at", "due_at", postgresql_where=text("done_at IS NULL")),
    )

    id: Mapped[PrimaryId]
    post_id: Mapped[UUID] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    due_at: Mapped[Timestamp]
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    missing: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    """How many looks in a row did not find the post."""
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the one call was about to be made; one without an answer is looked up, not repeated."""
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[CreatedAt]


class MediaLoan(Base):
    """An address under `PUBLIC_URL` that serves one file to one submission, and can be shut at once."""

    __tablename__ = "media_loans"

    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    publication_id: Mapped[UUID] = mapped_column(ForeignKey("publications.id", ondelete="CASCADE"), index=True)
    source_url: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(String(255))
    mime_type: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[CreatedAt]
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    fetched_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was last asked for."""
