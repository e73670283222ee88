"""What can be done with a Facebook post that is out.

Source: Graph reference Page › Feed, Comments and Page Stories API, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from app.domain import captions
from app.platforms.base import Auth, PlatformError, PostRef, Seen, Sight
from app.platforms.facebook import rules
from app.platforms.facebook.client import FacebookClient, absolute

GONE = frozenset({"100/33"})
"""What a question about a node answers when the node does not exist (or this token may not see it). A bare 100 is not
among them: it complains about the question, a missing proof say."""
STORIES = frozenset({rules.PHOTO_STORY, rules.VIDEO_STORY})


class FacebookAftercare:
    def __init__(self, client: FacebookClient) -> None:
        self.client = client

    async def find(self, auth: Auth, post: PostRef) -> Seen:
        """Read the post itself; a story is looked for in the list of stories, which shows it for 24 hours."""
        if post.post_type in STORIES:
            return await self._find_story(auth, post)
        if not post.platform_post_id:
            return Seen(Sight.unknown)
        try:
            node = await self.client.post(auth, post.platform_post_id)
        except PlatformError as error:
            if error.platform_code in GONE:
                return Seen(Sight.missing)
            raise
        return Seen(Sight.seen, absolute(node.get("permalink_url")))

    async def _find_story(self, auth: Auth, post: PostRef) -> Seen:
        """A story that is not listed may simply be over: only its presence says something."""
        known = {str(value) for value in (post.platform_post_id, post.data.get("photo_id"), post.data.get("video_id"))}
        for story in await self.client.stories(auth):
            ids = {str(story.get(name)) for name in ("post_id", "media_id") if story.get(name)}
            if ids & known or any(f"{auth.account_id_external}_{one}" in known for one in ids):
                return Seen(Sight.seen, absolute(story.get("url")))
        return Seen(Sight.unknown)

    def can_comment(self, auth: Auth, post: PostRef) -> bool:
        return post.post_type not in STORIES

    async def comment(self, auth: Auth, post: PostRef, text: str) -> str:
        """Write the comment; a video whose post is not known is commented on by its own id."""
        return await self.client.comment(auth, post.platform_post_id, text)

    async def find_comment(self, auth: Auth, post: PostRef, text: str) -> str | None:
        """Look for the Page's own comment with this text; `from` may be withheld, then the text decides."""
        wanted = captions.normalised(text)
        for comment in await self.client.comments(auth, post.platform_post_id):
            author = comment.get("from")
            is_ours = not isinstance(author, dict) or str(author.get("id")) == auth.account_id_external
            if is_ours and captions.normalised(comment.get("message")) == wanted:
                return str(comment.get("id"))
        return None

    def can_delete(self, auth: Auth, post: PostRef) -> bool:
        return bool(post.platform_post_id)

    async def delete(self, auth: Auth, post: PostRef) -> None:
        """Delete the post; one that is gone already is what was wanted."""
        try:
            await self.client.delete(auth, post.platform_post_id)
        except PlatformError as error:
            if error.platform_code not in GONE:
                raise
