"""SQL that adds numbers up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import PostMetrics
from app.repositories.metrics_repository import NUMBERS

_SUMS = tuple(func.sum(getattr(PostMetrics, name)).label(name) for name in NUMBERS)
_KNOWN = tuple(func.count(getattr(PostMetrics, name)).label(f"{name}_known") for name in NUMBERS)


@dataclass(frozen=True)
class NumbersFilter:
    since: datetime | None = None
    until: datetime | None = None
    platform: str | None = None
    account_id: UUID | None = None


class AnalyticsRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_platform(self, user_id: UUID, wanted: NumbersFilter) -> list[Row[Any]]:
        """Return sums per platform, and of how many posts each number is known."""
        query = (
            select(
                PostMetrics.platform,
                func.count().label("posts"),
                func.max(PostMetrics.fetched_at).label("as_of"),
                *_SUMS,
                *_KNOWN,
            )
            .where(_conditions(user_id, wanted))
            .group_by(PostMetrics.platform)
            .order_by(PostMetrics.platform)
        )
        return list((await self._session.execute(query)).all())

    async def by_day(self, user_id: UUID, wanted: NumbersFilter, *, timezone: str) -> list[Row[Any]]:
        """Return sums per local day on which posts went out."""
        day = func.date(func.timezone(timezone, PostMetrics.posted_at)).label("day")
        query = (
            select(day, func.count().label("posts"), *_SUMS)
            .where(_conditions(user_id, wanted))
            .group_by(day)
            .order_by(day)
        )
        return list((await self._session.execute(query)).all())

    async def of_post(self, user_id: UUID, post_id: UUID) -> PostMetrics | None:
        return await self._session.scalar(
            select(PostMetrics).where(
                PostMetrics.user_id == user_id, PostMetrics.post_id == post_id, PostMetrics.fetched_at.is_not(None)
            )
        )

    async def page(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[PostMetrics], int]:
        known = and_(PostMetrics.user_id == user_id, PostMetrics.fetched_at.is_not(None))
        total = int(await self._session.scalar(select(func.count()).select_from(PostMetrics).where(known)) or 0)
        rows = await self._session.scalars(
            select(PostMetrics)
            .where(known)
            .order_by(PostMetrics.posted_at.desc(), PostMetrics.id.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        return list(rows), total


def _conditions(user_id: UUID, wanted: NumbersFilter) -> Any:
    conditions = [PostMetrics.user_id == user_id]
    if wanted.since is not None:
        conditions.append(PostMetrics.posted_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(PostMetrics.posted_at < wanted.until)
    if wanted.platform is not None:
        conditions.append(PostMetrics.platform == wanted.platform)
    if wanted.account_id is not None:
        conditions.append(PostMetrics.account_id == wanted.account_id)
    return and_(*conditions)
