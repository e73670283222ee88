"""When accounts post by themselves, and what is checked and added when a post goes out."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Date, ForeignKey, Integer, SmallInteger, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, UpdatedAt


class AccountSchedule(Base):
    """The weekly slots of one account, in its own time zone."""

    __tablename__ = "account_schedules"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("social_accounts.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    timezone: Mapped[str | None] = mapped_column(String(64))
    """Null for the user's own."""
    slots: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """`[{"weekday": 0–6 from Monday, "time": "HH:MM"}]`; null to use suggested times."""
    min_spacing_minutes: Mapped[int] = mapped_column(Integer, server_default=text("60"), default=60)
    daily_max: Mapped[int] = mapped_column(SmallInteger, server_default=text("3"), default=3)
    blackout_dates: Mapped[list[date]] = mapped_column(ARRAY(Date), server_default=text("'{}'"), default=list)
    updated_at: Mapped[UpdatedAt]


class PublishingPreferences(Base):
    """What a user wants done to links, and to posts whose product has changed."""

    __tablename__ = "publishing_preferences"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    updated_at: Mapped[UpdatedAt]
