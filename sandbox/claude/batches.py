"""Batches of messages. Source: claude.md §10."""

from __future__ import annotations

import json
from typing import Any

from sandbox.claude.checks import check_body
from sandbox.claude.errors import refuse
from sandbox.claude.state import Batch
from sandbox.claude.writing import write_message
from sandbox.clock import iso_time
from sandbox.ids import token
from sandbox.wire import Answer, Call, PlatformError, ok

DAY_SECONDS = 86_400
CUSTOM_ID_CHARS_MAX = 64
BATCH_MAX = 100_000


async def create(call: Call) -> Answer:
    """Take requests; each is answered by itself. A pending `model_answer` with `{"batch": "expired"}` lets the last
    one expire."""
    requests = call.json_object().get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= BATCH_MAX:
        raise refuse("requests: between 1 and 100000 are needed")
    ids = [request.get("custom_id") for request in requests]
    if len(set(ids)) != len(ids) or not all(isinstance(i, str) and 1 <= len(i) <= CUSTOM_ID_CHARS_MAX for i in ids):
        raise refuse("requests: custom_id must be unique, with 1 to 64 characters")
    steer = call.wanted if isinstance(call.wanted, dict) else {}
    results = [_result(call, request, steer) for request in requests]
    if steer.get("batch") == "expired":
        results[-1]["result"] = {"type": "expired"}
    now = call.sandbox.clock.now()
    batch = Batch(token("msgbatch_", 24), now, now + call.sandbox.knobs.processing_seconds, results[::-1])
    call.sandbox.claude.batches[batch.id] = batch
    return ok(_shown(call, batch))


def _result(call: Call, request: dict[str, Any], steer: dict[str, Any]) -> dict[str, Any]:
    try:
        body = request.get("params", {})
        message = write_message(body, check_body(body), call.sandbox.claude, steer)
        result: dict[str, Any] = {"type": "succeeded", "message": message}
    except PlatformError as refusal:
        result = {"type": "errored", "error": json.loads(refusal.answer.body)}
    return {"custom_id": request["custom_id"], "result": result}


async def retrieve(call: Call) -> Answer:
    """Show one batch."""
    return ok(_shown(call, _batch(call)))


async def listed(call: Call) -> Answer:
    """Show the newest batches."""
    newest = sorted(call.sandbox.claude.batches.values(), key=lambda batch: -batch.created_at)
    shown = [_shown(call, batch) for batch in newest[: int(call.query.get("limit", "20"))]]
    ends = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return ok({"data": shown, "has_more": False, "first_id": ends[0], "last_id": ends[1]})


async def cancel(call: Call) -> Answer:
    """Cancel what is not done yet."""
    batch = _batch(call)
    if call.sandbox.clock.now() < batch.ready_at:
        batch.is_canceled = True
        batch.results = [{**result, "result": {"type": "canceled"}} for result in batch.results]
    return ok(_shown(call, batch))


async def results(call: Call) -> Answer:
    """Give the results of an ended batch, in another order than they were asked for."""
    batch = _batch(call)
    if call.sandbox.clock.now() < batch.ready_at:
        raise refuse("The batch has not ended yet", 404)
    lines = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in batch.results)
    return Answer(lines.encode(), 200, "application/x-jsonl")


def _batch(call: Call) -> Batch:
    found = call.sandbox.claude.batches.get(call.segments[3])
    if found is None:
        raise refuse("batch not found", 404)
    return found


def _shown(call: Call, batch: Batch) -> dict[str, Any]:
    has_ended = call.sandbox.clock.now() >= batch.ready_at
    kinds = [result["result"]["type"] for result in batch.results]
    counts = {kind: kinds.count(kind) if has_ended else 0 for kind in ("succeeded", "errored", "canceled", "expired")}
    under_way = "canceling" if batch.is_canceled else "in_progress"
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": "ended" if has_ended else under_way,
        "request_counts": {"processing": 0 if has_ended else len(kinds), **counts},
        "created_at": iso_time(batch.created_at),
        "expires_at": iso_time(batch.created_at + DAY_SECONDS),
        "ended_at": iso_time(batch.ready_at) if has_ended else None,
        "archived_at": None,
        "cancel_initiated_at": iso_time(batch.created_at) if batch.is_canceled else None,
        "results_url": f"{call.base_url}/claude/v1/messages/batches/{batch.id}/results" if has_ended else None,
    }
