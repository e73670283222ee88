"""What analytics endpoints return."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Literal
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
    """One day, or the week of a Monday, by when posts went out."""

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


class Interval(StrEnum):
    day = "day"
    week = "week"


class Ranking(StrEnum):
    """What posts are ranked by."""

    engagement_rate = "engagement_rate"
    impressions = "impressions"
    reach = "reach"
    likes = "likes"
    comments = "comments"
    shares = "shares"
    clicks = "clicks"


class KnownNumbers(Read):
    """Sums of what is known: null where no post has the number, as its platform does not report it."""

    posts: int
    impressions: int | None
    reach: int | None
    likes: int | None
    comments: int | None
    shares: int | None
    clicks: int | None
    engagement_rate: float | None
    """Over the posts that have its parts; null where none has."""
    rated_posts: int
    """How many posts the engagement rate is taken over."""


class TrendPoint(KnownNumbers):
    date: date
    """The local day, or the Monday of the week, on which the posts went out."""


class PlatformComparison(Read):
    platform: str
    total: KnownNumbers
    previous: KnownNumbers
    """The same of the range of the same length before."""
    points: list[TrendPoint]
    """Every day or week of the range, those without posts too."""


class ComparisonRead(Read):
    since: datetime
    until: datetime
    interval: Interval
    timezone: str
    as_of: datetime | None
    """When the newest of these numbers was read."""
    platforms: list[PlatformComparison]


class RankedPost(Read):
    post_id: UUID
    platform: str
    account_id: UUID
    account_name: str
    excerpt: str
    permalink: str | None
    posted_at: datetime
    value: float
    """Of what is ranked by."""
    available: dict[str, int | None]
    engagement_rate: float | None
    as_of: datetime | None


class BestPosts(Read):
    by: Ranking
    posts: int
    """How many posts have the number."""
    posts_unknown: int
    """How many do not, as their platform does not report it: they are not ranked."""
    items: list[RankedPost]


class HourRead(Read):
    weekday: int
    """From 0, Monday."""
    time: str
    posts: int
    """How many posts say so."""
    engagement_rate: float
    """Their plain average."""


class RecommendedTime(Read):
    weekday: int
    time: str
    label: str
    engagement_rate: float | None
    """Drawn towards the average where few posts say so; null for a general recommendation."""


class PlatformTimesRead(Read):
    platform: str
    source: Literal["own", "default"]
    """`own` where your numbers decided, `default` where there are too few: then the times are general ones."""
    posts: int
    posts_needed: int
    posts_unknown: int
    """Posts without an engagement rate: they say nothing."""
    best: list[RecommendedTime]
    hours: list[HourRead]
    """Every hour of the week in which posts went out. Nothing is known of the others."""
    as_of: datetime | None


class BestTimesRead(Read):
    timezone: str
    platforms: list[PlatformTimesRead]


class CaptionResult(Read):
    """Posts whose captions came from the same writer, in the same tone, changed by hand or not."""

    model: str | None
    """Who wrote the caption: a model, `template` (the built-in writer) or `own_template`."""
    tone: str | None
    is_edited: bool
    posts: int
    impressions: int | None
    engagement_rate: float | None
    rated_posts: int
    as_of: datetime | None


class CaptionResults(Read):
    items: list[CaptionResult]


class FollowerPoint(Read):
    date: date
    followers: int | None


class AccountFollowersRead(Read):
    account_id: UUID
    platform: str
    account_name: str
    followers: int | None
    """At the end of the range; null where the platform does not say it, or nobody has asked yet."""
    change: int | None
    """From the first known day of the range to the last; null with fewer than two."""
    points: list[FollowerPoint]
    """Days on which it was asked."""
    as_of: datetime | None


class FollowersRead(Read):
    timezone: str
    accounts: list[AccountFollowersRead]
