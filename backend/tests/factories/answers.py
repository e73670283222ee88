"""Reading answers of the API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx


def problem(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of a failure, and check that its form is right."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"/problems/{body['code']}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"]
    return response.status_code, body["code"]


def field_errors(response: httpx.Response) -> list[tuple[str, str]]:
    """Return `(path, code)` of every wrong field of a 422."""
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [(".".join(str(part) for part in error["loc"]), error["type"]) for error in response.json()["errors"]]


def detail(response: httpx.Response) -> str:
    return str(response.json()["detail"])


def ok(response: httpx.Response, status: int = 200) -> Any:
    """Return the body of a success."""
    assert response.status_code == status, response.text
    return response.json() if response.content else None


def with_moments(post: dict[str, Any]) -> dict[str, Any]:
    """Return a post with its times as moments, however they are written; all have an offset of zero."""
    read = dict(post)
    for name in ("scheduled_for", "posted_at", "created_at", "updated_at"):
        if post[name] is not None:
            read[name] = datetime.fromisoformat(post[name])
            assert read[name].utcoffset() == timedelta()
    return read
