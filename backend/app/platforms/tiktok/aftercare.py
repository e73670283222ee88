"""What can be done with a TikTok post that is out: look whether it is there. Comments and deleting have no API.

Source: Display API › Query Videos and Content Posting API › Get Video Status, copies of 2026-09-11, read 2026-11-23.
"""

from __future__ import annotations

from app.platforms.base import Auth, Permanent, PostRef, Seen, Sight
from app.platforms.tiktok.client import TikTokClient

_NOT_THERE = "TikTok has no way to do this from here: open the post in the TikTok app."


class TikTokAftercare:
    def __init__(self, client: TikTokClient) -> None:
        self.client = client

    async def find(self, auth: Auth, post: PostRef) -> Seen:
        """Look for a public post by its id; posts for fewer people have none and cannot be looked at."""
        if post.platform_post_id:
            shown = await self.client.videos(auth, [post.platform_post_id])
            found = next((row for row in shown if str(row.get("id")) == post.platform_post_id), None)
            if found is None:
                return Seen(Sight.missing)
            link = found.get("share_url")
            return Seen(Sight.seen, str(link) if link else None)
        publish_id = post.data.get("publish_id")
        if not publish_id:
            return Seen(Sight.unknown)
        status = str((await self.client.status(auth, str(publish_id))).get("status"))
        if status == "FAILED":
            return Seen(Sight.missing)
        return Seen(Sight.waiting if status == "SEND_TO_USER_INBOX" else Sight.unknown)

    def can_comment(self, auth: Auth, post: PostRef) -> bool:
        return False

    async def comment(self, auth: Auth, post: PostRef, text: str) -> str:
        raise Permanent(_NOT_THERE, code="comment_not_possible")

    async def find_comment(self, auth: Auth, post: PostRef, text: str) -> str | None:
        return None

    def can_delete(self, auth: Auth, post: PostRef) -> bool:
        return False

    async def delete(self, auth: Auth, post: PostRef) -> None:
        raise Permanent(_NOT_THERE, code="delete_not_possible")
