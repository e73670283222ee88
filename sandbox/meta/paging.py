"""Cursor paging of Graph lists."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from sandbox.wire import Call

ItemT = TypeVar("ItemT")


def page(
    call: Call,
    items: Sequence[ItemT],
    *,
    key: Callable[[ItemT], str],
    show: Callable[[ItemT], dict[str, Any] | None],
    default_limit: int = 25,
    max_limit: int = 100,
) -> dict[str, Any]:
    """Return one page of a list; items for which `show` gives None are left out after paging, as the Graph API does."""
    limit = max(1, min(int(call.params.get("limit") or default_limit), max_limit))
    start = 0
    after, before = call.params.get("after"), call.params.get("before")
    if after:
        wanted = _decode(after)
        start = next((i + 1 for i, item in enumerate(items) if key(item) == wanted), len(items))
    elif before:
        wanted = _decode(before)
        end = next((i for i, item in enumerate(items) if key(item) == wanted), 0)
        start = max(0, end - limit)
    chosen = items[start : start + limit]
    answer: dict[str, Any] = {"data": [node for item in chosen if (node := show(item)) is not None]}
    if chosen:
        paging: dict[str, Any] = {"cursors": {"before": _encode(key(chosen[0])), "after": _encode(key(chosen[-1]))}}
        if start + limit < len(items):
            paging["next"] = _link(call, limit, "after", paging["cursors"]["after"])
        if start > 0:
            paging["previous"] = _link(call, limit, "before", paging["cursors"]["before"])
        answer["paging"] = paging
    return answer


def _link(call: Call, limit: int, direction: str, cursor: str) -> str:
    # A token sent as a header is not repeated in the link.
    query = {
        name: value for name, value in call.query.items() if name not in ("after", "before", "limit", "appsecret_proof")
    }
    return f"{call.base_url}{call.path}?{urlencode({**query, 'limit': limit, direction: cursor})}"


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        return ""
