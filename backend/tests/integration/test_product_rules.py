"""Rules: what happens to a product puts it into the queue, exactly once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import problem
from factories.make import Factory, MadeUser
from factories.shops import ShopifyShop
from factories.stores import connect, make_due, product

from app.composition import Container
from app.repositories.product_repository import ProductRepository
from app.services.queue.intake import QueueIntake


async def rule(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/product-rules", json={"event": "new", "platforms": ["facebook"], **body})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def event(rows: Factory, owner: MadeUser, product_id: UUID, kind: str = "new", **facts: Any) -> None:
    async with rows.container.sessions() as session:
        await ProductRepository(session).add_events(owner.id, [(product_id, kind, facts)])
        await session.commit()


async def queued(rows: Factory) -> list[tuple[str, str]]:
    found = await rows.execute("SELECT product_data ->> 'title' AS title, origin FROM content_queue ORDER BY 1")
    return [(row.title, row.origin) for row in found]


class TestRules:
    async def test_crud(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        made = await rule(client, event="price_drop", conditions={"min_drop_percent": 10, "tag": "sale"}, tone="warm")
        assert (made["event"], made["conditions"]) == ("price_drop", {"min_drop_percent": 10.0, "tag": "sale"})
        assert (made["is_active"], made["generate"], made["tone"]) == (True, False, "warm")
        url = f"/product-rules/{made['id']}"
        changed = (await client.patch(url, json={"conditions": {"category": "Cups"}, "tone": None})).json()
        assert (changed["conditions"], changed["tone"], changed["platforms"]) == (
            {"category": "Cups"},
            None,
            ["facebook"],
        )
        assert [row["id"] for row in (await client.get("/product-rules")).json()] == [made["id"]]
        client.headers.update((await factory.user()).headers)
        answers = [await client.get(url), await client.patch(url, json={}), await client.delete(url)]
        assert [problem(answer) for answer in answers] == [(404, "product_rule_not_found")] * 3
        client.headers.update(signed_in.headers)
        assert (await client.delete(url)).status_code == 204
        assert (await client.get("/product-rules")).json() == []

    @pytest.mark.parametrize(
        "body",
        [
            {"event": "sold_out"},
            {"platforms": []},
            {"platforms": ["myspace"]},
            {"conditions": {"min_drop_percent": 0}},
            {"conditions": {"min_drop_percent": 101}},
            {"conditions": {"unknown": 1}},
            {"connection_id": "01a2b3c4-0000-7000-8000-000000000001"},
        ],
    )
    async def test_what_is_wrong_is_refused(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, body: dict[str, Any]
    ) -> None:
        response = await client.post("/product-rules", json={"event": "new", "platforms": ["facebook"], **body})
        assert problem(response) == (422, "invalid_request")
        assert await factory.count("product_rules") == 0


class TestWork:
    async def test_an_event_becomes_an_item(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, worker: Container
    ) -> None:
        await rule(real_client, platforms=["instagram", "tiktok"], generate=True, tone="warm")
        row = await product(rows, owner)
        await event(rows, owner, row.id)
        assert await worker.product_rules.work() == 1
        (item,) = await rows.execute("SELECT * FROM content_queue")
        assert (item.product_id, item.origin, item.platforms) == (row.id, "rule", ["instagram", "tiktok"])
        assert (item.status, item.generate_request["tone"], item.product_data["price"]) == ("pending", "warm", "12.50")
        assert await rows.scalar("SELECT count(*) FROM product_events WHERE handled_at IS NULL") == 0

    @pytest.mark.parametrize(
        ("rule_body", "kind", "facts", "values", "expected"),
        [
            ({}, "new", {}, {}, 1),
            ({}, "new", {"is_first": True}, {}, 0),
            ({}, "back_in_stock", {}, {}, 0),
            ({"event": "back_in_stock"}, "back_in_stock", {}, {}, 1),
            ({"event": "price_drop"}, "price_drop", {"drop_percent": 1.0}, {}, 1),
            (
                {"event": "price_drop", "conditions": {"min_drop_percent": 10}},
                "price_drop",
                {"drop_percent": 9.9},
                {},
                0,
            ),
            (
                {"event": "price_drop", "conditions": {"min_drop_percent": 10}},
                "price_drop",
                {"drop_percent": 10.0},
                {},
                1,
            ),
            ({"conditions": {"category": "CUPS"}}, "new", {}, {"category": "Cups"}, 1),
            ({"conditions": {"category": "Pots"}}, "new", {}, {"category": "Cups"}, 0),
            ({"conditions": {"tag": "Blue"}}, "new", {}, {"tags": ["red", "blue"]}, 1),
            ({"conditions": {"tag": "green"}}, "new", {}, {"tags": ["red", "blue"]}, 0),
            ({"is_active": False}, "new", {}, {}, 0),
            ({}, "new", {}, {"is_available": False}, 0),
            ({}, "new", {}, {"status": "removed"}, 0),
        ],
    )
    async def test_which_events_a_rule_means(
        self,
        real_client: httpx.AsyncClient,
        owner: MadeUser,
        rows: Factory,
        worker: Container,
        rule_body: dict[str, Any],
        kind: str,
        facts: dict[str, Any],
        values: dict[str, Any],
        expected: int,
    ) -> None:
        await rule(real_client, **rule_body)
        row = await product(rows, owner, **values)
        await event(rows, owner, row.id, kind, **facts)
        assert await worker.product_rules.work() == expected
        assert await rows.count("content_queue") == expected
        assert await rows.scalar("SELECT count(*) FROM product_events WHERE handled_at IS NULL") == 0

    async def test_only_for_its_own_connection_and_its_own_user(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, worker: Container
    ) -> None:
        mine, other = [await connect(rows, owner, "shopify", "http://127.0.0.2:1") for _ in range(2)]
        await rule(real_client, connection_id=str(mine))
        stranger = await rows.user()
        for person, connection_id, title in (
            (owner, mine, "A"),
            (owner, other, "B"),
            (owner, None, "C"),
            (stranger, None, "D"),
        ):
            row = await product(rows, person, connection_id=connection_id, title=title)
            await event(rows, person, row.id)
        assert await worker.product_rules.work() == 1
        assert await queued(rows) == [("A", "rule")]

    async def test_one_that_waits_already_is_not_queued_again(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, worker: Container
    ) -> None:
        await rule(real_client)
        await rule(real_client, event="price_drop")
        row = await product(rows, owner)
        await event(rows, owner, row.id)
        await event(rows, owner, row.id, "price_drop", drop_percent=5.0)
        assert await worker.product_rules.work() == 1
        await event(rows, owner, row.id, "price_drop", drop_percent=5.0)
        assert await worker.product_rules.work() == 0
        await rows.execute("UPDATE content_queue SET status = 'posted'")
        await event(rows, owner, row.id, "price_drop", drop_percent=5.0)
        assert await worker.product_rules.work() == 1

    async def test_twice_in_a_row(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, worker: Container
    ) -> None:
        await rule(real_client)
        for _ in range(120):
            await event(rows, owner, (await product(rows, owner)).id)
        assert await worker.product_rules.work() == 120
        await rows.execute("UPDATE content_queue SET status = 'approved'")
        assert await worker.product_rules.work() == 0
        assert await rows.count("content_queue") == 120

    async def test_two_workers_at_once(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, make_worker: Any
    ) -> None:
        await rule(real_client)
        await rule(real_client, event="price_drop")
        for _ in range(80):
            row = await product(rows, owner)
            await event(rows, owner, row.id)
            await event(rows, owner, row.id, "price_drop", drop_percent=5.0)
        done = await asyncio.gather(*(make_worker(f"w{n}").product_rules.work() for n in range(4)))
        assert sum(done) == 80
        assert await rows.count("content_queue") == 80

    async def test_killed_between_the_item_and_its_record(
        self,
        real_client: httpx.AsyncClient,
        owner: MadeUser,
        rows: Factory,
        worker: Container,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await rule(real_client)
        row = await product(rows, owner)
        await event(rows, owner, row.id)
        add = QueueIntake.add

        async def die(self: QueueIntake, *arguments: Any, **named: Any) -> None:
            await add(self, *arguments, **named)
            raise asyncio.CancelledError

        monkeypatch.setattr(QueueIntake, "add", die)
        with pytest.raises(asyncio.CancelledError):
            await worker.product_rules.work()
        monkeypatch.undo()
        assert await rows.count("content_queue") == 0
        assert await worker.product_rules.work() == 1
        assert await rows.count("content_queue") == 1


class TestFromShopToQueue:
    async def test_a_shop_that_was_empty_at_first_floods_nobody_later(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, worker: Container
    ) -> None:
        await rule(real_client)
        with ShopifyShop() as shop:
            await connect(rows, owner, "shopify", shop.url)
            await worker.product_sync.work()
            shop.fill(40)
            await make_due(rows)
            await worker.product_sync.work()
        assert await worker.product_rules.work() == 0
        assert await rows.count("products") == 40

    @pytest.mark.parametrize(("wanted", "items"), [(None, 0), (True, 40)])
    async def test_a_first_reading_floods_nobody_unless_that_is_wanted(
        self,
        real_client: httpx.AsyncClient,
        owner: MadeUser,
        rows: Factory,
        worker: Container,
        wanted: bool | None,
        items: int,
    ) -> None:
        await rule(real_client)
        await rule(real_client, event="price_drop", conditions={"min_drop_percent": 20})
        with ShopifyShop() as shop:
            shop.fill(40)
            options = {"queue_existing": wanted} if wanted else {}
            await connect(rows, owner, "shopify", shop.url, **options)
            await worker.product_sync.work()
            assert await worker.product_rules.work() == items
            shop.add(41)
            shop.find(1)["variants"][0]["price"] = "9.99"
            shop.find(2)["variants"][0]["price"] = "11.00"
            await rows.execute("UPDATE content_queue SET status = 'approved'")
            await make_due(rows)
            await worker.product_sync.work()
            assert await worker.product_rules.work() == 2
            latest = await rows.execute(
                "SELECT product_data ->> 'title' AS title FROM content_queue WHERE status = 'pending'"
            )
            assert sorted(row.title for row in latest) == ["Cup 1", "Cup 41"]
