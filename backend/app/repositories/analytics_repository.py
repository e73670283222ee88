"""SQL that adds numbers up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import PostMetrics, ShortLink
from app.repositories.metrics_repository import NUMBERS

_LINK_CLICKS = (
    select(func.sum(ShortLink.clicks)).where(ShortLink.post_id == PostMetrics.post_id).correlate(PostMetrics)
).scalar_subquery()
"""How often people followed the short links of a post; null where it has none."""


def number_of(name: str) -> Any:
    """Return a number as it counts: clicks are the platform's, or else those of the post's short links."""
    column = getattr(PostMetrics, name)
    return func.coalesce(column, _LINK_CLICKS) if name == "clicks" else column


def bucket_of(timezone: str, interval: str) -> Any:
    """Return the local day on which a post went out, or the Monday of its week."""
    return func.date(func.date_trunc(interval, func.timezone(timezone, PostMetrics.posted_at))).label("day")


_SUMS = tuple(func.sum(number_of(name)).label(name) for name in NUMBERS)
_KNOWN = tuple(func.count(number_of(name)).label(f"{name}_known") for name in NUMBERS)


@dataclass(frozen=True)
class NumbersFilter:
    since: datetime | None = None
    until: datetime | None = None
    platform: str | None = None
    account_id: UUID | None = None


@dataclass(frozen=True)
class PostNumbers:
    """The latest numbers of one post; None where nobody reports one."""

    id: UUID
    post_id: UUID
    numbers: dict[str, int | None]
    clicks_source: str | None
    """`platform`, or `links` where only the post's short links were counted."""
    fetched_at: datetime


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
            .where(matches(user_id, wanted))
            .group_by(PostMetrics.platform)
            .order_by(PostMetrics.platform)
        )
        return list((await self._session.execute(query)).all())

    async def by_day(
        self, user_id: UUID, wanted: NumbersFilter, *, timezone: str, interval: str = "day"
    ) -> list[Row[Any]]:
        """Return sums per local day on which posts went out, or per week, named by its Monday."""
        day = bucket_of(timezone, interval)
        query = (
            select(day, func.count().label("posts"), *_SUMS).where(matches(user_id, wanted)).group_by(day).order_by(day)
        )
        return list((await self._session.execute(query)).all())

    async def of_post(self, user_id: UUID, post_id: UUID) -> PostNumbers | None:
        known = and_(
            PostMetrics.user_id == user_id, PostMetrics.post_id == post_id, PostMetrics.fetched_at.is_not(None)
        )
        row = (await self._session.execute(select(PostMetrics, _LINK_CLICKS).where(known))).first()
        return None if row is None else _read(*row)

    async def page(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[PostNumbers], int]:
        known = and_(PostMetrics.user_id == user_id, PostMetrics.fetched_at.is_not(None))
        total = int(await self._session.scalar(select(func.count()).select_from(PostMetrics).where(known)) or 0)
        rows = await self._session.execute(
            select(PostMetrics, _LINK_CLICKS)
            .where(known)
            .order_by(PostMetrics.posted_at.desc(), PostMetrics.id.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        return [_read(*row) for row in rows.all()], total


def _read(row: PostMetrics, link_clicks: int | None) -> PostNumbers:
    numbers = {name: getattr(row, name) for name in NUMBERS}
    source = "platform" if row.clicks is not None else None if link_clicks is None else "links"
    if source == "links":
        numbers["clicks"] = int(link_clicks or 0)
    assert row.fetched_at is not None
    return PostNumbers(row.id, row.post_id, numbers, source, row.fetched_at)


def matches(user_id: UUID, wanted: NumbersFilter) -> Any:
    """Return the condition that a user's posts of a range, platform or account meet."""
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
