"""What analytics endpoints return."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from app.schemas.common import Read


class Totals(Read):
    total_posts: int
    total_impressions: int
    total_reach: int
    total_likes: int
    total_comments: int
    total_shares: int
    total_clicks: int
    avg_engagement_rate: float


class PlatformTotals(Totals):
    unavailable: list[str]
    """Numbers that no post of this platform has: the platform does not report them."""


class SeriesPoint(Read):
    """One day, by the day on which posts went out."""

    date: date
    posts: int
    impressions: int
    reach: int
    likes: int
    comments: int
    shares: int
    clicks: int


class Overview(Totals):
    by_platform: dict[str, PlatformTotals]
    series: list[SeriesPoint]
    as_of: datetime | None


class PostMetricsRead(Read):
    id: UUID
    post_id: UUID
    impressions: int
    reach: int
    likes: int
    comments: int
    shares: int
    clicks: int
    engagement_rate: float
    fetched_at: datetime
    available: dict[str, int | None]
    """The numbers as they are known: null where nobody reports one."""
    unavailable: list[str]
    clicks_source: str | None
    """`platform`, or `links` where the platform reports no clicks and those of the post's short links were counted."""


class PostMetricsPage(Read):
    items: list[PostMetricsRead]
    total: int
    page: int
    per_page: int
