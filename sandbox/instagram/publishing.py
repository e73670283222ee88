"""Publishing, the quota, reading back. Source: IG User Media Publish; IG User Content Publishing Limit; IG Media."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.clock import graph_time
from sandbox.core import Sandbox
from sandbox.instagram import errors
from sandbox.instagram.access import BASIC, CONTENTS, PUBLISH, account_of, persona_of
from sandbox.instagram.containers import status_code
from sandbox.meta import params
from sandbox.meta.auth import require_scope, require_token
from sandbox.meta.errors import bad_parameter, missing_object
from sandbox.meta.fields import ABSENT, Field, parse, render
from sandbox.meta.paging import page
from sandbox.records import Container, MediaItem, Persona, Post
from sandbox.wire import Answer, Call, ok

STORY_SECONDS = 86_400
"""How long a story is shown, seconds."""
LISTED_POSTS = 10_000
"""Most recent media that can be listed. Source: IG User Media."""

_MEDIA_FIELDS = frozenset(
    {
        "alt_text",
        "caption",
        "children",
        "comments_count",
        "id",
        "is_shared_to_feed",
        "like_count",
        "media_product_type",
        "media_type",
        "media_url",
        "owner",
        "permalink",
        "shortcode",
        "thumbnail_url",
        "timestamp",
        "username",
    }
)
_CHILD_FIELDS = frozenset(
    {"id", "media_type", "media_url", "permalink", "shortcode", "timestamp", "username", "alt_text"}
)


async def publish(call: Call) -> Answer:
    """`POST /{ig}/media_publish`."""
    account_id = account_of(call, BASIC, PUBLISH)
    values = params.read(call.params, {"creation_id": params.object_id}, ("creation_id",))
    sandbox = call.sandbox
    container = sandbox.state.containers.get(values["creation_id"])
    if container is None or container.account_id != account_id:
        raise errors.unknown_builder()
    if container.kind in ("child_image", "child_video"):
        raise bad_parameter("A carousel item cannot be published by itself")
    match status_code(sandbox, container):
        case "PUBLISHED" if sandbox.knobs.republish == "same_id":
            return ok({"id": container.media_id})
        case "PUBLISHED":
            raise errors.unknown_builder()
        case "EXPIRED":
            raise errors.expired_builder()
        case "ERROR":
            raise errors.unusable_builder()
        case "IN_PROGRESS":
            raise errors.not_ready()
    if quota_usage(sandbox, account_id) >= sandbox.knobs.instagram_quota_total:
        raise errors.quota_reached()
    post = _post(sandbox, container)
    container.media_id = post.id
    sandbox.state.containers.put(container)
    sandbox.state.add_post(post)
    return ok({"id": post.id})


def quota_usage(sandbox: Sandbox, account_id: str, since: float | None = None) -> int:
    """Return how many posts an account published through the API in the window; a carousel counts once."""
    start = sandbox.clock.now() - sandbox.knobs.instagram_quota_seconds if since is None else since
    return sandbox.state.count_since("instagram", account_id, start)


async def limit(call: Call) -> Answer:
    """`GET /{ig}/content_publishing_limit`."""
    account_id = account_of(call)
    values = params.read(call.params, {"since": params.number})
    sandbox = call.sandbox
    since = values.get("since")
    if (
        since is not None
        and not sandbox.clock.now() - sandbox.knobs.instagram_quota_seconds - 60 <= since <= sandbox.clock.now() + 60
    ):
        raise bad_parameter("Param since must be a time within the last 24 hours")

    def value(field: Field) -> Any:
        if field.name == "config":
            return {
                "quota_total": sandbox.knobs.instagram_quota_total,
                "quota_duration": sandbox.knobs.instagram_quota_seconds,
            }
        return quota_usage(sandbox, account_id, since)

    wanted = parse(call.params.get("fields") or "quota_usage")
    return ok({"data": [render(wanted, "ContentPublishingLimit", frozenset({"quota_usage", "config"}), value)]})


async def media_list(call: Call) -> Answer:
    """`GET /{ig}/media`, newest first."""
    account_id = account_of(call)
    values = params.read(call.params, params.PAGING)
    sandbox = call.sandbox
    now = sandbox.clock.now()
    since, until = values.get("since", 0), values.get("until", now)
    posts = [
        post
        for post in reversed(sandbox.state.timeline("instagram", account_id)[-LISTED_POSTS:])
        if post.kind != "story" and post.listed_at <= now and since <= post.published_at <= until
    ]
    return _listed(call, account_id, posts)


async def stories(call: Call) -> Answer:
    """`GET /{ig}/stories`: those of the last 24 hours, newest first."""
    account_id = account_of(call, BASIC)
    params.read(call.params, params.PAGING)
    now = call.sandbox.clock.now()
    posts = [
        post
        for post in reversed(call.sandbox.state.timeline("instagram", account_id))
        if post.kind == "story" and post.listed_at <= now and not has_ended(call.sandbox, post)
    ]
    return _listed(call, account_id, posts)


def has_ended(sandbox: Sandbox, post: Post) -> bool:
    """Whether a post is a story whose day is over."""
    return post.kind == "story" and sandbox.clock.now() - post.published_at >= STORY_SECONDS


def find(call: Call, account_id: str) -> Post:
    """Return the media that a call names, if this account has it and it is still shown."""
    post = call.sandbox.state.post("instagram", call.node)
    if post is None or post.account_id != account_id or has_ended(call.sandbox, post):
        raise missing_object(call.node)
    return post


async def delete(call: Call) -> Answer:
    """`DELETE /{media}`: Facebook Login only. Source: Changelog, 2025-12-03."""
    account_id = account_of(call)
    params.read(call.params, {})
    token = require_token(call)
    if token.platform == "instagram":
        raise missing_object(call.node)
    require_scope(call, token, CONTENTS)
    call.sandbox.state.remove_post(find(call, account_id))
    return ok({"success": True})


def _listed(call: Call, account_id: str, posts: list[Post]) -> Answer:
    persona = persona_of(call.sandbox, account_id)
    wanted = parse(call.params.get("fields") or "id")
    return ok(
        page(
            call,
            posts,
            key=lambda post: post.id,
            show=lambda post: {**media_node(call, post, persona, wanted), "id": post.id},
        )
    )


async def media(call: Call) -> Answer:
    """`GET /{media}`."""
    account_id = account_of(call)
    params.read(call.params, {})
    sandbox = call.sandbox
    post = find(call, account_id)
    if sandbox.clock.now() - post.published_at < sandbox.knobs.fresh_hidden_seconds:
        raise missing_object(call.node)
    wanted = parse(call.params.get("fields") or "id")
    return ok({**media_node(call, post, persona_of(sandbox, account_id), wanted), "id": post.id})


def media_node(call: Call, post: Post, persona: Persona, wanted: tuple[Field, ...]) -> dict[str, Any]:
    """Show a published media with the wanted fields."""
    counts = call.sandbox.totals(post, persona)

    def value(field: Field) -> Any:
        match field.name:
            case "caption":
                # Captions read back without the @ of mentions. Source: IG Media.
                return post.text.replace("@", "") or ABSENT
            case "media_type":
                return "CAROUSEL_ALBUM" if post.kind == "carousel" else post.media[0]["kind"].upper()
            case "media_product_type":
                return {"reel": "REELS", "story": "STORY"}.get(post.kind, "FEED")
            case "media_url" | "thumbnail_url":
                if field.name == "thumbnail_url" and post.media[0]["kind"] == "image":
                    return ABSENT
                return f"{call.base_url}/media/{post.media[0]['file']}"
            case "permalink":
                return f"{call.base_url}/p/{post.shortcode}"
            case "shortcode":
                return post.shortcode
            case "timestamp":
                return graph_time(post.published_at)
            case "username":
                return persona.username
            case "owner":
                return {"id": persona.account_id}
            case "like_count":
                return counts.likes
            case "comments_count":
                return counts.comments + len(call.sandbox.state.comments_of(post))
            case "alt_text":
                return post.media[0]["alt"] or ABSENT
            case "is_shared_to_feed":
                return post.choices.get("share_to_feed", True) if post.kind == "reel" else ABSENT
            case "children":
                if post.kind != "carousel":
                    return ABSENT
                below = field.below or (Field("id"),)
                return {"data": [_child_node(call, post, persona, item, below) for item in post.media]}
        return post.id

    return render(wanted, "IGMedia", _MEDIA_FIELDS, value)


def _child_node(call: Call, post: Post, persona: Persona, item: MediaItem, wanted: tuple[Field, ...]) -> dict[str, Any]:
    def value(field: Field) -> Any:
        match field.name:
            case "media_type":
                return item["kind"].upper()
            case "media_url":
                return f"{call.base_url}/media/{item['file']}"
            case "permalink":
                return f"{call.base_url}/p/{post.shortcode}"
            case "shortcode":
                return post.shortcode
            case "timestamp":
                return graph_time(post.published_at)
            case "username":
                return persona.username
            case "alt_text":
                return item["alt"] or ABSENT
        return item["id"]

    return {**render(wanted, "IGMedia", _CHILD_FIELDS, value), "id": item["id"]}


def _post(sandbox: Sandbox, container: Container) -> Post:
    now = sandbox.clock.now()
    sources = [sandbox.state.containers.get(child) for child in container.children] or [container]
    items = [
        MediaItem(**{**item, "id": ids.digits("179", 17)}) for source in sources if source for item in source.media
    ]
    choices = dict(container.choices)
    if any(source and source.choices for source in sources if source is not container):
        choices["items"] = [source.choices if source else {} for source in sources]
    return Post(
        platform="instagram",
        account_id=container.account_id,
        id=ids.digits("179", 17),
        kind="story" if container.kind.startswith("story_") else container.kind,
        text=container.caption,
        shortcode=ids.shortcode("D"),
        published_at=now,
        listed_at=now + sandbox.knobs.visibility_seconds,
        source_id=container.id,
        choices=choices,
        media=items,
    )
