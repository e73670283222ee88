"""What came of the posts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import AnalyticsServiceDep, CurrentUser, Page, PerPage
from app.api.problems import problems
from app.domain.engagement import engagement_rate
from app.domain.errors import InvalidToken, MetricsNotFound, NotAuthenticated
from app.domain.vocabulary import Platform
from app.repositories.analytics_repository import NumbersFilter, PostNumbers
from app.schemas.analytics import Interval, Overview, PlatformTotals, PostMetricsPage, PostMetricsRead, SeriesPoint
from app.schemas.common import Moment
from app.services.analytics_service import PlatformNumbers

router = APIRouter(prefix="/analytics", tags=["analytics"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.get("/overview", operation_id="analytics_overview", responses=problems(*SIGNED_IN))
async def overview(
    user: CurrentUser,
    analytics: AnalyticsServiceDep,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
    platform: Platform | None = None,
    account_id: UUID | None = None,
    interval: Interval = Interval.day,
) -> Overview:
    """Add up the latest numbers of published posts, by platform and by day or week (of the user's time zone)."""
    found = await analytics.overview(user, NumbersFilter(since, until, platform, account_id), interval=interval)
    return Overview(
        **_totals(found.total),
        by_platform={
            name: PlatformTotals(**_totals(part), unavailable=list(part.unavailable))
            for name, part in found.by_platform.items()
        },
        series=[SeriesPoint(date=day.date, posts=day.posts, **day.numbers) for day in found.series],
        as_of=found.as_of,
    )


@router.get("/posts", operation_id="analytics_posts", responses=problems(*SIGNED_IN))
async def list_metrics(
    user: CurrentUser, analytics: AnalyticsServiceDep, page: Page = 1, per_page: PerPage = 20
) -> PostMetricsPage:
    """List the latest numbers of published posts, newest first."""
    items, total = await analytics.page(user.id, page=page, per_page=per_page)
    return PostMetricsPage(items=[_read(item) for item in items], total=total, page=page, per_page=per_page)


@router.get("/posts/{post_id}", operation_id="analytics_post", responses=problems(*SIGNED_IN, MetricsNotFound))
async def get_metrics(post_id: UUID, user: CurrentUser, analytics: AnalyticsServiceDep) -> PostMetricsRead:
    """Return the latest numbers of one post."""
    return _read(await analytics.of_post(user.id, post_id))


def _totals(part: PlatformNumbers) -> dict[str, float]:
    return {
        "total_posts": part.posts,
        **{f"total_{name}": value for name, value in part.numbers.items()},
        "avg_engagement_rate": part.engagement_rate,
    }


def _read(found: PostNumbers) -> PostMetricsRead:
    return PostMetricsRead(
        id=found.id,
        post_id=found.post_id,
        **{name: value or 0 for name, value in found.numbers.items()},
        engagement_rate=engagement_rate(found.numbers),
        fetched_at=found.fetched_at,
        available=found.numbers,
        unavailable=[name for name, value in found.numbers.items() if value is None],
        clicks_source=found.clicks_source,
    )
