"""Comparisons: platforms over time, best posts and hours, captions by who wrote them, followers, and the export.

Every number is the latest that was read of posts that went out in the range. What nobody reports is None, never 0.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.engine import Sessions
from app.db.unit_of_work import UnitOfWork
from app.domain.best_times import BestTimes, Result, best_times
from app.domain.errors import AccountNotFound, FieldError, InvalidRequest, NotInPlan
from app.domain.plans import plan_of
from app.domain.vocabulary import Platform
from app.domain.zones import find_zone
from app.kit.clock import Clock
from app.repositories.account_repository import AccountRepository
from app.repositories.analytics_repository import NumbersFilter
from app.repositories.comparison_repository import ComparisonRepository
from app.repositories.follower_repository import FollowerRepository
from app.repositories.metrics_repository import NUMBERS
from app.repositories.user_repository import Identity

Interval = Literal["day", "week"]
USUAL_RANGE = timedelta(days=84)
RANGE_MAX = timedelta(days=732)
"""Longest range of a comparison: two years with their leap day."""
EXPORT_BATCH = 500
UNAVAILABLE = "unavailable"
"""What the export says of a number that nobody reports."""
COLUMNS = (
    "post_id",
    "posted_at",
    "platform",
    "account",
    "post_type",
    "text",
    "permalink",
    *NUMBERS,
    "clicks_source",
    "engagement_rate",
    "as_of",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings that spreadsheets take for a formula. Source: OWASP, CSV Injection, read 2026-11-27."""


@dataclass(frozen=True)
class Sums:
    """Numbers of several posts; `rated` of them have the engagement rate's parts."""

    posts: int
    numbers: Mapping[str, int | None]
    rated_posts: int
    engagement_rate: float | None


@dataclass(frozen=True)
class Point:
    date: date
    sums: Sums


@dataclass(frozen=True)
class PlatformTrend:
    platform: str
    sums: Sums
    previous: Sums
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Comparison:
    since: datetime
    until: datetime
    interval: Interval
    timezone: str
    as_of: datetime | None
    platforms: tuple[PlatformTrend, ...]


@dataclass(frozen=True)
class HourResult:
    """What posts of one hour of the week reached; `engagement_rate` is the plain average of theirs."""

    weekday: int
    hour: int
    posts: int
    engagement_rate: float


@dataclass(frozen=True)
class PlatformTimes:
    platform: str
    posts_unknown: int
    as_of: datetime | None
    best: BestTimes
    hours: tuple[HourResult, ...]


@dataclass(frozen=True)
class FollowerDay:
    date: date
    followers: int | None


@dataclass(frozen=True)
class AccountFollowers:
    account_id: UUID
    platform: str
    account_name: str
    days: tuple[FollowerDay, ...]
    as_of: datetime | None

    @property
    def followers(self) -> int | None:
        return self.days[-1].followers if self.days else None

    @property
    def change(self) -> int | None:
        """From the first known day of the range to the last."""
        known = [day.followers for day in self.days if day.followers is not None]
        return known[-1] - known[0] if len(known) > 1 else None


class ComparisonService:
    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._rows = ComparisonRepository(uow.session)
        self._followers = FollowerRepository(uow.session)
        self._accounts = AccountRepository(uow.session)
        self._clock = clock

    async def compare(self, user: Identity, wanted: NumbersFilter, interval: Interval) -> Comparison:
        """Compare platforms over time, and with the range of the same length before. Raises `NotInPlan`,
        `InvalidRequest`, `AccountNotFound`."""
        require_full_analytics(user)
        await self._require_account(user.id, wanted.account_id)
        since, until = self._range(wanted)
        inside = replace(wanted, since=since, until=until)
        totals = await self._rows.totals(user.id, inside)
        before = await self._rows.totals(user.id, replace(wanted, since=since - (until - since), until=since))
        trend = await self._rows.trend(user.id, inside, timezone=user.timezone, interval=interval)
        previous = {row.platform: _sums(row) for row in before}
        points: dict[str, dict[date, Sums]] = defaultdict(dict)
        for row in trend:
            points[row.platform][row.day] = _sums(row)
        dates = buckets(since, until, _zone(user), interval)
        found = {row.platform: _sums(row) for row in totals}
        return Comparison(
            since=since,
            until=until,
            interval=interval,
            timezone=user.timezone,
            as_of=max((row.as_of for row in totals if row.as_of is not None), default=None),
            platforms=tuple(
                PlatformTrend(
                    platform=platform,
                    sums=found.get(platform, NOTHING),
                    previous=previous.get(platform, NOTHING),
                    points=tuple(Point(day, points[platform].get(day, NOTHING)) for day in dates),
                )
                for platform in sorted({*found, *previous})
            ),
        )

    async def best_posts(
        self, user: Identity, wanted: NumbersFilter, *, by: str, limit: int
    ) -> tuple[Sequence[Any], int, int]:
        """Return the posts with the most of something, how many have that number, and how many do not."""
        await self._require_account(user.id, wanted.account_id)
        return await self._rows.best_posts(user.id, wanted, by=by, limit=limit)

    async def best_times(self, user: Identity, wanted: NumbersFilter) -> list[PlatformTimes]:
        """Return the hours of the week by platform, with how many posts say so. Raises `NotInPlan`,
        `AccountNotFound`."""
        require_full_analytics(user)
        await self._require_account(user.id, wanted.account_id)
        zone = _zone(user)
        by_platform: dict[str, list[Any]] = defaultdict(list)
        for row in await self._rows.rates(user.id, wanted):
            by_platform[row.platform].append(row)
        if wanted.platform is not None:
            by_platform.setdefault(wanted.platform, [])
        return [_times(platform, rows, zone) for platform, rows in sorted(by_platform.items())]

    async def captions(self, user: Identity, wanted: NumbersFilter) -> list[Any]:
        """Return what came of captions by model, tone and hand."""
        await self._require_account(user.id, wanted.account_id)
        return await self._rows.captions(user.id, wanted)

    async def followers(self, user: Identity, wanted: NumbersFilter) -> list[AccountFollowers]:
        """Return how many followed each account at the end of every day. Raises `AccountNotFound`,
        `InvalidRequest`."""
        await self._require_account(user.id, wanted.account_id)
        since, until = self._range(wanted)
        rows = await self._followers.by_day(
            user.id, since=since, until=until, timezone=user.timezone, account_id=wanted.account_id
        )
        by_account: dict[UUID, list[Any]] = defaultdict(list)
        for row in rows:
            by_account[row.account_id].append(row)
        return [
            AccountFollowers(
                account_id=account_id,
                platform=found[0].platform,
                account_name=found[0].account_name,
                days=tuple(FollowerDay(row.day, row.followers) for row in found if row.day is not None),
                as_of=found[-1].fetched_at,
            )
            for account_id, found in by_account.items()
            if wanted.platform is None or found[0].platform == wanted.platform
        ]

    async def require_export(self, user: Identity, wanted: NumbersFilter) -> None:
        """Raises `NotInPlan`, `AccountNotFound`: once the answer has begun, it is too late to say so."""
        require_full_analytics(user)
        await self._require_account(user.id, wanted.account_id)

    async def _require_account(self, user_id: UUID, account_id: UUID | None) -> None:
        if account_id is not None and await self._accounts.find(user_id, account_id) is None:
            raise AccountNotFound

    def _range(self, wanted: NumbersFilter) -> tuple[datetime, datetime]:
        until = wanted.until or self._clock()
        since = wanted.since or until - USUAL_RANGE
        if since >= until:
            raise InvalidRequest([FieldError(("query", "from"), "'from' must be before 'to'.", "range_is_empty")])
        if until - since > RANGE_MAX:
            sentence = f"Choose a range of at most {RANGE_MAX.days} days."
            raise InvalidRequest([FieldError(("query", "from"), sentence, "range_too_long")])
        return since, until


def require_full_analytics(user: Identity) -> None:
    """Raises `NotInPlan` unless the user's plan compares."""
    if not plan_of(user.plan).has_full_analytics:
        raise NotInPlan(
            "Comparisons over time, best times and exports are part of the Enterprise plan. Upgrade to use them."
        )


def buckets(since: datetime, until: datetime, zone: ZoneInfo, interval: Interval) -> list[date]:
    """Return every local day from `since` to before `until`, or the Mondays of their weeks."""
    first, last = since.astimezone(zone).date(), (until - timedelta(microseconds=1)).astimezone(zone).date()
    step = timedelta(days=1)
    if interval == "week":
        first, step = first - timedelta(days=first.weekday()), timedelta(days=7)
    return [first + n * step for n in range((last - first) // step + 1)]


async def export_csv(sessions: Sessions, user_id: UUID, wanted: NumbersFilter) -> AsyncIterator[str]:
    """Give the lines of a table of all posts and numbers, a few hundred at a time; no connection is held between."""
    yield "\ufeff" + _line(COLUMNS)  # the mark by which spreadsheets know UTF-8
    after: tuple[datetime, UUID] | None = None
    while True:
        async with sessions() as session:
            rows = await ComparisonRepository(session).export(user_id, wanted, after=after, limit=EXPORT_BATCH)
        if rows:
            yield "".join(_line(_cells(row)) for row in rows)
            after = (rows[-1].posted_at, rows[-1].id)
        if len(rows) < EXPORT_BATCH:
            return


def _cells(row: Any) -> list[str]:
    numbers = [_cell(getattr(row, name)) for name in NUMBERS]
    source = "platform" if row.platform_clicks is not None else "links" if row.clicks is not None else UNAVAILABLE
    return [
        str(row.post_id),
        row.posted_at.isoformat(timespec="seconds"),
        row.platform,
        harmless(row.account_name),
        row.post_type,
        harmless(row.content),
        harmless(row.permalink or ""),
        *numbers,
        source,
        UNAVAILABLE if row.value is None else f"{row.value:.2f}",
        UNAVAILABLE if row.fetched_at is None else row.fetched_at.isoformat(timespec="seconds"),
    ]


def _cell(value: int | None) -> str:
    return UNAVAILABLE if value is None else str(int(value))


def harmless(text: str) -> str:
    """Return a text that no spreadsheet runs: one that begins like a formula gets an apostrophe before it."""
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _times(platform: str, rows: Sequence[Any], zone: ZoneInfo) -> PlatformTimes:
    known = [Result(row.posted_at, float(row.rate)) for row in rows if row.rate is not None]
    hours: dict[tuple[int, int], list[float]] = defaultdict(list)
    for result in known:
        local = result.posted_at.astimezone(zone)
        hours[local.weekday(), local.hour].append(result.engagement_rate)
    return PlatformTimes(
        platform=platform,
        posts_unknown=len(rows) - len(known),
        as_of=max((row.fetched_at for row in rows if row.fetched_at is not None), default=None),
        best=best_times(Platform(platform), known, zone),
        hours=tuple(
            HourResult(weekday, hour, len(rates), round(sum(rates) / len(rates), 2))
            for (weekday, hour), rates in sorted(hours.items())
        ),
    )


def _sums(row: Any) -> Sums:
    return Sums(
        posts=row.posts,
        numbers={name: _whole(getattr(row, name)) for name in NUMBERS},
        rated_posts=row.rated_posts,
        engagement_rate=rate_of(row.rated_actions, row.rated_impressions),
    )


def rate_of(actions: Any, impressions: Any) -> float | None:
    """Return actions per impression in per cent; `None` where no post has both."""
    return round(float(actions) / float(impressions) * 100, 2) if impressions else None


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _zone(user: Identity) -> ZoneInfo:
    return find_zone(user.timezone) or ZoneInfo("UTC")


NOTHING = Sums(0, dict.fromkeys(NUMBERS), 0, None)
