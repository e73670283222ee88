"""What followers see, in the control API's words."""

from __future__ import annotations

from typing import Any

from sandbox.clock import iso_time
from sandbox.core import Sandbox
from sandbox.records import PLATFORMS, Platform, Post


def visible_posts(sandbox: Sandbox, platform: Platform, account_id: str) -> list[Post]:
    """Return the posts of an account that have appeared, newest first."""
    now = sandbox.clock.now()
    return [post for post in reversed(sandbox.state.timeline(platform, account_id)) if post.published_at <= now]


STORIES = frozenset({"story", "photo_story", "video_story"})
STORY_SECONDS = 86_400
"""How long a story shows: 24 hours, on both platforms that have them."""


def feed_of(sandbox: Sandbox, platform: Platform, account_id: str) -> tuple[list[Post], list[Post], int]:
    """Return what followers see of an account, newest first: posts, stories, and how many drafts wait in its inbox."""
    now = sandbox.clock.now()
    shown = visible_posts(sandbox, platform, account_id)
    posts = [post for post in shown if post.kind not in STORIES and post.privacy != "INBOX"]
    stories = [post for post in shown if post.kind in STORIES and now - post.published_at < STORY_SECONDS]
    return posts, stories, sum(1 for post in shown if post.privacy == "INBOX")


def published(sandbox: Sandbox, base_url: str, query: dict[str, str]) -> dict[str, Any]:
    """Return every post that matches `platform`, `account_id` and `contains`, newest first, at most `limit` of them."""
    wanted_platform, wanted_account, text = query.get("platform"), query.get("account_id"), query.get("contains")
    posts = [
        post
        for persona in sandbox.state.personas
        if persona.platform in ((wanted_platform,) if wanted_platform else PLATFORMS)
        and (not wanted_account or persona.account_id == wanted_account)
        for post in visible_posts(sandbox, persona.platform, persona.account_id)
        if not text or text in post.text or text in post.title
    ]
    posts.sort(key=lambda post: post.published_at, reverse=True)
    shown = posts[: int(query.get("limit") or 1_000)]
    return {"total": len(posts), "items": [_item(base_url, post) for post in shown]}


def _item(base_url: str, post: Post) -> dict[str, Any]:
    item = {
        "platform": post.platform,
        "account_id": post.account_id,
        "id": post.id,
        "permalink": f"{base_url}/p/{post.shortcode}",
        "kind": post.kind,
        "text": post.text,
        "title": post.title,
        "media_count": len(post.media),
        "media_urls": [f"{base_url}/media/{item['file']}" for item in post.media],
        "alt_texts": [item["alt"] for item in post.media],
        "privacy": post.privacy,
        "choices": post.choices,
        "source_id": post.source_id,
        "published_at": iso_time(post.published_at),
    }
    if post.link:
        item["link"] = post.link
    return item
