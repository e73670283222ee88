"""What happened, told onwards: to the dashboard, by notification and mail, and to webhooks."""

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
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class UserEvent(Base):
    """Something that happened to what a user owns, written by triggers in the transaction in which it happened."""

    __tablename__ = "user_events"
    __table_args__ = (
        Index("ix_user_events_user_id_id", "user_id", "id"),
        Index("ix_user_events_user_id_position", "user_id", "position"),
        Index("ix_user_events_unhandled", "id", postgresql_where=text("handled_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(64))
    """`post.scheduled`, `post.publishing`, `post.posted`, `post.failed`, `post.held`, `account.needs_reconnect`,
    `account.connected`, `queue.generated`, `queue.failed`, `subscription.updated` and so on."""
    subject_id: Mapped[UUID]
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    handled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was handed on to notifications and webhooks."""
    position: Mapped[int | None] = mapped_column(BigInteger)
    """Given when it is handed on, in the order of commits: below one that was seen nothing appears any more."""
    created_at: Mapped[CreatedAt]


class Notification(Base):
    """Something a user should know."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("user_id", "dedupe_key"),
        Index("ix_notifications_user_id_created_at", "user_id", text("created_at DESC"), text("id DESC")),
        Index("ix_notifications_unread", "user_id", postgresql_where=text("read_at IS NULL AND in_app")),
        Index("ix_notifications_mail_due_at", "mail_due_at", postgresql_where=text("mail_due_at IS NOT NULL")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[UUID | None]
    dedupe_key: Mapped[str] = mapped_column(String(255))
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    in_app: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    mail_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it is to be mailed; several that are due together go in one mail."""
    mailed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


class NotificationSetting(Base):
    """How a user wants to hear of one kind of thing."""

    __tablename__ = "notification_settings"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(64), primary_key=True)
    in_app: Mapped[bool]
    mail: Mapped[str] = mapped_column(String(16))
    """`at_once`, `daily` or `off`."""
    updated_at: Mapped[UpdatedAt]


class WebhookEndpoint(Base):
    """An address of a user's that is told what happens; the secret encrypted with the row's id as context."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="", default="")
    secret_ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[str] = mapped_column(String(16))
    events: Mapped[list[str]] = mapped_column(ARRAY(String(64)))
    """Kinds of events; empty for all."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    failing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class WebhookDelivery(Base):
    """One event on its way to one address. Those of one lane go one after the other, in order of `position`."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id", "replay"),
        Index(
            "ix_webhook_deliveries_open", "endpoint_id", "lane", "position", postgresql_where=text("ended_at IS NULL")
        ),
        Index("ix_webhook_deliveries_due_at", "due_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_webhook_deliveries_endpoint_id_position", "endpoint_id", text("position DESC")),
    )

    id: Mapped[PrimaryId]
    position: Mapped[int] = mapped_column(BigInteger, Identity())
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[int] = mapped_column(BigInteger)
    replay: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    lane: Mapped[UUID]
    """What it is about: events of one post keep their order."""
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    due_at: Mapped[Timestamp]
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    last_error: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(String(16))
    """`delivered` or `given_up`."""
    created_at: Mapped[CreatedAt]


class AccountSnapshot(Base):
    """Numbers of an account as read at one moment; null where the platform does not say."""

    __tablename__ = "account_snapshots"
    __table_args__ = (Index("ix_account_snapshots_account_id_fetched_at", "account_id", "fetched_at"),)

    id: Mapped[PrimaryId]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    followers: Mapped[int | None] = mapped_column(BigInteger)
    fetched_at: Mapped[Timestamp]
