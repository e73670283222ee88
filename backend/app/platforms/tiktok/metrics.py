"""Numbers of TikTok posts.

Source: Display API › Query Videos and Video Object, 2026-08-24, read 2026-11-23. Lifetime totals, public posts only;
reach and clicks do not exist there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.platforms.base import Auth, MetricValues, PostRef, PublicId
from app.platforms.tiktok.client import TikTokClient

QUERY_MAX_IDS = 20
STATS_SCOPE = "user.info.stats"


class TikTokMetrics:
    """Reads up to 20 posts in one call."""

    batch_size = QUERY_MAX_IDS

    def __init__(self, client: TikTokClient) -> None:
        self.client = client

    async def public_id(self, auth: Auth, post_type: str, data: Mapping[str, Any]) -> PublicId | None:
        """Return the id that TikTok gives a public post after moderation: mostly a minute, sometimes hours later."""
        publish_id = data.get("publish_id")
        if not publish_id:
            return None
        status = await self.client.status(auth, str(publish_id))
        return await self.client.public_id(auth, status, post_type=post_type, username=data.get("username"))

    async def read(self, auth: Auth, posts: Sequence[PostRef]) -> Mapping[str, MetricValues]:
        ids = list(dict.fromkeys(post.platform_post_id for post in posts if post.platform_post_id))
        found: dict[str, MetricValues] = {}
        for start in range(0, len(ids), QUERY_MAX_IDS):
            for video in await self.client.videos(auth, ids[start : start + QUERY_MAX_IDS]):
                found[str(video.get("id"))] = MetricValues(
                    impressions=_integer(video.get("view_count")),
                    likes=_integer(video.get("like_count")),
                    comments=_integer(video.get("comment_count")),
                    shares=_integer(video.get("share_count")),
                )
        return {post_id: value for post_id, value in found.items() if post_id in ids}

    async def followers(self, auth: Auth, granted: Collection[str]) -> int | None:
        """Ask for the creator's followers, where `user.info.stats` was granted: PostPilot does not ask for it by
        itself, as an app needs TikTok's approval for it (Display API › Get User Info)."""
        if STATS_SCOPE not in granted:
            return None
        data = await self.client.get(auth, "tiktok.user_info", "/v2/user/info/?fields=follower_count")
        user = data.get("user")
        return _integer(user.get("follower_count")) if isinstance(user, dict) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
