"""What did well: platforms over time, posts, hours, captions, followers, and all of it as a table."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from app.api.deps import ComparisonServiceDep, ContainerDep, CurrentUser
from app.api.problems import problems
from app.domain.engagement import known_engagement_rate
from app.domain.errors import AccountNotFound, InvalidToken, NotAuthenticated, NotInPlan
from app.domain.notices import excerpt_of
from app.domain.vocabulary import Platform
from app.repositories.analytics_repository import NumbersFilter
from app.repositories.metrics_repository import NUMBERS
from app.schemas.analytics import (
    AccountFollowersRead,
    BestPosts,
    BestTimesRead,
    CaptionResult,
    CaptionResults,
    ComparisonRead,
    FollowerPoint,
    FollowersRead,
    HourRead,
    Interval,
    KnownNumbers,
    PlatformComparison,
    PlatformTimesRead,
    RankedPost,
    Ranking,
    RecommendedTime,
    TrendPoint,
)
from app.schemas.common import Moment
from app.services.comparison_service import PlatformTimes, Sums, export_csv, rate_of

router = APIRouter(prefix="/analytics", tags=["analytics"])
SIGNED_IN = (NotAuthenticated, InvalidToken, AccountNotFound)
FULL = (*SIGNED_IN, NotInPlan)


async def numbers_filter(
    since: Annotated[Moment | None, Query(alias="from", examples=["2026-11-01T00:00:00Z"])] = None,
    until: Annotated[Moment | None, Query(alias="to", examples=["2026-12-01T00:00:00Z"])] = None,
    platform: Platform | None = None,
    account_id: UUID | None = None,
) -> NumbersFilter:
    """Which posts are meant: by when they went out, where and for which account."""
    return NumbersFilter(since, until, platform, account_id)


Wanted = Annotated[NumbersFilter, Depends(numbers_filter)]


@router.get("/compare", operation_id="analytics_compare", responses=problems(*FULL))
async def compare(
    user: CurrentUser, comparisons: ComparisonServiceDep, wanted: Wanted, interval: Interval = Interval.week
) -> ComparisonRead:
    """Compare the platforms over time, and with the time before (Enterprise). The last twelve weeks unless a range of
    at most two years is given."""
    found = await comparisons.compare(user, wanted, interval.value)
    return ComparisonRead(
        since=found.since,
        until=found.until,
        interval=interval,
        timezone=found.timezone,
        as_of=found.as_of,
        platforms=[
            PlatformComparison(
                platform=one.platform,
                total=KnownNumbers(**_known(one.sums)),
                previous=KnownNumbers(**_known(one.previous)),
                points=[TrendPoint(date=point.date, **_known(point.sums)) for point in one.points],
            )
            for one in found.platforms
        ],
    )


@router.get("/best-posts", operation_id="analytics_best_posts", responses=problems(*SIGNED_IN))
async def best_posts(
    user: CurrentUser,
    comparisons: ComparisonServiceDep,
    wanted: Wanted,
    by: Ranking = Ranking.engagement_rate,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> BestPosts:
    """Rank posts by one number, the best first. Posts of which it is not known are counted, not ranked."""
    rows, known, unknown = await comparisons.best_posts(user, wanted, by=by.value, limit=limit)
    return BestPosts(by=by, posts=known, posts_unknown=unknown, items=[_ranked(row) for row in rows])


@router.get("/best-times", operation_id="analytics_best_times", responses=problems(*FULL))
async def best_times(user: CurrentUser, comparisons: ComparisonServiceDep, wanted: Wanted) -> BestTimesRead:
    """Return the hours of the week in which your posts did best, by platform, and how many posts say so
    (Enterprise)."""
    found = await comparisons.best_times(user, wanted)
    return BestTimesRead(timezone=user.timezone, platforms=[_times(one) for one in found])


@router.get("/captions", operation_id="analytics_captions", responses=problems(*SIGNED_IN))
async def captions(user: CurrentUser, comparisons: ComparisonServiceDep, wanted: Wanted) -> CaptionResults:
    """Compare posts from the queue by who wrote their captions, in which tone, and whether they were changed by
    hand."""
    return CaptionResults(
        items=[
            CaptionResult(
                model=row.model,
                tone=row.tone,
                is_edited=row.is_edited,
                posts=row.posts,
                impressions=row.impressions,
                engagement_rate=rate_of(row.rated_actions, row.rated_impressions),
                rated_posts=row.rated_posts,
                as_of=row.as_of,
            )
            for row in await comparisons.captions(user, wanted)
        ]
    )


@router.get("/followers", operation_id="analytics_followers", responses=problems(*SIGNED_IN))
async def followers(user: CurrentUser, comparisons: ComparisonServiceDep, wanted: Wanted) -> FollowersRead:
    """Return how many followed each account at the end of every day, as counted once a day."""
    return FollowersRead(
        timezone=user.timezone,
        accounts=[
            AccountFollowersRead(
                account_id=one.account_id,
                platform=one.platform,
                account_name=one.account_name,
                followers=one.followers,
                change=one.change,
                points=[FollowerPoint(date=day.date, followers=day.followers) for day in one.days],
                as_of=one.as_of,
            )
            for one in await comparisons.followers(user, wanted)
        ],
    )


@router.get(
    "/export.csv",
    operation_id="analytics_export",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}, **problems(*FULL)},
)
async def export(
    user: CurrentUser, comparisons: ComparisonServiceDep, container: ContainerDep, wanted: Wanted
) -> StreamingResponse:
    """Download every published post with its latest numbers as CSV (Enterprise), oldest first. What nobody reports says
    `unavailable`; texts that a spreadsheet would take for a formula begin with an apostrophe."""
    await comparisons.require_export(user, wanted)
    return StreamingResponse(
        export_csv(container.reading, user.id, wanted),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="postpilot-analytics.csv"', "Cache-Control": "no-store"},
    )


def _known(sums: Sums) -> dict[str, Any]:
    return {
        "posts": sums.posts,
        **sums.numbers,
        "engagement_rate": sums.engagement_rate,
        "rated_posts": sums.rated_posts,
    }


def _ranked(row: Any) -> RankedPost:
    numbers = {name: None if (value := getattr(row, name)) is None else int(value) for name in NUMBERS}
    return RankedPost(
        post_id=row.post_id,
        platform=row.platform,
        account_id=row.account_id,
        account_name=row.account_name,
        excerpt=excerpt_of(row.content),
        permalink=row.permalink,
        posted_at=row.posted_at,
        value=round(float(row.value), 2),
        available=numbers,
        engagement_rate=known_engagement_rate(numbers),
        as_of=row.fetched_at,
    )


def _times(found: PlatformTimes) -> PlatformTimesRead:
    return PlatformTimesRead(
        platform=found.platform,
        source="own" if found.best.source == "own" else "default",
        posts=found.best.posts,
        posts_needed=found.best.posts_needed,
        posts_unknown=found.posts_unknown,
        best=[
            RecommendedTime(weekday=one.weekday, time=one.time, label=one.label, engagement_rate=one.engagement_rate)
            for one in found.best.times
        ],
        hours=[
            HourRead(
                weekday=hour.weekday,
                time=f"{hour.hour:02d}:00",
                posts=hour.posts,
                engagement_rate=hour.engagement_rate,
            )
            for hour in found.hours
        ],
        as_of=found.as_of,
    )
