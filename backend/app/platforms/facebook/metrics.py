"""Numbers of Facebook posts.

Source: Page Insights reference and Graph reference Post, v25.0, read 2026-11-23. Insights refresh about every 24 h and
are empty for Pages with fewer than 100 likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.platforms.base import JSON, Auth, FixContent, MetricValues, Permanent, PlatformError, PostRef, PublicId
from app.platforms.facebook.client import FacebookClient
from app.platforms.meta import rows_of

INSIGHTS = {"impressions": "post_media_view", "reach": "post_total_media_view_unique", "clicks": "post_clicks"}
"""Our column by Facebook's metric; `post_impressions*` ended 2025-11-15 and 2026-06-15."""

_NODE_FIELDS = "id,shares,comments.limit(0).summary(true),reactions.limit(0).summary(true)"
_AT_ONCE = 5


class FacebookMetrics:
    """Reads the counters of many posts in one call, and insights post by post."""

    batch_size = 25

    def __init__(self, client: FacebookClient) -> None:
        self.client = client

    async def public_id(self, auth: Auth, post_type: str, data: Mapping[str, Any]) -> PublicId | None:
        """Return nothing: the id comes with the answer to the publishing call, or not at all."""
        return None

    async def read(self, auth: Auth, posts: Sequence[PostRef]) -> Mapping[str, MetricValues]:
        gate = asyncio.Semaphore(_AT_ONCE)
        nodes = {post.platform_post_id: await self._node_id(auth, post) for post in posts}
        ids = sorted({node for node in nodes.values() if node is not None})
        counters = await self._counters(auth, ids)

        async def insights(node_id: str) -> dict[str, int]:
            async with gate:
                return await self._insights(auth, node_id)

        known = [node_id for node_id in ids if node_id in counters]
        numbers = dict(zip(known, await asyncio.gather(*(insights(node_id) for node_id in known)), strict=True))
        return {
            post_id: _values(counters[node_id], numbers[node_id])
            for post_id, node_id in nodes.items()
            if node_id is not None and node_id in counters
        }

    async def followers(self, auth: Auth, granted: Collection[str]) -> int | None:
        """Ask for the Page's followers (Graph reference Page, field `followers_count`)."""
        path = f"/{quote(auth.account_id_external)}"
        return _integer(
            (await self.client.graph.get(auth, "facebook.page", path, "fields=followers_count")).get("followers_count")
        )

    async def _node_id(self, auth: Auth, post: PostRef) -> str | None:
        """Return the post to ask about: a video known only by its own id is asked for its post first."""
        post_id = post.platform_post_id
        if "_" in post_id or post_id != str(post.data.get("video_id") or ""):
            return post_id
        try:
            data = await self.client.video(auth, post_id)
        except PlatformError as error:
            if error.platform_code == "100/33":
                return None
            raise
        found = str(data.get("post_id") or "")
        if not found:
            return None
        return found if "_" in found else f"{auth.account_id_external}_{found}"

    async def _counters(self, auth: Auth, ids: list[str]) -> dict[str, JSON]:
        """Read the posts themselves; one unknown id fails the call for all, so then each is read alone."""
        if not ids:
            return {}
        fields = quote(_NODE_FIELDS, safe=",()")
        try:
            data = await self.client.graph.get(auth, "facebook.posts", "/", f"ids={','.join(ids)}&fields={fields}")
        except (FixContent, Permanent):
            data = {}
            for node_id in ids:
                try:
                    data[node_id] = await self.client.graph.get(
                        auth, "facebook.post", f"/{quote(node_id)}", f"fields={fields}"
                    )
                except PlatformError as refusal:
                    if refusal.platform_code is None or not refusal.platform_code.startswith("100"):
                        raise
        return {node_id: node for node_id, node in data.items() if isinstance(node, dict)}

    async def _insights(self, auth: Auth, node_id: str) -> dict[str, int]:
        try:
            return await self._metrics(auth, node_id, list(INSIGHTS.values()))
        except FixContent:  # one dead metric fails the whole call
            found: dict[str, int] = {}
            for name in INSIGHTS.values():
                try:
                    found |= await self._metrics(auth, node_id, [name])
                except FixContent:
                    continue
            return found

    async def _metrics(self, auth: Auth, node_id: str, names: list[str]) -> dict[str, int]:
        data = await self.client.graph.get(
            auth, "facebook.insights", f"/{quote(node_id)}/insights", f"metric={','.join(names)}"
        )
        return {str(row.get("name")): value for row in rows_of(data) if (value := _value(row)) is not None}


def _values(node: JSON, insights: Mapping[str, int]) -> MetricValues:
    shares = node.get("shares")
    answered = isinstance(node.get("reactions"), dict) or isinstance(node.get("comments"), dict)
    return MetricValues(
        impressions=insights.get(INSIGHTS["impressions"]),
        reach=insights.get(INSIGHTS["reach"]),
        likes=_total(node.get("reactions")),
        comments=_total(node.get("comments")),
        # Facebook leaves `shares` out exactly when there are none, in an answer that has the other counters.
        shares=_integer(shares.get("count")) if isinstance(shares, dict) else (0 if answered else None),
        clicks=insights.get(INSIGHTS["clicks"]),
    )


def _total(part: Any) -> int | None:
    summary = part.get("summary") if isinstance(part, dict) else None
    return _integer(summary.get("total_count")) if isinstance(summary, dict) else None


def _value(row: Mapping[str, Any]) -> int | None:
    values = row.get("values")
    value = values[0].get("value") if isinstance(values, list) and values and isinstance(values[0], dict) else None
    if isinstance(value, dict):  # split by kind, paid and organic say: the sum is meant
        parts = [part for part in value.values() if isinstance(part, int)]
        return sum(parts) if parts else None
    return _integer(value)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
