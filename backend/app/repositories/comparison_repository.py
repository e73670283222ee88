"""SQL that compares: platforms over time, posts, hours of the week, and captions by who wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, case, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Post, PostMetrics, SocialAccount
from app.repositories.analytics_repository import NumbersFilter, bucket_of, matches, number_of
from app.repositories.metrics_repository import NUMBERS

_ACTIONS = (
    func.coalesce(PostMetrics.likes, 0) + func.coalesce(PostMetrics.comments, 0) + func.coalesce(PostMetrics.shares, 0)
)
_HAS_ACTIONS = or_(PostMetrics.likes.is_not(None), PostMetrics.comments.is_not(None), PostMetrics.shares.is_not(None))
_IS_RATED = and_(PostMetrics.impressions > 0, _HAS_ACTIONS)
"""Whether a post has an engagement rate: it was seen, and somebody says what was done about it."""
_RATE = case((_IS_RATED, 100.0 * _ACTIONS / func.nullif(PostMetrics.impressions, 0)))

_NUMBER_SUMS = tuple(func.sum(number_of(name)).label(name) for name in NUMBERS)
"""Null where no post has the number."""
_RATED = (
    func.count().filter(_IS_RATED).label("rated_posts"),
    func.sum(_ACTIONS).filter(_IS_RATED).label("rated_actions"),
    func.sum(PostMetrics.impressions).filter(_IS_RATED).label("rated_impressions"),
)
"""The rate of many posts is taken over those that have one."""

_CAPTIONS = text("""
SELECT written.model, written.tone, COALESCE(newest.is_edited, false) AS is_edited, count(*) AS posts,
       max(m.fetched_at) AS as_of, sum(m.impressions) AS impressions,
       count(*) FILTER (WHERE rated.is_rated) AS rated_posts,
       sum(COALESCE(m.likes, 0) + COALESCE(m.comments, 0) + COALESCE(m.shares, 0)) FILTER (WHERE rated.is_rated)
           AS rated_actions,
       sum(m.impressions) FILTER (WHERE rated.is_rated) AS rated_impressions
FROM post_metrics m
JOIN posts p ON p.id = m.post_id AND p.queue_item_id IS NOT NULL
CROSS JOIN LATERAL (
    SELECT m.impressions > 0 AND (m.likes IS NOT NULL OR m.comments IS NOT NULL OR m.shares IS NOT NULL) AS is_rated
) rated
JOIN LATERAL (
    SELECT COALESCE(v.captions -> p.platform ->> 'model', v.model) AS model, v.tone FROM caption_versions v
    WHERE v.item_id = p.queue_item_id AND v.created_at <= p.created_at AND v.source IN ('generated', 'template')
      AND jsonb_exists(v.captions, p.platform)
    ORDER BY v.version DESC LIMIT 1
) written ON true
LEFT JOIN LATERAL (
    SELECT CAST(v.captions -> p.platform ->> 'is_edited' AS boolean) AS is_edited FROM caption_versions v
    WHERE v.item_id = p.queue_item_id AND v.created_at <= p.created_at ORDER BY v.version DESC LIMIT 1
) newest ON true
WHERE m.user_id = :user_id AND (CAST(:since AS timestamptz) IS NULL OR m.posted_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR m.posted_at < :until)
  AND (CAST(:platform AS text) IS NULL OR m.platform = :platform)
  AND (CAST(:account_id AS uuid) IS NULL OR m.account_id = :account_id)
GROUP BY written.model, written.tone, COALESCE(newest.is_edited, false)
ORDER BY posts DESC, written.model, written.tone, is_edited
""")


class ComparisonRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def totals(self, user_id: UUID, wanted: NumbersFilter) -> list[Row[Any]]:
        """Return sums by platform; null where no post has a number."""
        query = (
            select(
                PostMetrics.platform,
                func.count().label("posts"),
                func.max(PostMetrics.fetched_at).label("as_of"),
                *_NUMBER_SUMS,
                *_RATED,
            )
            .where(matches(user_id, wanted))
            .group_by(PostMetrics.platform)
            .order_by(PostMetrics.platform)
        )
        return list((await self._session.execute(query)).all())

    async def trend(self, user_id: UUID, wanted: NumbersFilter, *, timezone: str, interval: str) -> list[Row[Any]]:
        """Return sums by platform and local day or week; null where no post has a number."""
        day = bucket_of(timezone, interval)
        query = (
            select(PostMetrics.platform, day, func.count().label("posts"), *_NUMBER_SUMS, *_RATED)
            .where(matches(user_id, wanted))
            .group_by(PostMetrics.platform, day)
            .order_by(PostMetrics.platform, day)
        )
        return list((await self._session.execute(query)).all())

    async def best_posts(
        self, user_id: UUID, wanted: NumbersFilter, *, by: str, limit: int
    ) -> tuple[list[Row[Any]], int, int]:
        """Return the posts with the most of something, how many have it, and how many are not known to."""
        value = _RATE if by == "engagement_rate" else number_of(by)
        known, total = (
            await self._session.execute(
                select(func.count(value), func.count()).select_from(PostMetrics).where(matches(user_id, wanted))
            )
        ).one()
        rows = await self._session.execute(
            _post_rows(value)
            .where(matches(user_id, wanted), value.is_not(None))
            .order_by(value.desc(), PostMetrics.posted_at.desc(), PostMetrics.id)
            .limit(limit)
        )
        return list(rows.all()), int(known), int(total - known)

    async def rates(self, user_id: UUID, wanted: NumbersFilter) -> list[Row[Any]]:
        """Return when posts went out and their engagement rates; null where one has none."""
        query = (
            select(PostMetrics.platform, PostMetrics.posted_at, PostMetrics.fetched_at, _RATE.label("rate"))
            .where(matches(user_id, wanted))
            .order_by(PostMetrics.posted_at)
        )
        return list((await self._session.execute(query)).all())

    async def captions(self, user_id: UUID, wanted: NumbersFilter) -> list[Row[Any]]:
        """Return what came of captions by model, tone, and whether somebody changed them by hand."""
        parameters = {
            "user_id": user_id,
            "since": wanted.since,
            "until": wanted.until,
            "platform": wanted.platform,
            "account_id": wanted.account_id,
        }
        return list((await self._session.execute(_CAPTIONS, parameters)).all())

    async def export(
        self, user_id: UUID, wanted: NumbersFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Return the next posts with their numbers, oldest first."""
        query = _post_rows(_RATE).where(matches(user_id, wanted))
        if after is not None:
            query = query.where(tuple_(PostMetrics.posted_at, PostMetrics.id) > after)
        rows = await self._session.execute(query.order_by(PostMetrics.posted_at, PostMetrics.id).limit(limit))
        return rows.all()


def _post_rows(value: Any) -> Any:
    return (
        select(
            PostMetrics.id,
            PostMetrics.post_id,
            PostMetrics.platform,
            PostMetrics.account_id,
            PostMetrics.posted_at,
            PostMetrics.fetched_at,
            PostMetrics.clicks.label("platform_clicks"),
            *(number_of(name).label(name) for name in NUMBERS),
            value.label("value"),
            Post.content,
            Post.post_type,
            Post.permalink,
            SocialAccount.account_name,
        )
        .join(Post, Post.id == PostMetrics.post_id)
        .join(SocialAccount, SocialAccount.id == PostMetrics.account_id)
    )
