"""How a post of a Page reads back. Source: Pages API › Posts; Page › Feed."""

from __future__ import annotations

from typing import Any

from sandbox.clock import graph_time
from sandbox.meta.fields import ABSENT, Field, render
from sandbox.records import MediaItem, Persona, Post
from sandbox.settings import APP_ID
from sandbox.wire import Call

_POST_FIELDS = frozenset(
    {
        "application",
        "attachments",
        "comments",
        "created_time",
        "from",
        "full_picture",
        "id",
        "is_published",
        "message",
        "permalink_url",
        "reactions",
        "shares",
        "status_type",
    }
)
_STATUS_TYPES = {
    "text": "mobile_status_update",
    "link": "shared_story",
    "photo": "added_photos",
    "photos": "added_photos",
    "video": "added_video",
    "reel": "added_video",
}
_ATTACHMENT_FIELDS = frozenset(
    {"description", "media", "media_type", "subattachments", "target", "title", "type", "unshimmed_url", "url"}
)
_ALL_OF_ATTACHMENT = tuple(Field(name) for name in ("media", "media_type", "target", "title", "type", "url"))


def post_node(call: Call, post: Post, owner: Persona, wanted: tuple[Field, ...]) -> dict[str, Any]:
    """Show a post with the wanted fields."""
    counts = call.sandbox.totals(post, owner)

    def value(field: Field) -> Any:
        match field.name:
            case "message":
                return post.text or ABSENT
            case "created_time":
                return graph_time(post.published_at)
            case "permalink_url":
                return f"{call.base_url}/p/{post.shortcode}"
            case "application":
                return {"id": APP_ID, "name": "PostPilot", "link": call.base_url}
            case "from":
                return {"id": owner.account_id, "name": owner.name}
            case "is_published":
                return True
            case "status_type":
                return _STATUS_TYPES[post.kind]
            case "full_picture":
                return f"{call.base_url}/media/{post.media[0]['file']}" if post.media else ABSENT
            case "attachments":
                if not post.media and not post.link:
                    return ABSENT
                return {"data": _attachments(call, post, field.below or _ALL_OF_ATTACHMENT)}
            case "shares":
                # Absent when zero, as observed in clients.
                return {"count": counts.shares} if counts.shares else ABSENT
            case "comments":
                return _summary(field, counts.comments, {"order": "ranked", "can_comment": True})
            case "reactions":
                return _summary(field, counts.likes, {"viewer_reaction": "NONE"})
        return post.id

    return render(wanted, "Post", _POST_FIELDS, value)


def _summary(field: Field, total: int, more: dict[str, Any]) -> dict[str, Any]:
    node: dict[str, Any] = {"data": []}
    if field.modifiers.get("summary") in ("true", "1", "total_count"):
        node["summary"] = {"total_count": total, **more}
    return node


def _attachments(call: Call, post: Post, wanted: tuple[Field, ...]) -> list[dict[str, Any]]:
    permalink = f"{call.base_url}/p/{post.shortcode}"
    if post.link:
        known = {
            "media_type": "link",
            "type": "share",
            "url": post.link,
            "unshimmed_url": post.link,
            "title": post.link_title,
            "target": {"url": post.link},
        }
    elif len(post.media) == 1:
        known = _one(call, post, post.media[0], permalink)
    else:
        album_id = post.id.partition("_")[2]
        known = {"media_type": "album", "type": "album", "url": permalink, "target": {"id": album_id, "url": permalink}}
        known["media"] = _one(call, post, post.media[0], permalink)["media"]
        below = next((field.below for field in wanted if field.name == "subattachments"), ()) or _ALL_OF_ATTACHMENT
        parts = [_pick(_one(call, post, item, permalink), below) for item in post.media]
        known["subattachments"] = {"data": parts}
    return [_pick(known, wanted)]


def _one(call: Call, post: Post, item: MediaItem, permalink: str) -> dict[str, Any]:
    image = {"src": f"{call.base_url}/media/{item['file']}", "width": item["width"], "height": item["height"]}
    return {
        "media_type": item["kind"].replace("image", "photo"),
        "type": {"video": "video_inline", "reel": "video_inline"}.get(post.kind, "photo"),
        "url": permalink,
        "target": {"id": item["id"], "url": permalink},
        "media": {"image": image},
    }


def _pick(known: dict[str, Any], wanted: tuple[Field, ...]) -> dict[str, Any]:
    def value(field: Field) -> Any:
        found = known.get(field.name, ABSENT)
        if field.below and isinstance(found, dict) and field.name == "target":
            return {below.name: found[below.name] for below in field.below if below.name in found}
        return found

    return render(wanted, "StoryAttachment", _ATTACHMENT_FIELDS, value)
