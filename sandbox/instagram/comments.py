"""Comments under a media. Source: Instagram Platform › Comment Moderation; reference IG Media › Comments."""

from __future__ import annotations

from typing import Any

from sandbox import ids
from sandbox.clock import graph_time
from sandbox.instagram.access import BASIC, COMMENTS, account_of, persona_of
from sandbox.instagram.publishing import find
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, refuse
from sandbox.meta.fields import Field, parse, render
from sandbox.meta.paging import page
from sandbox.records import Comment
from sandbox.wire import Answer, Call, ok

COMMENT_CHARS = 2_200
"""Longest comment, characters: as a caption."""

_FIELDS = frozenset({"from", "id", "like_count", "text", "timestamp", "username"})


async def create(call: Call) -> Answer:
    """`POST /{media}/comments`. Asking for `fields` writes it and answers 400 (field report)."""
    account_id = account_of(call, BASIC, COMMENTS)
    text = params.read(call.params, {"message": params.text}, ("message",))["message"]
    if not text.strip() or len(text) > COMMENT_CHARS:
        raise bad_parameter(f"Param message must be a text of at most {COMMENT_CHARS} characters")
    post = find(call, account_id)
    if post.kind == "story":
        raise bad_parameter("Comments are not supported for stories")
    comment = Comment(
        id=ids.digits("178", 17),
        post_key=post.key,
        author_id=account_id,
        author_name=persona_of(call.sandbox, account_id).username,
        text=text,
        created_at=call.sandbox.clock.now(),
    )
    call.sandbox.state.comments.put(comment)
    if "fields" in call.params:
        raise refuse("Unsupported response format", 20, 1772107)
    return ok({"id": comment.id})


async def read(call: Call) -> Answer:
    """`GET /{media}/comments`, newest first."""
    account_id = account_of(call, BASIC)
    params.read(call.params, params.PAGING)
    post = find(call, account_id)
    wanted = parse(call.params.get("fields") or "id,text,timestamp")
    comments = list(reversed(call.sandbox.state.comments_of(post)))

    def show(comment: Comment) -> dict[str, Any]:
        def value(field: Field) -> Any:
            match field.name:
                case "text":
                    return comment.text
                case "username":
                    return comment.author_name
                case "from":
                    return {"id": comment.author_id, "username": comment.author_name}
                case "timestamp":
                    return graph_time(comment.created_at)
                case "like_count":
                    return 0
            return comment.id

        return {**render(wanted, "IGComment", _FIELDS, value), "id": comment.id}

    return ok(page(call, comments, key=lambda comment: comment.id, show=show, max_limit=50))
