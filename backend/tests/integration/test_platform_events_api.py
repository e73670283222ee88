"""Events of the integrating shop system: signed, taken once, for the right user."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from factories.answers import problem
from factories.make import Factory, MadeUser
from factories.stores import connect, happened, stored
from fastapi import FastAPI

from app.composition import Container

SECRET = "a webhook secret of the tests"
URL = "/webhooks/platform-events"
CUP = {
    "id": "p-1",
    "title": "Blue cup",
    "description": "<p>A cup.</p>",
    "price": "12.50",
    "currency": "EUR",
    "image_url": "https://shop.example/1.jpg",
}


@pytest.fixture
def secret(container: Container, app: FastAPI) -> Iterator[None]:
    app.state.container = replace(container, platform_events=replace(container.platform_events, secret=SECRET))
    yield
    app.state.container = container


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Platform-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def send(client: httpx.AsyncClient, event: str, data: Any, **more: Any) -> httpx.Response:
    body = json.dumps({"event": event, "data": data, **more}).encode()
    return await client.post(URL, content=body, headers=signed(body))


@pytest.mark.usefixtures("secret")
class TestSignature:
    @pytest.mark.parametrize(
        "header",
        ["", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "abc", "sha256=ü", signed(b"{}")["X-Platform-Signature"]],
    )
    async def test_a_wrong_one_is_refused(self, client: httpx.AsyncClient, factory: Factory, header: str) -> None:
        body = json.dumps({"event": "product.created", "data": CUP}).encode()
        headers = {"X-Platform-Signature": header.encode()} if header else {}
        response = await client.post(URL, content=body, headers=headers)
        assert problem(response) == (401, "invalid_signature")
        assert response.json()["detail"] == "Invalid platform signature"
        assert await factory.count("products") == 0

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"event": 5, "data": {}}', b'{"event": "x", "data": []}']
    )
    async def test_what_is_no_event_is_refused(self, client: httpx.AsyncClient, body: bytes) -> None:
        response = await client.post(URL, content=body, headers=signed(body))
        assert problem(response) == (400, "invalid_json_payload")
        assert response.json()["detail"] == "Invalid JSON payload"


async def test_without_a_secret_nothing_is_taken(client: httpx.AsyncClient) -> None:
    body = b'{"event": "product.created", "data": {}}'
    response = await client.post(URL, content=body, headers=signed(body, ""))
    assert problem(response) == (401, "invalid_signature")


@pytest.mark.usefixtures("secret")
class TestProducts:
    @pytest.mark.parametrize("named", ["user_id", "email", "user_email"])
    @pytest.mark.parametrize("inner", [True, False])
    async def test_created_is_queued_for_its_user(
        self, client: httpx.AsyncClient, factory: Factory, named: str, inner: bool
    ) -> None:
        user = await factory.user()
        await factory.user()
        who = {named: str(user.id) if named == "user_id" else user.email.upper()}
        response = await send(client, "product.created", {**who, "product": CUP} if inner else {**who, **CUP})
        assert (response.status_code, response.json()) == (200, {"status": "ok", "actions": ["social_post_queued"]})
        (item,) = await factory.execute("SELECT * FROM content_queue")
        row = (await stored(factory))["p-1"]
        assert (item.user_id, item.product_id, item.origin, item.status) == (
            user.id,
            row.id,
            "platform_event",
            "pending",
        )
        assert item.product_data["title"] == "Blue cup"
        assert (item.product_data["price"], item.product_data["currency"]) == ("12.50", "EUR")
        assert (row.price_minor, row.description, row.user_id) == (1250, "A cup.", user.id)

    async def test_where_it_is_to_be_posted(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user()
        for number, more in enumerate(({}, {"platforms": ["tiktok", "myspace"]})):
            await send(client, "product.created", {"user_id": str(user.id), **CUP, "id": f"a{number}", **more})
        await factory.account(user, "instagram")
        await send(client, "product.created", {"user_id": str(user.id), **CUP, "id": "a2"})
        found = await factory.execute("SELECT platforms FROM content_queue ORDER BY created_at, id")
        assert [row.platforms for row in found] == [["instagram", "facebook", "tiktok"], ["tiktok"], ["instagram"]]

    @pytest.mark.parametrize("more", [{}, {"id": "evt_1"}, {"event_id": "evt_1"}])
    async def test_sent_twice_it_counts_once(
        self, client: httpx.AsyncClient, factory: Factory, more: dict[str, str]
    ) -> None:
        user = await factory.user()
        data = {"user_id": str(user.id), **CUP}
        first = await send(client, "product.created", data, **more)
        again = await send(client, "product.created", data, **more)
        assert [r.json()["actions"] for r in (first, again)] == [["social_post_queued"], []]
        assert (await factory.count("content_queue"), await factory.count("products")) == (1, 1)

    async def test_one_that_waits_already_is_not_queued_again(
        self, client: httpx.AsyncClient, factory: Factory
    ) -> None:
        user = await factory.user()
        await send(client, "product.created", {"user_id": str(user.id), **CUP}, id="evt_1")
        again = await send(client, "product.created", {"user_id": str(user.id), **CUP, "price": "13"}, id="evt_2")
        assert again.json()["actions"] == ["product_updated"]
        assert (await factory.count("content_queue"), (await stored(factory))["p-1"].price_minor) == (1, 1300)

    async def test_updated_and_deleted(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user()
        who = {"user_id": str(user.id)}
        connection_id = await connect(factory, user, "platform", "https://shop.example")
        await send(client, "product.created", {**who, **CUP})
        response = await send(client, "product.updated", {**who, **CUP, "price": "10.00"})
        assert response.json()["actions"] == ["product_updated"]
        response = await send(client, "product.deleted", {**who, "id": "p-1"})
        assert response.json()["actions"] == ["product_removed"]
        row = (await stored(factory))["p-1"]
        assert (row.connection_id, row.price_minor, row.status) == (connection_id, 1000, "removed")
        assert await happened(factory) == [("p-1", "new"), ("p-1", "price_drop"), ("p-1", "removed")]
        again = await send(client, "product.deleted", {**who, "id": "p-1"}, id="another")
        assert again.json()["actions"] == []

    @pytest.mark.parametrize(
        ("event", "data"),
        [
            ("product.created", {"user_id": "01a2b3c4-0000-7000-8000-000000000001", **CUP}),
            ("product.created", {"email": "nobody@example.com", **CUP}),
            ("product.created", {"email": "a\x00b", **CUP}),
            ("product.created", {"user_id": "no uuid", **CUP}),
            ("product.created", CUP),
            ("order.created", {}),
            ("subscription.updated", {}),
        ],
    )
    async def test_nothing_to_do(
        self, client: httpx.AsyncClient, factory: Factory, event: str, data: dict[str, Any]
    ) -> None:
        response = await send(client, event, data)
        assert (response.status_code, response.json()) == (200, {"status": "ok", "actions": []})
        assert (await factory.count("products"), await factory.count("content_queue")) == (0, 0)

    async def test_a_user_who_is_switched_off_gets_nothing(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user(is_active=False)
        assert (await send(client, "product.created", {"user_id": str(user.id), **CUP})).json()["actions"] == []

    async def test_one_for_somebody_unknown_counts_once_they_are_there(
        self, client: httpx.AsyncClient, factory: Factory, logged: list[dict[str, Any]]
    ) -> None:
        data = {"email": "late@example.com", **CUP}
        assert (await send(client, "product.created", data)).json()["actions"] == []
        assert "platform_event.unknown_user" in [event["event"] for event in logged]
        await factory.user(email="late@example.com")
        assert (await send(client, "product.created", data)).json()["actions"] == ["social_post_queued"]

    @pytest.mark.parametrize(
        "product", [{"id": "x"}, {"id": "x", "title": ""}, {"id": {"a": 1}, "title": 5.5e300}, {"title": ["a"]}]
    )
    async def test_odd_products_harm_nothing(
        self, client: httpx.AsyncClient, factory: Factory, product: dict[str, Any]
    ) -> None:
        user = await factory.user()
        response = await send(client, "product.created", {"user_id": str(user.id), "product": product})
        assert response.status_code == 200


async def test_ten_deliveries_at_once_queue_once(
    real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, committed: Container, app: FastAPI
) -> None:
    app.state.container = replace(committed, platform_events=replace(committed.platform_events, secret=SECRET))
    data = {"user_id": str(owner.id), **CUP}
    answers = await asyncio.gather(*(send(real_client, "product.created", data, id=str(owner.id)) for _ in range(10)))
    app.state.container = committed
    assert sorted(answer.json()["actions"] for answer in answers) == [[]] * 9 + [["social_post_queued"]]
    assert await rows.count("content_queue") == 1
    await rows.execute("DELETE FROM inbound_events WHERE source = 'platform_events'")
