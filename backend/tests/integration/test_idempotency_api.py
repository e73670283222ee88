"""`Idempotency-Key`: a request that is sent again does nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.make import Factory, MadeUser

KEY = {"Idempotency-Key": "order-17"}


@pytest.fixture
async def body(factory: Factory, signed_in: MadeUser) -> dict[str, Any]:
    account = await factory.account(signed_in)
    return {"account_id": str(account.id), "content": "Hello"}


class TestSameKey:
    async def test_and_same_body_replays_the_answer(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        first = await client.post("/posts", json=body, headers=KEY)
        second = await client.post("/posts", json=body, headers=KEY)
        assert ok(first, 201) == ok(second, 201)
        assert first.content == second.content
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        assert await factory.count("posts") == 1

    async def test_and_same_body_replays_also_after_the_post_was_changed(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        first = ok(await client.post("/posts", json=body, headers=KEY), 201)
        ok(await client.patch(f"/posts/{first['id']}", json={"content": "Changed"}))
        assert ok(await client.post("/posts", json=body, headers=KEY), 201) == first
        await client.delete(f"/posts/{first['id']}")
        assert ok(await client.post("/posts", json=body, headers=KEY), 201) == first
        assert await factory.count("posts") == 0

    async def test_and_same_body_in_another_order_replays(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        first = ok(await client.post("/posts", json=body, headers=KEY), 201)
        turned = dict(reversed(body.items()))
        assert ok(await client.post("/posts", json=turned, headers=KEY), 201) == first
        assert await factory.count("posts") == 1

    async def test_and_another_body_is_refused(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        ok(await client.post("/posts", json=body, headers=KEY), 201)
        for change in ({"content": "Other"}, {"hashtags": ["a"]}, {"scheduled_for": "2099-01-01T00:00:00Z"}):
            response = await client.post("/posts", json={**body, **change}, headers=KEY)
            assert problem(response) == (422, "idempotency_key_reused")
        assert await factory.count("posts") == 1

    async def test_of_another_user_is_another_key(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        ok(await client.post("/posts", json=body, headers=KEY), 201)
        other = await factory.user()
        account = await factory.account(other)
        mine = {"account_id": str(account.id), "content": "Hello"}
        ok(await client.post("/posts", json=mine, headers={**KEY, **other.headers}), 201)
        assert await factory.count("posts") == 2

    async def test_may_be_used_again_after_a_failure(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        past = await client.post("/posts", json={**body, "scheduled_for": "2020-01-01T00:00:00Z"}, headers=KEY)
        assert problem(past) == (400, "past_time")
        unknown = await client.post("/posts", json={**body, "platform": "tiktok"}, headers=KEY)
        assert problem(unknown) == (422, "invalid_request")
        assert await factory.count("idempotency_keys") == 0
        ok(await client.post("/posts", json=body, headers=KEY), 201)
        assert await factory.count("posts") == 1

    async def test_is_forgotten_after_a_day(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]
    ) -> None:
        ok(await client.post("/posts", json=body, headers=KEY), 201)
        await factory.execute("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'")
        again = await client.post("/posts", json={**body, "content": "Other"}, headers=KEY)
        assert ok(again, 201)["content"] == "Other"
        assert await factory.count("posts") == 2
        assert await factory.count("idempotency_keys") == 1

    async def test_holds_for_a_group(self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]) -> None:
        group = {"account_ids": [body["account_id"]], "content": "Hello"}
        first = ok(await client.post("/posts", json=group, headers=KEY), 201)
        assert ok(await client.post("/posts", json=group, headers=KEY), 201) == first
        assert await factory.count("posts") == 1

    async def test_sent_at_once_creates_one_post(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser
    ) -> None:
        account = await rows.account(owner)
        body = {"account_id": str(account.id), "content": "Hello", "scheduled_for": "2099-01-01T00:00:00Z"}
        answers = await asyncio.gather(*(real_client.post("/posts", json=body, headers=KEY) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        replayed = Counter(answer.headers.get("idempotency-replayed") for answer in answers)
        assert replayed == {None: 1, "true": 7}
        assert await rows.count("posts") == await rows.count("publications") == 1

    async def test_sent_at_once_with_different_bodies_creates_one_post(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser
    ) -> None:
        account = await rows.account(owner)
        answers = await asyncio.gather(
            *(
                real_client.post("/posts", json={"account_id": str(account.id), "content": f"{n}"}, headers=KEY)
                for n in range(6)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 5}
        assert await rows.count("posts") == 1


class TestKeys:
    @pytest.mark.parametrize("key", ["", "k" * 256, "two words", "tab\there", "käse".encode()])
    async def test_of_a_wrong_form_are_refused(
        self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any], key: str | bytes
    ) -> None:
        response = await client.post("/posts", json=body, headers={"Idempotency-Key": key})  # type: ignore[dict-item]
        assert [path.lower() for path, _ in field_errors(response)] == ["header.idempotency-key"]
        assert await factory.count("posts") == 0

    async def test_may_have_255_characters(self, client: httpx.AsyncClient, body: dict[str, Any]) -> None:
        ok(await client.post("/posts", json=body, headers={"Idempotency-Key": "k" * 255}), 201)

    async def test_are_not_needed(self, client: httpx.AsyncClient, factory: Factory, body: dict[str, Any]) -> None:
        for _ in range(2):
            ok(await client.post("/posts", json=body), 201)
        assert await factory.count("posts") == 2
