"""`POST /v1/messages`, whole and streamed, and counting. Source: claude.md §2, §7, §9."""

from __future__ import annotations

import json
from typing import Any

from sandbox.claude.checks import REQUEST_BYTES_MAX, check_body
from sandbox.claude.errors import refuse
from sandbox.claude.writing import count_tokens, write_message
from sandbox.ids import token
from sandbox.wire import Answer, Call, ok

PIECE_CHARS = 24


async def create(call: Call) -> Answer:
    """Write a message, or the stream of one."""
    if len(call.body) > REQUEST_BYTES_MAX:
        raise refuse("Request exceeds the maximum size", 413)
    body = call.json_object()
    model = check_body(body)
    message = write_message(body, model, call.sandbox.claude, call.wanted)
    headers = {"request-id": token("req_", 24)}
    if not body.get("stream"):
        return ok(message, headers=headers)
    pieces = tuple(_event(name, data) for name, data in _events(message))
    return Answer(b"", 200, "text/event-stream; charset=utf-8", tuple(headers.items()), pieces)


async def count(call: Call) -> Answer:
    """`POST /v1/messages/count_tokens`."""
    body = call.json_object()
    check_body(body, is_count=True)
    return ok({"input_tokens": count_tokens(body)})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def _events(message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    usage = message["usage"]
    start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": start}), ("ping", {})]
    for index, block in enumerate(message["content"]):
        empty = {**block, "text": ""} if block["type"] == "text" else {**block, "signature": ""}
        events.append(("content_block_start", {"index": index, "content_block": empty}))
        if block["type"] == "text":
            pieces = [block["text"][at : at + PIECE_CHARS] for at in range(0, len(block["text"]), PIECE_CHARS)]
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
        else:
            deltas = [{"type": "signature_delta", "signature": block["signature"]}]
        events += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        events.append(("content_block_stop", {"index": index}))
    ending = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    events.append(("message_delta", {"delta": ending, "usage": usage}))
    events.append(("message_stop", {}))
    return events
