"""What link endpoints return."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from app.schemas.common import Read


class LinkRead(Read):
    """`clicks` are people; what programs fetched stands in `bot_hits`."""

    id: UUID
    post_id: UUID | None
    short_url: str
    target_url: str
    clicks: int
    bot_hits: int
    last_clicked_at: datetime | None
    created_at: datetime


class LinkDayRead(Read):
    date: date
    clicks: int


class LinkDetailsRead(LinkRead):
    days: list[LinkDayRead]


class LinkPage(Read):
    items: list[LinkRead]
    total: int
    page: int
    per_page: int
