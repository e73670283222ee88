"""Reading shops: twice, at once, killed, busy, shrunken; what changes becomes an event, and nothing counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from factories.make import Factory, MadeUser
from factories.shops import FeedHost, ShopifyShop, WooCommerceShop
from factories.shops.feed import item
from factories.shops.server import Reply
from factories.stores import connect, connection, happened, make_due, runs, stored

from app.composition import Container
from app.repositories.store_repository import StoreRepository

LIST = "/products.json"


@pytest.fixture
def shop() -> Iterator[ShopifyShop]:
    with ShopifyShop() as server:
        yield server


@pytest.fixture
def woo() -> Iterator[WooCommerceShop]:
    with WooCommerceShop() as server:
        yield server


@pytest.fixture
def host() -> Iterator[FeedHost]:
    with FeedHost() as server:
        yield server


async def sync(worker: Container, rows: Factory) -> None:
    await make_due(rows)
    await worker.product_sync.work()


class TestTwiceInARow:
    async def test_nothing_is_written_twice(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(260)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        before = await stored(rows)
        await sync(worker, rows)
        after = await stored(rows)
        assert len(after) == 260
        assert {key: row.id for key, row in before.items()} == {key: row.id for key, row in after.items()}
        assert {row.updated_at for row in after.values()} == {row.updated_at for row in before.values()}
        counts = [(run.outcome, *(run.counts[n] for n in ("created", "updated", "unchanged", "removed", "pages"))) for
                  run in await runs(rows, connection_id)]  # fmt: skip
        assert counts == [("done", 260, 0, 0, 0, 2), ("done", 0, 0, 260, 0, 2)]
        assert len(await happened(rows)) == 260

    async def test_the_next_reading_is_an_hour_away(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        first = await connect(rows, owner, "shopify", shop.url)
        second = await connect(rows, owner, "shopify", shop.url, sync_minutes=15)
        await worker.product_sync.work()
        for connection_id, minutes in ((first, 60), (second, 15)):
            row = await connection(rows, connection_id)
            assert abs((row.next_sync_at - row.last_synced_at) - timedelta(minutes=minutes)) < timedelta(seconds=1)
            assert (row.sync_state, row.lease_id) == ({}, None)
        assert await worker.product_sync.work() == 0


class TestAtOnce:
    async def test_two_workers_read_a_shop_once(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, make_worker: Any
    ) -> None:
        shop.fill(300)
        await connect(rows, owner, "shopify", shop.url)
        taken = await asyncio.gather(*(make_worker(f"w{n}").product_sync.work() for n in range(4)))
        assert sorted(taken) == [0, 0, 0, 1]
        assert len(await stored(rows)) == 300
        assert len(await happened(rows)) == 300

    async def test_two_shops_are_read_by_two_workers(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, make_worker: Any
    ) -> None:
        shop.fill(30)
        shop.instead("/cart.js", *(Reply(200, {"currency": "EUR"}, pause_seconds=0.3) for _ in range(2)))
        for _ in range(2):
            await connect(rows, owner, "shopify", shop.url)
        taken = await asyncio.gather(*(make_worker(f"w{n}").product_sync.work() for n in range(2)))
        assert sum(taken) == 2
        assert await rows.count("products") == 60

    async def test_reading_queueing_and_rules_do_not_lock_one_another_out(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, make_worker: Any, real_client: httpx.AsyncClient
    ) -> None:
        await real_client.post("/product-rules", json={"event": "price_drop", "platforms": ["facebook"]})
        shop.fill(250)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        reader, ruler = make_worker("reader"), make_worker("ruler")
        await reader.product_sync.work()

        async def read() -> None:
            for price in ("12.00", "11.00", "10.00", "9.00"):
                for item_ in shop.products:
                    item_["variants"][0]["price"] = price
                shop.products.reverse()
                await sync(reader, rows)

        async def queue() -> list[int]:
            body = {"filter": {}, "platforms": ["facebook"]}
            answers = [await real_client.post("/products/queue", json=body) for _ in range(8)]
            return [answer.status_code for answer in answers]

        async def act() -> None:
            for _ in range(8):
                await ruler.product_rules.work()

        _, statuses, _ = await asyncio.gather(read(), queue(), act())
        assert statuses == [200] * 8
        assert {run.outcome for run in await runs(rows, connection_id)} == {"done"}
        assert {row.price_minor for row in (await stored(rows)).values()} == {900}
        assert await rows.count("content_queue") == 250


class TestKilled:
    async def test_between_a_page_and_its_record_the_page_comes_again(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, make_worker: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.fill(600)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        pages = 0
        save = StoreRepository.save_run

        async def die(self: StoreRepository, *arguments: Any, **named: Any) -> None:
            nonlocal pages
            pages += 1
            if pages == 2:
                raise asyncio.CancelledError
            await save(self, *arguments, **named)

        monkeypatch.setattr(StoreRepository, "save_run", die)
        with pytest.raises(asyncio.CancelledError):
            await make_worker("a").product_sync.work()
        monkeypatch.undo()
        assert await rows.count("products") == 250
        assert (await connection(rows, connection_id)).sync_state["cursor"]["page"] == 2
        assert await make_worker("b").product_sync.work() == 0, "the lease still runs"
        await sync(make_worker("c"), rows)
        assert await rows.count("products") == 600
        (run,) = await runs(rows, connection_id)
        assert (run.outcome, run.counts["created"], run.counts["pages"]) == ("done", 600, 3)
        assert len(await happened(rows)) == 600
        first_pages = [a for a in shop.asked if a.path == LIST and a.query == {"limit": "250", "page": "1"}]
        assert len(first_pages) == 1, "what was committed is not read again"

    async def test_a_database_that_fails_once_loses_no_page(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shop.fill(300)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        save, calls = StoreRepository.save_run, 0

        async def fail_once(self: StoreRepository, *arguments: Any, **named: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise ConnectionError("gone")
            await save(self, *arguments, **named)

        monkeypatch.setattr(StoreRepository, "save_run", fail_once)
        await worker.product_sync.work()
        assert await rows.count("products") == 0
        await sync(worker, rows)
        assert await rows.count("products") == 300
        assert [run.counts["created"] for run in await runs(rows, connection_id)] == [300]

    async def test_a_connection_that_is_deleted_meanwhile(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(10)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        shop.instead("/cart.js", Reply(200, {"currency": "EUR"}, pause_seconds=0.5))
        reading = asyncio.create_task(worker.product_sync.work())
        while shop.count("/cart.js") == 0:  # noqa: ASYNC110 - the shop runs in a thread
            await asyncio.sleep(0.01)
        await worker.stores.delete(owner.id, connection_id)
        assert await reading == 1
        assert (await rows.count("products"), await rows.count("store_connections")) == (0, 0)


class TestChanges:
    async def test_each_becomes_an_event(
        self, woo: WooCommerceShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        woo.fill(6)
        woo.products[2]["stock_status"] = "outofstock"
        await connect(rows, owner, "woocommerce", woo.url, key="ck_good", secret="cs_good")
        await worker.product_sync.work()
        await rows.execute("DELETE FROM product_events")
        woo.products[1]["stock_status"] = "outofstock"
        woo.products[2]["stock_status"] = "instock"
        woo.products[3]["price"] = "10.00"
        woo.products[4]["price"] = "13.00"
        woo.products[5]["description"] = "Another text"
        woo.add(7)
        await rows.execute("UPDATE sync_runs SET started_at = started_at - interval '2 days'")
        await sync(worker, rows)
        assert await happened(rows) == [
            ("1", "sold_out"),
            ("2", "back_in_stock"),
            ("3", "price_drop"),
            ("4", "price_rise"),
            ("7", "new"),
        ]
        facts = await rows.scalar("SELECT facts FROM product_events WHERE kind = 'price_drop'")
        assert facts == {"old_price_minor": 1250, "price_minor": 1000, "currency": "EUR", "drop_percent": 20.0}
        new = await rows.scalar("SELECT facts FROM product_events WHERE kind = 'new'")
        assert new == {}
        assert (await stored(rows))["5"].description == "Another text"

    async def test_woocommerce_is_asked_for_changes_in_between(
        self, woo: WooCommerceShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        woo.fill(3)
        connection_id = await connect(rows, owner, "woocommerce", woo.url, key="ck_good", secret="cs_good")
        await worker.product_sync.work()
        woo.products.pop(1)
        woo.products[2] |= {"price": "9.00", "date_modified_gmt": "2027-01-01T00:00:00"}
        await sync(worker, rows)
        assert [run.counts["kind"] for run in await runs(rows, connection_id)] == ["full", "changes"]
        assert (await runs(rows, connection_id))[1].counts["updated"] == 1
        assert (await stored(rows))["1"].status == "active", "a reading of changes says nothing of the rest"

    async def test_what_is_gone_is_removed_and_may_return(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(10)
        await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        await rows.execute("DELETE FROM product_events")
        gone = shop.find(4)
        shop.remove(4)
        await sync(worker, rows)
        row = (await stored(rows))["4"]
        assert (row.status, row.removed_at is not None) == ("removed", True)
        assert await happened(rows) == [("4", "removed")]
        shop.products.append(gone)
        await sync(worker, rows)
        row = (await stored(rows))["4"]
        assert (row.status, row.removed_at) == ("active", None)
        assert await happened(rows) == [("4", "removed"), ("4", "returned")]


class TestDoubtfulReadings:
    async def test_half_is_gone_only_after_a_second_reading_says_so(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(10)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        for number in range(1, 7):
            shop.remove(number)
        await sync(worker, rows)
        assert len(await stored(rows, status="active")) == 10
        row = await connection(rows, connection_id)
        assert row.error_code == "source_shrunken"
        assert row.error_message == (
            "6 of 10 products are missing in the shop. They stay as they are until the next reading says the same."
        )
        await sync(worker, rows)
        assert sorted(await stored(rows, status="active")) == ["10", "7", "8", "9"]
        assert (await connection(rows, connection_id)).error_code is None
        assert [run.outcome for run in await runs(rows, connection_id)] == ["done", "shrunken", "done"]

    async def test_a_passing_gap_removes_nothing(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(10)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        kept = list(shop.products)
        shop.products = shop.products[:2]
        await sync(worker, rows)
        shop.products = kept
        await sync(worker, rows)
        assert len(await stored(rows, status="active")) == 10
        assert (await connection(rows, connection_id)).error_code is None

    async def test_an_empty_reading_is_never_believed(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(10)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        shop.products = []
        for _ in range(3):
            await sync(worker, rows)
        assert len(await stored(rows, status="active")) == 10
        assert (await connection(rows, connection_id)).error_code == "source_empty"

    async def test_a_reading_that_broke_off_removes_nothing(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(600)
        await connect(rows, owner, "shopify", shop.url)
        await worker.product_sync.work()
        shop.remove(5)
        count = shop.count(LIST)
        shop.before(LIST, count + 2, lambda: shop.instead(LIST, Reply(200, b"<html>")))
        await sync(worker, rows)
        assert len(await stored(rows, status="active")) == 600

    async def test_a_product_that_cannot_be_read_is_not_gone(
        self, host: FeedHost, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        url = host.put_items([item(n) for n in range(1, 6)])
        connection_id = await connect(rows, owner, "feed", url)
        await worker.product_sync.work()
        host.put_items([item(1, price="soon"), *(item(n) for n in range(2, 5))])
        await sync(worker, rows)
        assert sorted(await stored(rows, status="active")) == ["cup-1", "cup-2", "cup-3", "cup-4"]
        last = (await runs(rows, connection_id))[-1]
        assert (last.counts["problems"], last.counts["removed"]) == (1, 1)
        assert [error["code"] for error in last.errors] == ["price_invalid"]
        assert (await stored(rows))["cup-1"].price_minor == 1250


class TestTrouble:
    async def test_429_waits_as_long_as_the_shop_says_and_goes_on(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(300)
        connection_id = await connect(rows, owner, "shopify", shop.url)
        shop.before(LIST, 2, lambda: shop.instead(LIST, Reply(429, {}, {"Retry-After": "120"})))
        await worker.product_sync.work()
        row = await connection(rows, connection_id)
        wait = (await rows.scalar("SELECT next_sync_at - clock_timestamp() FROM store_connections")).total_seconds()
        assert 119 <= wait <= 146
        assert (row.tries, row.error_code, row.lease_id, row.sync_state["cursor"]["page"]) == (1, None, None, 2)
        assert await worker.product_sync.work() == 0
        await sync(worker, rows)
        assert await rows.count("products") == 300
        assert (await connection(rows, connection_id)).tries == 0

    async def test_costs_of_a_query_are_waited_for_without_sleeping(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.fill(11)
        connection_id = await connect(rows, owner, "shopify", shop.url, key="shpat_good")
        await worker.product_sync.work()
        assert await rows.count("products") == 10
        wait = (await rows.scalar("SELECT next_sync_at - clock_timestamp() FROM store_connections")).total_seconds()
        assert 6 <= wait <= 8
        await sync(worker, rows)
        assert await rows.count("products") == 11
        assert [run.outcome for run in await runs(rows, connection_id)] == ["done"]

    async def test_a_refused_key_stops_and_tells(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        connection_id = await connect(rows, owner, "shopify", shop.url, key="shpat_old")
        await worker.product_sync.work()
        row = await connection(rows, connection_id)
        assert (row.next_sync_at, row.error_code, row.is_active) == (None, "key_refused", True)
        assert row.error_message.startswith("The shop refuses the access token.")
        (run,) = await runs(rows, connection_id)
        assert (run.outcome, run.errors[0]["field"]) == ("refused", "api_key")
        assert await worker.product_sync.work() == 0

    async def test_an_unreadable_answer_is_tried_at_the_next_regular_time(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        connection_id = await connect(rows, owner, "shopify", shop.url)
        shop.instead(LIST, Reply(200, b"<html>"))
        await worker.product_sync.work()
        wait = (await rows.scalar("SELECT next_sync_at - clock_timestamp() FROM store_connections")).total_seconds()
        assert 3590 <= wait <= 3600
        assert [run.outcome for run in await runs(rows, connection_id)] == ["unreadable"]

    async def test_a_shop_that_stays_away_is_told_after_three_tries_and_given_up_after_twelve(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        shop.instead(LIST, *(Reply(503, b"") for _ in range(13)))
        connection_id = await connect(rows, owner, "shopify", shop.url)
        codes = []
        for _ in range(13):
            await sync(worker, rows)
            codes.append((await connection(rows, connection_id)).error_code)
        assert codes == [None, None, *["source_busy"] * 11]
        assert [run.outcome for run in await runs(rows, connection_id)] == ["given_up"]
        shop.fill(1)
        await sync(worker, rows)
        assert (await connection(rows, connection_id)).error_code is None
        assert await rows.count("products") == 1

    async def test_keys_that_do_not_open_are_said(
        self, shop: ShopifyShop, rows: Factory, owner: MadeUser, worker: Container
    ) -> None:
        connection_id = await connect(rows, owner, "shopify", shop.url, key="shpat_good")
        await rows.execute("UPDATE store_connections SET ciphertext = decode('00', 'hex')")
        await worker.product_sync.work()
        assert (await connection(rows, connection_id)).error_code == "keys_unreadable"
        assert shop.asked == []
