"""Profile and public videos. Source: tiktok-api-v2: get-user-info, video-list, video-query, video-object."""

from __future__ import annotations

from typing import Any

from sandbox.core import Sandbox
from sandbox.records import Persona, Post
from sandbox.tiktok.access import creator, granted, json_body, typed
from sandbox.tiktok.errors import bad_parameter, refuse, success
from sandbox.wire import Answer, Call

MOST_VIDEOS = 20
"""Most videos of one call; the default of video/list is 10."""

_USER_SCOPES = {
    "open_id": "user.info.basic",
    "union_id": "user.info.basic",
    "avatar_url": "user.info.basic",
    "avatar_url_100": "user.info.basic",
    "avatar_large_url": "user.info.basic",
    "display_name": "user.info.basic",
    "bio_description": "user.info.profile",
    "profile_deep_link": "user.info.profile",
    "is_verified": "user.info.profile",
    "username": "user.info.profile",
    "follower_count": "user.info.stats",
    "following_count": "user.info.stats",
    "likes_count": "user.info.stats",
    "video_count": "user.info.stats",
}
_VIDEO_FIELDS = frozenset(
    {
        "comment_count",
        "cover_image_url",
        "create_time",
        "duration",
        "embed_html",
        "embed_link",
        "height",
        "id",
        "is_aigc",
        "like_count",
        "share_count",
        "share_url",
        "title",
        "video_description",
        "view_count",
        "width",
    }
)


async def user_info(call: Call) -> Answer:
    """`GET /v2/user/info/`: a field outside the granted scopes is an error."""
    persona = creator(call)
    wanted = _fields(call, frozenset(_USER_SCOPES))
    scopes = granted(call)
    if any(_USER_SCOPES[name] not in scopes for name in wanted):
        raise refuse("scope_not_authorized")
    posts = call.sandbox.state.timeline("tiktok", persona.account_id)
    avatar = f"{call.base_url}/avatar/tiktok/{persona.account_id}.svg"
    known = {
        "open_id": persona.account_id,
        "union_id": persona.user_id,
        "avatar_url": avatar,
        "avatar_url_100": avatar,
        "avatar_large_url": avatar,
        "display_name": persona.name,
        "bio_description": "",
        "profile_deep_link": f"{call.base_url}/feed/tiktok/{persona.account_id}",
        "is_verified": False,
        "username": persona.username,
        "follower_count": call.sandbox.followers(persona),
        "following_count": 31,
        "likes_count": sum(call.sandbox.totals(post, persona).likes for post in posts),
        "video_count": len(posts),
    }
    return success({"user": {name: known[name] for name in wanted}})


async def video_list(call: Call) -> Answer:
    """`POST /v2/video/list/`: public posts, newest first; the cursor is a time in milliseconds."""
    persona = creator(call, "video.list")
    wanted = _fields(call, _VIDEO_FIELDS)
    body = typed(json_body(call), "", {"max_count": int, "cursor": int})
    count = body.get("max_count", 10)
    if not 0 < count <= MOST_VIDEOS:
        raise bad_parameter("max_count must be between 1 and 20")
    cursor = body.get("cursor", 0)
    posts = [post for post in reversed(_public(call.sandbox, persona)) if not cursor or _milliseconds(post) < cursor]
    shown = posts[:count]
    return success(
        {
            "videos": [_video(call, post, persona, wanted) for post in shown],
            "cursor": _milliseconds(shown[-1]) if shown else cursor,
            "has_more": len(posts) > count,
        }
    )


async def video_query(call: Call) -> Answer:
    """`POST /v2/video/query/`: unknown and non-public ids are simply missing."""
    persona = creator(call, "video.list")
    wanted = _fields(call, _VIDEO_FIELDS)
    body = typed(json_body(call), "", {"filters": dict}, ("filters",))
    video_ids = typed(body["filters"], "filters", {"video_ids": list}, ("video_ids",))["video_ids"]
    if not 0 < len(video_ids) <= MOST_VIDEOS or not all(isinstance(item, str) for item in video_ids):
        raise bad_parameter("filters.video_ids must be a list of 1 to 20 texts")
    posts = [post for post in reversed(_public(call.sandbox, persona)) if post.id in video_ids]
    return success({"videos": [_video(call, post, persona, wanted) for post in posts]})


def _public(sandbox: Sandbox, persona: Persona) -> list[Post]:
    now = sandbox.clock.now()
    return [
        post
        for post in sandbox.state.timeline("tiktok", persona.account_id)
        if post.privacy == "PUBLIC_TO_EVERYONE" and post.listed_at <= now
    ]


def _fields(call: Call, known: frozenset[str]) -> list[str]:
    unexpected = call.query.keys() - {"fields"}
    if unexpected:
        raise bad_parameter(f"{min(unexpected)} is not a known parameter")
    names = [name.strip() for name in call.query.get("fields", "").split(",")]
    for name in names:
        if name not in known:
            raise bad_parameter(f"fields: {name or 'nothing'} is not a known field")
    return names


def _milliseconds(post: Post) -> int:
    return int(post.published_at * 1_000)


def _video(call: Call, post: Post, persona: Persona, wanted: list[str]) -> dict[str, Any]:
    counts = call.sandbox.totals(post, persona)
    media = post.media[0]
    link = f"{call.base_url}/p/{post.shortcode}"
    known = {
        "id": post.id,
        "create_time": int(post.published_at),
        "cover_image_url": f"{call.base_url}/media/{media['file']}",
        "share_url": link,
        "video_description": post.text,
        "title": post.title or post.text,
        # Photo posts are listed with duration 0, as one third party reports.
        "duration": int(media["duration"]),
        "height": media["height"],
        "width": media["width"],
        "embed_html": "",
        "embed_link": link,
        "like_count": counts.likes,
        "comment_count": counts.comments,
        "share_count": counts.shares,
        "view_count": counts.views,
        "is_aigc": False,
    }
    return {name: known[name] for name in wanted}
