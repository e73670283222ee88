"""Numbers of Instagram posts.

Source: Instagram Platform › reference IG Media Insights, v25.0, read 2026-11-23. Values are lifetime totals, up to 48 h
late; what is not available comes as an empty list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.platforms.base import Auth, FixContent, MetricValues, PlatformError, PostRef, PublicId, ReconnectAccount
from app.platforms.instagram import rules
from app.platforms.instagram.client import InstagramClient, is_facebook_login
from app.platforms.instagram.recognise import Sought
from app.platforms.meta import rows_of

COLUMNS = {"impressions": "views", "reach": "reach", "likes": "likes", "comments": "comments", "shares": "shares"}
"""Our column by Instagram's metric, the same for feed posts and reels. Clicks do not exist here."""
STORY_COLUMNS = {"impressions": "views", "reach": "reach", "comments": "replies", "shares": "shares"}
"""A story has replies instead of comments, and no likes."""
FACEBOOK_STORY_COLUMNS = {**STORY_COLUMNS, "clicks": "link_clicks"}
"""Taps on links are told on Facebook Login only (Changelog)."""

_AT_ONCE = 5


class InstagramMetrics:
    """Reads insights post by post: Instagram has no call for several."""

    batch_size = 25

    def __init__(self, client: InstagramClient) -> None:
        self.client = client

    async def public_id(self, auth: Auth, post_type: str, data: Mapping[str, Any]) -> PublicId | None:
        """Look again for a post that is out under an unknown id; one of several that look alike is never guessed."""
        if "sought" not in data:
            return None
        sought = Sought.from_json(data["sought"])
        if not sought.text:  # what has no text looks like any other post of its kind
            return None
        found = sought.among(await self.client.recent(auth))
        if len(found) != 1:
            return None
        link = found[0].get("permalink")
        return PublicId(str(found[0]["id"]), str(link) if link else None)

    async def read(self, auth: Auth, posts: Sequence[PostRef]) -> Mapping[str, MetricValues]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(post: PostRef) -> MetricValues | None:
            async with gate:
                return await self._one(auth, post)

        values = await asyncio.gather(*(one(post) for post in posts))
        return {post.platform_post_id: value for post, value in zip(posts, values, strict=True) if value is not None}

    async def followers(self, auth: Auth, granted: Collection[str]) -> int | None:
        """Ask for the account's followers (reference IG User, field `followers_count`)."""
        path = f"/{quote(auth.account_id_external)}"
        return _integer(
            (await self.client.read(auth, "instagram.user", path, "fields=followers_count")).get("followers_count")
        )

    async def _one(self, auth: Auth, post: PostRef) -> MetricValues | None:
        media_id, columns = post.platform_post_id, _columns(auth, post)
        try:
            return _values(columns, await self._insights(auth, media_id, list(columns.values())))
        except FixContent:  # one metric that this post does not have fails the whole call
            return await self._metric_by_metric(auth, media_id, columns)
        except PlatformError as error:
            return await self._counts(auth, post, error)

    async def _insights(self, auth: Auth, media_id: str, names: list[str]) -> dict[str, int]:
        data = await self.client.read(
            auth, "instagram.insights", f"/{quote(media_id)}/insights", f"metric={','.join(names)}"
        )
        return {str(row.get("name")): value for row in rows_of(data) if (value := _value(row)) is not None}

    async def _metric_by_metric(self, auth: Auth, media_id: str, columns: Mapping[str, str]) -> MetricValues:
        found: dict[str, int] = {}
        for name in columns.values():
            try:
                found |= await self._insights(auth, media_id, [name])
            except FixContent:
                continue
        return _values(columns, found)

    async def _counts(self, auth: Auth, post: PostRef, refusal: PlatformError) -> MetricValues | None:
        """Read the public counters when insights are refused; `None` when the post is not there at all."""
        no_insights = isinstance(refusal, ReconnectAccount) and refusal.platform_code == "10"
        if not no_insights and refusal.platform_code != "100/33":
            raise refusal
        if no_insights and post.post_type == rules.STORY:
            return MetricValues()  # fewer than five viewers (IG Media Insights)
        try:
            data = await self.client.read(
                auth, "instagram.media_counts", f"/{quote(post.platform_post_id)}", "fields=like_count,comments_count"
            )
        except PlatformError as error:
            if error.platform_code == "100/33":
                return None
            raise
        return MetricValues(likes=_integer(data.get("like_count")), comments=_integer(data.get("comments_count")))


def _columns(auth: Auth, post: PostRef) -> Mapping[str, str]:
    if post.post_type != rules.STORY:
        return COLUMNS
    return FACEBOOK_STORY_COLUMNS if is_facebook_login(auth) else STORY_COLUMNS


def _values(columns: Mapping[str, str], found: Mapping[str, int]) -> MetricValues:
    return MetricValues(**{column: found.get(name) for column, name in columns.items()})


def _value(row: Mapping[str, Any]) -> int | None:
    total = row.get("total_value")
    if isinstance(total, dict):
        return _integer(total.get("value"))
    values = row.get("values")
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return _integer(values[0].get("value"))
    return None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
