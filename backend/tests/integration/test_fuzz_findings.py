"""What Schemathesis has found, each once more by itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from factories.answers import problem
from fastapi import FastAPI


class TestOAuthCallback:
    """Seed 20261128: `GET /accounts/oauth/instagram/callback?state=000…` answered a problem that was not described."""

    async def test_refuses_a_state_that_is_too_long_as_described(self, client: httpx.AsyncClient, app: FastAPI) -> None:
        response = await client.get("/accounts/oauth/instagram/callback", params={"state": "0" * 513})
        assert problem(response) == (422, "invalid_request")
        described = app.openapi()["paths"]["/api/v1/accounts/oauth/{platform}/callback"]["get"]["responses"]["422"]
        assert list(described["content"]) == ["application/problem+json"]


def operations(app: FastAPI) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize("status", ["422", "401", "403", "404", "409", "429"])
def test_every_refusal_is_described_as_a_problem(app: FastAPI, status: str) -> None:
    """The same for all operations, whichever the next run would have found."""
    described = [
        (name, list(operation["responses"][status].get("content", {})))
        for name, operation in operations(app)
        if status in operation["responses"]
    ]
    assert described
    assert [name for name, types in described if types != ["application/problem+json"]] == []
