"""Posts by day, in the days of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import FieldError, InvalidRequest
from app.domain.suggested_times import SuggestedTime, suggested_times
from app.domain.zones import days_between, find_zone, start_of_day
from app.repositories.account_repository import AccountRepository
from app.repositories.post_repository import PostFilter, PostRepository
from app.repositories.user_repository import Identity

LONGEST_DAYS = 366


@dataclass(frozen=True)
class Day:
    date: date
    posts_json: bytes
    """The day's posts as JSON objects, separated by commas, in UTF-8."""
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
        dates = days_between(first, last)
        starts = [start_of_day(day, zone) for day in [*dates, last + timedelta(days=1)]]
        found = await self._posts.by_day(user.id, wanted, starts)
        platforms = await self._accounts.connected_platforms(user.id)
        return CalendarView(
            timezone=name,
            days=[
                Day(day, found[index].json if index in found else b"", suggested_times(day, platforms))
                for index, day in enumerate(dates)
            ],
            total_posts=sum(day.posts for day in found.values()),
        )
