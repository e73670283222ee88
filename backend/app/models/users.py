"""People, their sessions, keys and subscriptions."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email_lower", func.lower(text("email")), unique=True),
        Index("ix_users_erase_due_at", "erase_due_at", postgresql_where=text("erase_due_at IS NOT NULL")),
    )

    id: Mapped[PrimaryId]
    email: Mapped[str] = mapped_column(String(320))
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    timezone: Mapped[str] = mapped_column(String(64), server_default="UTC", default="UTC")
    email_verified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    password_changed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    totp_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The secret of the second factor, encrypted with the user's id as context; pending until it was used once."""
    totp_key_version: Mapped[str | None] = mapped_column(String(16))
    totp_enabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    totp_last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The last 30-second step whose code was used: no code works twice."""
    trial_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    external_platform_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    """What an integrating shop platform calls this user."""
    external_store_id: Mapped[str | None] = mapped_column(String(255))
    erase_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Set once they asked to be forgotten: from then on nobody signs in, and a worker erases what is theirs."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class LetterRequest(Base):
    """A letter that is to be written to somebody about their sign-in. It holds no secret: the link in the letter is
    made when it is sent. One is kept for an unknown address as for a known one, so that asking tells nothing."""

    __tablename__ = "letter_requests"

    id: Mapped[PrimaryId]
    purpose: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(String(320))
    """Where it goes."""
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """Null where the address says who it is."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now(), index=True)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"), default=0)
    created_at: Mapped[CreatedAt]


class OneTimeToken(Base):
    """A link sent by mail: kept as a digest, used once."""

    __tablename__ = "one_time_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(32))
    """`verify_email`, `reset_password` or `change_email`."""
    email: Mapped[str] = mapped_column(String(320))
    """The address it was sent to."""
    expires_at: Mapped[Timestamp]
    created_at: Mapped[CreatedAt]


class RecoveryCode(Base):
    """One of the codes that stand in for the second factor, each once; kept as a digest keyed by the user's id."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AuditEvent(Base):
    """Something that matters for security: a sign-in, a changed password, a key made. Append-only; no secrets."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_user_id_id", "user_id", text("id DESC")),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(64))
    ip_address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(512))
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
    created_at: Mapped[CreatedAt]


class AuthSession(Base):
    """One sign-in: the family of refresh tokens that grew from it."""

    __tablename__ = "auth_sessions"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_reason: Mapped[str | None] = mapped_column(String(32))
    ip_address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(512))
    current_token_id: Mapped[UUID]
    """The only refresh token of the family that still works; any other one that turns up was used before."""


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    key_prefix: Mapped[str] = mapped_column(String(32))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(64)), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    is_provisioned: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    """Whether an integrating platform holds it; the next one it asks for takes its place."""
    created_at: Mapped[CreatedAt]


class Subscription(Base):
    __tablename__ = "subscriptions"
    __table_args__ = (UniqueConstraint("user_id"),)

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    plan: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(32))
    mode: Mapped[str] = mapped_column(String(16))
    external_customer_id: Mapped[str | None] = mapped_column(String(255))
    external_subscription_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    current_period_start: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    current_period_end: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    price_id: Mapped[str | None] = mapped_column(String(255))
    cancels_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    trial_ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    past_due_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    invoice_url: Mapped[str | None] = mapped_column(Text)
    """Where an unpaid invoice can be paid."""
    synced_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the payment provider was last asked."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class UsageCounter(Base):
    """What a user has used up of a plan's limit in one calendar month (UTC)."""

    __tablename__ = "usage_counters"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(32), primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    used: Mapped[int] = mapped_column(Integer)


class IdempotencyKey(Base):
    """The answer to a request that its sender may repeat; stored in the same transaction as its effect."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
