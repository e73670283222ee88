"""API keys: made, shown once, limited by scope, plan and time, taken back."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from fastapi import FastAPI

from app.composition import Container
from app.domain.api_scopes import NOT_FOR_KEYS, RESOURCES, allows, needed
from app.kit.tokens import digest
from app.services.api_key_service import KEYS_MAX


@pytest.fixture
async def http(container: Container, app: FastAPI) -> Any:
    """A client without credentials of its own."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test/api/v1") as plain:
        yield plain


async def make_key(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return dict(ok(await client.post("/api-keys", json={"name": "Warehouse", **fields}), 201))


def with_key(made: dict[str, Any]) -> dict[str, str]:
    return {"X-API-Key": made["key"]}


class TestCreate:
    async def test_shows_the_key_once_and_keeps_a_digest(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        made = await make_key(client)
        assert made["key"].startswith("po_live_")
        assert made["key"].startswith(made["key_prefix"])
        assert made["scopes"] == ["read", "write"]
        listed = ok(await client.get("/api-keys"))
        assert [set(row) for row in listed] == [set(made) - {"key"}]
        (row,) = await factory.execute("SELECT * FROM api_keys")
        assert row.key_hash == digest(made["key"])
        assert made["key"] not in str(tuple(row))

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({"name": ""}, ("body.name", "string_too_short")),
            ({"scopes": ["admin"]}, ("body.scopes", "unknown_scope")),
            ({"scopes": ["posts:delete"]}, ("body.scopes", "unknown_scope")),
            ({"scopes": []}, ("body.scopes", "no_scope")),
            ({"expires_at": "2020-01-01T00:00:00Z"}, ("body.expires_at", "past_time")),
            ({"expires_at": "2030-01-01T00:00:00"}, ("body.expires_at", "value_error")),
            ({"key": "mine"}, ("body.key", "extra_forbidden")),
        ],
    )
    async def test_refuses_wrong_fields(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        fields: dict[str, Any],
        wrong: tuple[str, str],
    ) -> None:
        response = await client.post("/api-keys", json={"name": "x", **fields})
        assert field_errors(response) == [wrong]
        assert await factory.count("api_keys") == 0

    async def test_a_key_makes_no_keys(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, factory: Factory
    ) -> None:
        made = await make_key(client)
        response = await http.post("/api-keys", json={"name": "x"}, headers=with_key(made))
        assert problem(response) == (401, "not_authenticated")
        assert await factory.count("api_keys") == 1

    async def test_as_many_as_one_can_have_and_no_more_at_once(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory
    ) -> None:
        answers = await asyncio.gather(
            *(real_client.post("/api-keys", json={"name": f"{n}"}) for n in range(KEYS_MAX + 10))
        )
        assert Counter(answer.status_code for answer in answers) == {201: KEYS_MAX, 409: 10}
        assert await rows.count("api_keys") == KEYS_MAX


class TestUse:
    async def test_opens_what_its_owner_has(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, factory: Factory
    ) -> None:
        account = await factory.account(signed_in)
        headers = with_key(await make_key(client))
        assert ok(await http.get("/auth/me", headers=headers))["id"] == str(signed_in.id)
        draft = {"account_id": str(account.id), "content": "by key"}
        ok(await http.post("/posts", json=draft, headers=headers), 201)
        assert ok(await http.get("/posts", headers=headers))["total"] == 1

    async def test_only_usage_and_who_it_is_without_api_access(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, factory: Factory
    ) -> None:
        headers = with_key(await make_key(client, scopes=["links:read"]))
        for plan in ("free", "pro"):
            await factory.subscribe(signed_in, plan)
            ok(await http.get("/usage", headers=headers))
            ok(await http.get("/auth/me", headers=headers))
            response = await http.get("/links", headers=headers)
            assert problem(response) == (403, "not_in_plan")
            assert "API access" in detail(response)
        await factory.subscribe(signed_in, "enterprise")
        ok(await http.get("/links", headers=headers))

    @pytest.mark.parametrize(
        ("scopes", "status"),
        [
            (["read"], (200, 403)),
            (["write"], (200, 201)),
            (["posts:read"], (200, 403)),
            (["posts:write"], (200, 201)),
            (["queue:write", "media:read"], (403, 403)),
        ],
    )
    async def test_reaches_as_far_as_its_scopes(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        http: httpx.AsyncClient,
        factory: Factory,
        scopes: list[str],
        status: tuple[int, int],
    ) -> None:
        account = await factory.account(signed_in)
        headers = with_key(await make_key(client, scopes=scopes))
        looked = await http.get("/posts", headers=headers)
        wrote = await http.post("/posts", json={"account_id": str(account.id), "content": "x"}, headers=headers)
        assert (looked.status_code, wrote.status_code) == status
        assert await factory.count("posts") == (status[1] == 201)
        if status[1] == 403:
            assert problem(wrote) == (403, "missing_scope")
            assert "'posts:write'" in detail(wrote)

    async def test_ends_when_taken_back_and_when_its_time_has_come(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, api_clock: SteerableClock
    ) -> None:
        made = await make_key(client)
        path = f"/api-keys/{made['id']}"
        for _ in range(2):
            assert (await client.delete(path)).status_code == 204
        assert problem(await http.get("/usage", headers=with_key(made))) == (401, "invalid_token")
        assert [row["is_active"] for row in ok(await client.get("/api-keys"))] == [False]
        ends = api_clock() + timedelta(hours=1)
        short = await make_key(client, expires_at=ends.isoformat())
        ok(await http.get("/usage", headers=with_key(short)))
        api_clock.move(timedelta(hours=1))
        assert problem(await http.get("/usage", headers=with_key(short))) == (401, "invalid_token")

    @pytest.mark.parametrize("key", ["", "po_live_", "po_live_" + "A" * 43, "é", "x" * 5000])
    async def test_of_nobody_opens_nothing(self, http: httpx.AsyncClient, signed_in: MadeUser, key: str) -> None:
        response = await http.get("/usage", headers={"X-API-Key": key.encode()})
        assert problem(response) == (401, "invalid_token" if key else "not_authenticated")

    async def test_its_last_use_is_noted_by_the_minute(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, api_clock: SteerableClock
    ) -> None:
        made = await make_key(client)
        assert made["last_used_at"] is None
        seen = []
        for wait in (0, 30, 31):
            api_clock.move(timedelta(seconds=wait))
            ok(await http.get("/usage", headers=with_key(made)))
            seen.append(ok(await client.get("/api-keys"))[0]["last_used_at"])
        assert seen[0] is not None
        assert seen[0] == seen[1] != seen[2]

    async def test_of_somebody_who_leaves_opens_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, http: httpx.AsyncClient, factory: Factory
    ) -> None:
        made = await make_key(client)
        await factory.execute("UPDATE users SET erase_due_at = now()")
        assert problem(await http.get("/usage", headers=with_key(made))) == (401, "invalid_token")


class TestScopes:
    def test_every_part_of_the_api_is_for_keys_or_not(self, app: FastAPI) -> None:
        parts = {path.split("/")[3] for path in app.openapi()["paths"] if path.startswith("/api/v1/")}
        without_sign_in = {"health", "webhooks"}
        assert parts - without_sign_in - set(RESOURCES) - set(NOT_FOR_KEYS) == set()

    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", "posts/calendar", "posts:read"),
            ("HEAD", "media/uploads/1", "media:read"),
            ("POST", "posts", "posts:write"),
            ("DELETE", "product-rules/1", "product-rules:write"),
            ("POST", "posts/validate", "posts:read"),
        ],
    )
    def test_the_narrowest_one_is_asked_for(self, method: str, path: str, scope: str) -> None:
        assert needed(method, path) == scope
        assert allows([scope], scope)
        assert not allows(["queue:write", "queue:read"], scope)
