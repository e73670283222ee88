"""Text, link and photo posts, and reading posts back. Source: Page › Feed; Page › Photos; Pages API › Posts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.facebook.access import page_of, publishing_page
from sandbox.facebook.nodes import post_node
from sandbox.media import is_loopback
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, missing_object, refuse
from sandbox.meta.fields import parse
from sandbox.meta.paging import page
from sandbox.records import MediaItem, Persona, Photo, Post
from sandbox.wire import Answer, Call, ok

TEXT_CHARS = 63_206
"""Longest text, characters. Undocumented; observed in clients."""
STAGED_SECONDS = 86_400
"""An unpublished photo is deleted after about 24 hours. Source: Page › Photos."""

DUPLICATE_TEXT = 506
PHOTO_ALREADY_POSTED = 1366051
LINK_UNREADABLE = 1609005
LINK_TO_FACEBOOK = 1609008
LINK_INVALID = 2061006

_FEED: dict[str, params.Check] = {
    "message": params.text,
    "link": params.text,
    "published": params.boolean,
    "attached_media": params.array,
    "place": params.object_id,
    "tags": params.text,
    "targeting": params.mapping,
    "feed_targeting": params.mapping,
    "call_to_action": params.mapping,
    "text_format_preset_id": params.object_id,
}


async def create(call: Call) -> Answer:
    """`POST /{page}/feed`: text, link, or photos uploaded before."""
    owner = publishing_page(call)
    values = params.read(_with_list(call.params, "attached_media"), _FEED)
    if not values.get("published", True):
        raise bad_parameter("published must be true: unpublished posts are not part of this sandbox")
    message, link = values.get("message", ""), values.get("link", "")
    if not message and not link and not values.get("attached_media"):
        raise bad_parameter("One of message, link or attached_media is required")
    if len(message) > TEXT_CHARS:
        raise bad_parameter(f"Param message must be at most {TEXT_CHARS} characters long")
    wanted = parse(call.params.get("fields") or "id")
    sandbox = call.sandbox
    photos = [_staged(sandbox, owner, item) for item in values.get("attached_media", ())]
    if link and photos:
        raise bad_parameter("Use only one of link and attached_media")
    link_title = await _link_title(sandbox, link) if link else ""
    if not photos:
        _refuse_duplicate(sandbox, owner, message, link)
    post = new_post(
        sandbox,
        owner,
        "link" if link else "text" if not photos else "photo" if len(photos) == 1 else "photos",
        message,
        [photo.media for photo in photos],
    )
    post.link, post.link_title = link, link_title
    sandbox.state.add_post(post)
    _attach(sandbox, photos, post)
    return ok({**post_node(call, post, owner, wanted), "id": post.id})


def new_post(
    sandbox: Sandbox, owner: Persona, kind: str, text: str, media: list[MediaItem], *, after: float = 0.0
) -> Post:
    """Make a post of a Page that appears `after` seconds from now; it is not yet added."""
    at = sandbox.clock.now() + after
    return Post(
        platform="facebook",
        account_id=owner.account_id,
        id=f"{owner.account_id}_{ids.digits('1221', 18)}",
        kind=kind,
        text=text,
        shortcode=ids.shortcode("pfb"),
        published_at=at,
        listed_at=at + sandbox.knobs.visibility_seconds,
        media=media,
    )


def attach_one(sandbox: Sandbox, photo: Photo, owner: Persona) -> Post:
    """Publish a photo at once, as one-shot `POST /photos` does."""
    post = new_post(sandbox, owner, "photo", photo.caption, [photo.media])
    sandbox.state.add_post(post)
    _attach(sandbox, [photo], post)
    return post


async def published_posts(call: Call) -> Answer:
    """`GET /{page}/published_posts`, newest first."""
    owner = page_of(call)
    values = params.read(call.params, params.PAGING)
    if not 0 < values.get("limit", 25) <= 100:
        raise bad_parameter("Param limit must be between 1 and 100")
    now = call.sandbox.clock.now()
    since, until = values.get("since", 0), values.get("until", now)
    posts = [
        post
        for post in reversed(call.sandbox.state.timeline("facebook", owner.account_id))
        if post.listed_at <= now and since <= post.published_at <= until
    ]
    wanted = parse(call.params.get("fields") or "id,message,created_time")

    def show(post: Post) -> dict[str, Any]:
        return {**post_node(call, post, owner, wanted), "id": post.id}

    return ok(page(call, posts, key=lambda post: post.id, show=show))


async def read(call: Call) -> Answer:
    """`GET /{post}`."""
    owner = page_of(call)
    params.read(call.params, {})
    post = find_post(call, owner)
    wanted = parse(call.params.get("fields") or "id,message,created_time")
    return ok({**post_node(call, post, owner, wanted), "id": post.id})


async def delete(call: Call) -> Answer:
    """`DELETE /{post}`."""
    owner = publishing_page(call)
    params.read(call.params, {})
    call.sandbox.state.remove_post(find_post(call, owner))
    return ok({"success": True})


def find_post(call: Call, owner: Persona) -> Post:
    """Return the visible post that a call names, with or without its Page's prefix."""
    post_id = call.node if "_" in call.node else f"{owner.account_id}_{call.node}"
    post = call.sandbox.state.post("facebook", post_id)
    if post is None or post.account_id != owner.account_id or post.published_at > call.sandbox.clock.now():
        raise missing_object(call.node)
    return post


def _attach(sandbox: Sandbox, photos: list[Photo], post: Post) -> None:
    for photo in photos:
        photo.post_id = post.id
        sandbox.state.photos.put(photo)


def _staged(sandbox: Sandbox, owner: Persona, item: Any) -> Photo:
    if not isinstance(item, dict) or set(item) != {"media_fbid"}:
        raise bad_parameter("Param attached_media must be a list of objects with media_fbid")
    photo = sandbox.state.photos.get(str(item["media_fbid"]))
    if photo is None or photo.account_id != owner.account_id or is_gone(sandbox, photo):
        raise missing_object(str(item["media_fbid"]))
    if photo.post_id:
        raise refuse("Photos were already posted.", 100, PHOTO_ALREADY_POSTED, title="Already Posted")
    return photo


def is_gone(sandbox: Sandbox, photo: Photo) -> bool:
    """Say whether a photo was deleted because nothing was done with it for 24 hours."""
    return not photo.post_id and sandbox.clock.now() - photo.created_at > STAGED_SECONDS


def _refuse_duplicate(sandbox: Sandbox, owner: Persona, message: str, link: str) -> None:
    timeline = sandbox.state.timeline("facebook", owner.account_id)
    if timeline and not timeline[-1].media and (timeline[-1].text, timeline[-1].link) == (message, link):
        raise refuse("(#506) Duplicate status message", DUPLICATE_TEXT)


async def _link_title(sandbox: Sandbox, link: str) -> str:
    parts = urlsplit(link)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", link):
        raise refuse("Invalid URL", 100, LINK_INVALID, user_message="The link is not a valid URL.")
    if host == "facebook.com" or host.endswith(".facebook.com"):
        raise refuse("(#1609008) You can't post Facebook.com links", LINK_TO_FACEBOOK)
    if is_loopback(host) or sandbox.knobs.scrape_external_links or host.endswith(".invalid"):
        title = await sandbox.library.readable(link)
        if title is None:
            raise refuse("(#1609005) The link could not be scraped", LINK_UNREADABLE)
        return title or host
    return host


def _with_list(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Gather `name[0]`, `name[1]`… of a form into one list of objects."""
    keys = [key for key in values if re.fullmatch(re.escape(name) + r"\[\d+\]", key)]
    if not keys:
        return values
    items = [params.mapping(key, values[key]) for key in sorted(keys, key=lambda key: int(key[len(name) + 1 : -1]))]
    return {key: value for key, value in values.items() if key not in keys} | {name: items}
