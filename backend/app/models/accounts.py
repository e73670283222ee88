"""Connected profiles and Pages, and what opens them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, PrimaryId, Timestamp, UpdatedAt


class SocialAccount(Base):
    __tablename__ = "social_accounts"
    __table_args__ = (
        UniqueConstraint("user_id", "platform", "account_id_external"),
        Index("ix_social_accounts_owner_ids_external", "owner_ids_external", postgresql_using="gin"),
        Index("ix_social_accounts_checked_at", "checked_at", postgresql_where=text("status = 'connected'")),
        Index("ix_social_accounts_followers_due_at", "followers_due_at", postgresql_where=text("status = 'connected'")),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    platform: Mapped[str] = mapped_column(String(32))
    account_name: Mapped[str] = mapped_column(String(255))
    account_id_external: Mapped[str | None] = mapped_column(String(255))
    mode: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(32))
    status_reason: Mapped[str | None] = mapped_column(Text)
    avatar_url: Mapped[str | None] = mapped_column(Text)
    granted_scopes: Mapped[list[str]] = mapped_column(ARRAY(String(128)), server_default=text("'{}'"), default=list)
    login: Mapped[str] = mapped_column(String(32), server_default="", default="")
    """How its owner signed in, where the platform knows several ways; empty before the first time."""
    owner_ids_external: Mapped[list[str]] = mapped_column(
        postgresql.ARRAY(String(128)), server_default=text("'{}'"), default=list
    )
    """Ids under which the platform may speak of its owner: in deauthorize and data-deletion calls."""
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    followers_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), server_default=func.now())
    """When its followers are counted next."""
    """When the platform last said that the tokens work."""
    access_ends_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When access ends unless the owner connects again; null while renewing goes on by itself."""
    connected_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_posted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    token_expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    @property
    def is_connected(self) -> bool:
        return self.status == "connected"


class AccountCredential(Base):
    """The tokens of one account, encrypted with the account's id as context."""

    __tablename__ = "account_credentials"
    __table_args__ = (
        CheckConstraint("length(ciphertext) > 0", name="ciphertext_not_empty"),
        Index(
            "ix_account_credentials_refresh_due_at",
            "refresh_due_at",
            postgresql_where=text("refresh_due_at IS NOT NULL"),
        ),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"), primary_key=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[str] = mapped_column(String(16))
    version: Mapped[int] = mapped_column(server_default=text("1"), default=1)
    """Grows with every new grant: a caller that failed with version n and finds n + 1 simply tries again."""
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    refresh_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    refresh_lease_id: Mapped[UUID | None]
    refresh_lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[UpdatedAt]


class OAuthState(Base):
    """A sign-in at a platform that was begun and not yet answered. Single use, ten minutes."""

    __tablename__ = "oauth_states"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"))
    platform: Mapped[str] = mapped_column(String(32))
    login: Mapped[str] = mapped_column(String(32), server_default="", default="")
    code_verifier: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[Timestamp]
    created_at: Mapped[CreatedAt]


class ConnectionChoice(Base):
    """Profiles that one sign-in opened, waiting for their owner to pick; tokens encrypted with the row's id."""

    __tablename__ = "connection_choices"

    id: Mapped[PrimaryId]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    platform: Mapped[str] = mapped_column(String(32))
    login: Mapped[str] = mapped_column(String(32))
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[str] = mapped_column(String(16))
    expires_at: Mapped[Timestamp]
    created_at: Mapped[CreatedAt]


class PublishingLane(Base):
    """One account's place in the queue. Its lease is what makes publishing one at a time per account.

    `due_at` is never later than the first due time of the account's open publications; earlier is harmless.
    Whoever locks rows of an account locks the lane first, then the publication, then the post.
    """

    __tablename__ = "publishing_lanes"
    __table_args__ = (Index("ix_publishing_lanes_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paused_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_owner: Mapped[str | None] = mapped_column(String(128))


class Heartbeat(Base):
    """Proof of life of one process."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    beat_at: Mapped[Timestamp]
    facts: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=text("'{}'"), default=dict)
