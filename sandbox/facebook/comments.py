"""Comments under posts of a Page. Source: Graph reference Object › Comments; Pages API › Posts."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.clock import graph_time
from sandbox.facebook.access import page_of, publishing_page
from sandbox.facebook.posts import find_post
from sandbox.meta import params
from sandbox.meta.auth import require_scope, require_token
from sandbox.meta.errors import bad_parameter, missing_object
from sandbox.meta.fields import Field, parse, render
from sandbox.meta.paging import page
from sandbox.records import Comment, Persona, Post
from sandbox.wire import Answer, Call, ok

COMMENT_CHARS = 8_000
"""Longest comment, characters. Undocumented; observed in clients."""

_FIELDS = frozenset({"created_time", "from", "id", "message"})


async def create(call: Call) -> Answer:
    """`POST /{post or video}/comments` as the Page."""
    owner = publishing_page(call)
    require_scope(call, require_token(call), "pages_manage_engagement")
    message = params.read(call.params, {"message": params.text}, ("message",))["message"]
    if not message.strip() or len(message) > COMMENT_CHARS:
        raise bad_parameter(f"Param message must be a text of at most {COMMENT_CHARS} characters")
    post = _post(call, owner)
    comment = Comment(
        id=f"{post.id.partition('_')[2]}_{ids.digits('4', 12)}",
        post_key=post.key,
        author_id=owner.account_id,
        author_name=owner.name,
        text=message,
        created_at=call.sandbox.clock.now(),
    )
    call.sandbox.state.comments.put(comment)
    return ok({"id": comment.id})


async def read(call: Call) -> Answer:
    """`GET /{post or video}/comments`, newest first with `filter=stream`."""
    owner = page_of(call)
    params.read(call.params, {**params.PAGING, "filter": params.choice("stream", "toplevel"), "order": params.text})
    wanted = parse(call.params.get("fields") or "id,message,created_time")
    comments = list(reversed(call.sandbox.state.comments_of(_post(call, owner))))

    def show(comment: Comment) -> dict[str, Any]:
        def value(field: Field) -> Any:
            match field.name:
                case "message":
                    return comment.text
                case "from":
                    return {"id": comment.author_id, "name": comment.author_name}
                case "created_time":
                    return graph_time(comment.created_at)
            return comment.id

        return {**render(wanted, "Comment", _FIELDS, value), "id": comment.id}

    return ok(page(call, comments, key=lambda comment: comment.id, show=show))


def _post(call: Call, owner: Persona) -> Post:
    """Return the post named, also by the id of its video."""
    video = call.sandbox.state.videos.get(call.node)
    if video is None:
        return find_post(call, owner)
    post = call.sandbox.state.post("facebook", video.post_id) if video.post_id else None
    if post is None or post.account_id != owner.account_id or post.published_at > call.sandbox.clock.now():
        raise missing_object(call.node)
    return post
