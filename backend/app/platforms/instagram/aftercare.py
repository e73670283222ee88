"""What can be done with an Instagram post that is out: look at it, comment under it, delete it.

Source: Instagram Platform › Comment Moderation and › reference IG Media, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain import captions
from app.platforms.base import JSON, Auth, OutcomeUnknown, Permanent, PlatformError, PostRef, Seen, Sight
from app.platforms.instagram import rules
from app.platforms.instagram.client import NOT_VISIBLE, InstagramClient, is_facebook_login

STORY_LIFE = timedelta(hours=24)
GONE = frozenset({NOT_VISIBLE, "24/2207006"})
"""How Instagram says that a post is not there."""


class InstagramAftercare:
    def __init__(self, client: InstagramClient) -> None:
        self.client = client

    async def find(self, auth: Auth, post: PostRef) -> Seen:
        """Look at the post's node. A story is public for a day: its absence later says nothing."""
        if not post.platform_post_id:
            return Seen(Sight.unknown)
        try:
            node = await self.client.media(auth, post.platform_post_id)
        except PlatformError as error:
            if error.platform_code not in GONE:
                raise
            listed = await self._listed(auth, post)  # a known outage hides single posts from reading, not from lists
            if listed is None:
                return Seen(Sight.unknown if _may_have_ended(post) else Sight.missing)
            node = listed
        link = node.get("permalink")
        return Seen(Sight.seen, str(link) if link else None)

    def can_comment(self, auth: Auth, post: PostRef) -> bool:
        """Whether it has comments at all: stories have none."""
        return bool(post.platform_post_id) and post.post_type in rules.FEED

    async def comment(self, auth: Auth, post: PostRef, text: str) -> str:
        try:
            return await self.client.comment(auth, post.platform_post_id, text)
        except OutcomeUnknown as error:
            if error.platform_code != "20/1772107":
                raise
            # Instagram's way of saying that it was written and the answer could not be put into words.
            found = await self.find_comment(auth, post, text)
            if found is None:
                raise
            return found

    async def find_comment(self, auth: Auth, post: PostRef, text: str) -> str | None:
        """Return the id of our own comment with this text; its author may be withheld, then the text decides."""
        wanted = captions.normalised(text, drop="@")
        name = str(auth.extra.get("account_name") or "").lstrip("@").casefold()
        for row in await self.client.comments(auth, post.platform_post_id):
            author = row.get("from")
            author_id = str(author.get("id") or "") if isinstance(author, dict) else ""
            username = str(row.get("username") or (author or {}).get("username") or "").casefold()
            ours = {auth.account_id_external, str(auth.extra.get("app_scoped_id") or "")}
            is_ours = author_id in ours if author_id else not (username and name) or username == name
            if is_ours and captions.normalised(str(row.get("text") or ""), drop="@") == wanted:
                return str(row["id"])
        return None

    def can_delete(self, auth: Auth, post: PostRef) -> bool:
        """Whether this connection may delete: only Facebook Login has the permission for it, if it was given."""
        return bool(post.platform_post_id) and is_facebook_login(auth) and auth.extra.get("may_delete") is True

    async def delete(self, auth: Auth, post: PostRef) -> None:
        if not self.can_delete(auth, post):
            raise Permanent(
                "Instagram lets PostPilot delete posts only of accounts that were connected through Facebook with all "
                "permissions. Open the post in the Instagram app and delete it there.",
                code="delete_not_possible",
            )
        try:
            await self.client.delete(auth, post.platform_post_id)
        except PlatformError as error:
            if error.platform_code not in GONE or await self._listed(auth, post) is not None:
                raise

    async def _listed(self, auth: Auth, post: PostRef) -> JSON | None:
        """Return the post as the account's newest posts or stories show it."""
        is_story = post.post_type == rules.STORY
        rows = await (self.client.stories(auth) if is_story else self.client.recent(auth))
        return next((row for row in rows if str(row.get("id")) == post.platform_post_id), None)


def _may_have_ended(post: PostRef) -> bool:
    if post.post_type != rules.STORY:
        return False
    out_at = post.data.get("out_at")
    return out_at is None or datetime.now(UTC) - datetime.fromisoformat(str(out_at)) >= STORY_LIFE
