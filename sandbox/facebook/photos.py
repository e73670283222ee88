"""Photos of a Page: staging, reading, deleting. Source: Page › Photos."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.clock import graph_time
from sandbox.facebook.access import page_of, publishing_page
from sandbox.facebook.posts import attach_one, is_gone
from sandbox.library import META_FETCHER, FetchError
from sandbox.media import Facts
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, missing_object, refuse
from sandbox.meta.fields import ABSENT, Field, parse, render
from sandbox.records import Persona, Photo
from sandbox.wire import Answer, Call, ok

PHOTO_BYTES = 10_000_000
"""Largest photo: 10 MB. Source: Page › Photos."""
PHOTO_FORMATS = frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF"})
"""Source: Page › Photos."""
ALT_CHARS = 1_000
"""Longest alternative text, characters; not documented for Pages, as on Instagram."""

INVALID_IMAGE = 324
TOO_BIG = 1366046
INVALID_FILE = 2069019

_CHECKS: dict[str, params.Check] = {
    "url": params.text,
    "published": params.boolean,
    "temporary": params.boolean,
    "caption": params.text,
    "alt_text_custom": params.text,
}
_FIELDS = frozenset(
    {"alt_text_custom", "created_time", "height", "id", "images", "link", "name", "page_story_id", "picture", "width"}
)


async def create(call: Call) -> Answer:
    """`POST /{page}/photos`: staged with `published=false`, otherwise posted at once."""
    owner = publishing_page(call)
    values = params.read(call.params, _CHECKS)
    wanted = parse(call.params.get("fields") or "id")
    unexpected = call.files.keys() - {"source"}
    if unexpected:
        raise bad_parameter(f"Unexpected parameter {min(unexpected)}")
    if ("source" in call.files) == ("url" in values):
        raise refuse("(#324) Requires upload file", INVALID_IMAGE)
    if len(values.get("alt_text_custom", "")) > ALT_CHARS:
        raise bad_parameter(f"Param alt_text_custom must be at most {ALT_CHARS} characters long")
    facts = await _facts(call, values)
    photo_id = ids.digits("1221", 18)
    photo = Photo(
        id=photo_id,
        account_id=owner.account_id,
        media=facts.as_item(photo_id, values.get("alt_text_custom", "")),
        created_at=call.sandbox.clock.now(),
        caption=values.get("caption", ""),
    )
    answer: dict[str, Any] = {}
    if values.get("published", True):
        answer["post_id"] = attach_one(call.sandbox, photo, owner).id
    call.sandbox.state.photos.put(photo)
    return ok({**_node(call, photo, wanted), "id": photo.id, **answer})


async def read(call: Call) -> Answer:
    """`GET /{photo}`."""
    owner = page_of(call)
    params.read(call.params, {})
    photo = _find(call, owner)
    return ok({**_node(call, photo, parse(call.params.get("fields") or "id,name,created_time")), "id": photo.id})


async def delete(call: Call) -> Answer:
    """`DELETE /{photo}`: a posted one disappears from its post, and with the last one the post."""
    owner = publishing_page(call)
    params.read(call.params, {})
    photo = _find(call, owner)
    state = call.sandbox.state
    post = state.post("facebook", photo.post_id) if photo.post_id else None
    if post is not None:
        post.media = [item for item in post.media if item["id"] != photo.id]
        if post.media:
            state.posts.put(post)
        else:
            state.remove_post(post)
    state.photos.remove(photo.id)
    return ok({"success": True})


async def _facts(call: Call, values: dict[str, Any]) -> Facts:
    library = call.sandbox.library
    if "url" in values:
        try:
            fetched = await library.fetch(
                values["url"], user_agent=META_FETCHER, max_bytes=4 * PHOTO_BYTES, follow_redirects=True
            )
        except FetchError as error:
            raise refuse("(#324) Missing or invalid image file", INVALID_IMAGE) from error
        facts = fetched.facts
    else:
        facts = await library.keep(call.files["source"])
    if facts.kind != "image" or facts.format not in PHOTO_FORMATS:
        raise refuse("(#324) Missing or invalid image file", INVALID_IMAGE, INVALID_FILE)
    if facts.size > PHOTO_BYTES:
        raise refuse("(#324) The image is too big", INVALID_IMAGE, TOO_BIG, user_message="Photos must be under 10 MB.")
    return facts


def _find(call: Call, owner: Persona) -> Photo:
    photo = call.sandbox.state.photos.get(call.node)
    if photo is None or photo.account_id != owner.account_id or is_gone(call.sandbox, photo):
        raise missing_object(call.node)
    return photo


def _node(call: Call, photo: Photo, wanted: tuple[Field, ...]) -> dict[str, Any]:
    media = photo.media
    source = f"{call.base_url}/media/{media['file']}"

    def value(field: Field) -> Any:
        match field.name:
            case "page_story_id":
                return photo.post_id or ABSENT
            case "created_time":
                return graph_time(photo.created_at)
            case "name":
                return photo.caption or ABSENT
            case "alt_text_custom":
                return media["alt"] or ABSENT
            case "images":
                return [{"source": source, "width": media["width"], "height": media["height"]}]
            case "picture" | "link":
                return source
            case "width" | "height":
                return media["width"] if field.name == "width" else media["height"]
        return photo.id

    return render(wanted, "Photo", _FIELDS, value)
