"""What Schemathesis has found, each once more by itself."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
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


def test_every_body_has_an_example_that_fits(app: FastAPI) -> None:
    """Examples are what people copy."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    bodies = {
        name: next(iter(operation["requestBody"]["content"].values()))["schema"]
        for name, operation in operations(app)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert len(bodies) > 50
    without, wrong = [], []
    for name, body in bodies.items():
        options = [one for one in body.get("anyOf", [body]) if one.get("type") != "null"]
        models = [schemas[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in options]
        examples = [example for model in models for example in examples_of(model)]
        check = jsonschema_rs.validator_for({**body, "components": document["components"]})
        if not examples:
            without.append(name)
        wrong += [(name, example) for example in examples if not check.is_valid(example)]
    assert (without, wrong) == ([], [])


def examples_of(model: dict[str, Any]) -> list[Any]:
    """Return a model's examples, or one put together of those of its fields."""
    fields = model.get("properties", {})
    if "examples" not in model and fields and all("examples" in field for field in fields.values()):
        return [{name: field["examples"][0] for name, field in fields.items()}]
    return list(model.get("examples", ()))
