"""Posts by day, in the days of a time zone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import FieldError, InvalidRequest
from app.domain.suggested_times import SuggestedTime, suggested_times
from app.domain.vocabulary import AccountStatus
from app.domain.zones import days_between, find_zone, start_of_day
from app.repositories.account_repository import AccountRepository
from app.repositories.post_repository import PostFilter, PostRepository, PostRow
from app.repositories.user_repository import Identity

LONGEST_DAYS = 366


@dataclass(frozen=True)
class Day:
    date: date
    posts: list[PostRow]
    suggested_times: list[SuggestedTime]


@dataclass(frozen=True)
class CalendarView:
    timezone: str
    days: list[Day]
    total_posts: int


class CalendarService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._posts = PostRepository(uow.session)
        self._accounts = AccountRepository(uow.session)

    async def view(
        self, user: Identity, *, first: date, last: date, timezone: str | None, wanted: PostFilter
    ) -> CalendarView:
        """Return every day from `first` to `last`, empty ones included. Raises `InvalidRequest`."""
        name = timezone or user.timezone
        zone = find_zone(name)
        if zone is None:
            sentence = f"'{name}' is not a time zone. Use a name such as Europe/Paris."
            raise InvalidRequest([FieldError(("query", "timezone"), sentence, "unknown_timezone")])
        days = (last - first).days + 1
        if days < 1 or days > LONGEST_DAYS or last >= date.max - timedelta(days=1) or first <= date.min:
            sentence = f"Choose an end date on or after the start date, at most {LONGEST_DAYS} days later."
            raise InvalidRequest([FieldError(("query", "end_date"), sentence, "invalid_range")])
        rows = await self._posts.between(
            user.id,
            start=start_of_day(first, zone),
            end=start_of_day(last + timedelta(days=1), zone),
            wanted=wanted,
        )
        by_day: dict[date, list[PostRow]] = defaultdict(list)
        for row in rows:
            by_day[row.scheduled_for.astimezone(zone).date()].append(row)
        accounts = await self._accounts.list_of(user.id)
        platforms = sorted({a.platform for a in accounts if a.status == AccountStatus.connected})
        return CalendarView(
            timezone=name,
            days=[Day(day, by_day.get(day, []), suggested_times(day, platforms)) for day in days_between(first, last)],
            total_posts=len(rows),
        )
