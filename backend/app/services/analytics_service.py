"""What came of the posts: sums, days, single posts. A number that a platform does not report is never invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.engagement import engagement_rate
from app.domain.errors import MetricsNotFound
from app.repositories.analytics_repository import AnalyticsRepository, NumbersFilter, PostNumbers
from app.repositories.metrics_repository import NUMBERS
from app.repositories.user_repository import Identity


@dataclass(frozen=True)
class DayNumbers:
    date: date
    posts: int
    numbers: Mapping[str, int]


@dataclass(frozen=True)
class PlatformNumbers:
    posts: int
    numbers: Mapping[str, int]
    unavailable: tuple[str, ...]

    @property
    def engagement_rate(self) -> float:
        return engagement_rate(self.numbers)


@dataclass(frozen=True)
class OverviewNumbers:
    total: PlatformNumbers
    by_platform: Mapping[str, PlatformNumbers]
    series: tuple[DayNumbers, ...]
    as_of: datetime | None


class AnalyticsService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._rows = AnalyticsRepository(uow.session)

    async def overview(self, user: Identity, wanted: NumbersFilter, *, interval: str = "day") -> OverviewNumbers:
        """Add up the latest numbers of every published post that matches; zeroes where there is none."""
        platforms = await self._rows.by_platform(user.id, wanted)
        days = await self._rows.by_day(user.id, wanted, timezone=user.timezone, interval=interval)
        by_platform = {
            row.platform: PlatformNumbers(
                posts=row.posts,
                numbers=_numbers(row._asdict()),
                unavailable=tuple(name for name in NUMBERS if row._mapping[f"{name}_known"] == 0),
            )
            for row in platforms
        }
        total = PlatformNumbers(
            posts=sum(part.posts for part in by_platform.values()),
            numbers={name: sum(part.numbers[name] for part in by_platform.values()) for name in NUMBERS},
            unavailable=(),
        )
        return OverviewNumbers(
            total=total,
            by_platform=by_platform,
            series=tuple(DayNumbers(row.day, row.posts, _numbers(row._asdict())) for row in days),
            as_of=_latest(row.as_of for row in platforms),
        )

    async def of_post(self, user_id: UUID, post_id: UUID) -> PostNumbers:
        """Raises `MetricsNotFound`, also for somebody else's post."""
        found = await self._rows.of_post(user_id, post_id)
        if found is None:
            raise MetricsNotFound
        return found

    async def page(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[PostNumbers], int]:
        return await self._rows.page(user_id, page=page, per_page=per_page)


def _numbers(mapping: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(mapping[name] or 0) for name in NUMBERS}


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
