"""Posts whose product has changed since they were approved, through the real engine and the sandbox."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.make import Factory
from factories.shops import FeedHost, ShopifyShop, WooCommerceShop
from factories.shops.feed import item
from factories.shops.server import Reply
from factories.stage import Stage
from factories.stores import connect, make_due, product, stored
from sqlalchemy import Row

from app.composition import Container

SAYS_PRICE = "Only 12,50 € today"
SILENT = "A cup for cold mornings"


async def speak_of(rows: Factory, post_id: UUID, row: Row[Any], **known: Any) -> None:
    """Say which product a post is about, and what was known of it when the text was approved."""
    facts = {"title": row.title, "price_minor": 1250, "currency": "EUR", "is_available": True, **known}
    await rows.execute(
        "UPDATE posts SET product_id = :product_id, product_facts = CAST(:facts AS jsonb) WHERE id = :id",
        id=post_id,
        product_id=row.id,
        facts=json.dumps(facts),
    )


async def a_post(stage: Stage, content: str, **product_values: Any) -> tuple[UUID, Row[Any]]:
    account = await stage.connect("facebook")
    row = await product(stage.rows, await stage.user(), **product_values)
    post_id = await stage.schedule(account, content)
    await speak_of(stage.rows, post_id, row)
    return post_id, row


async def prefer(stage: Stage, **products: str) -> None:
    user = await stage.user()
    await stage.rows.execute(
        "INSERT INTO publishing_preferences (user_id, settings) VALUES (:id, CAST(:settings AS jsonb))",
        id=user.id,
        settings=json.dumps({"products": products}),
    )


async def story(rows: Factory, post_id: UUID) -> list[tuple[str, str, str | None]]:
    found = await rows.execute(
        "SELECT a.operation, a.outcome, a.detail FROM publication_attempts a "
        "JOIN publications p ON p.id = a.publication_id WHERE p.post_id = :id ORDER BY a.started_at, a.id",
        id=post_id,
    )
    return [(row.operation, row.outcome, row.detail) for row in found]


class TestHold:
    @pytest.mark.parametrize(
        ("values", "code", "sentence"),
        [
            (
                {"is_available": False},
                "product_sold_out",
                "“Blue cup” is sold out. Publish this post when it is back, publish it all the same, or delete it.",
            ),
            (
                {"status": "removed"},
                "product_removed",
                "The shop no longer has “Blue cup”. Publish this post all the same, change it, or delete it.",
            ),
            (
                {"price_minor": 1400},
                "product_price_changed",
                "“Blue cup” now costs 14.00 EUR, and this post says 12.50 EUR. Correct the text, publish it all the "
                "same, or delete it.",
            ),
        ],
    )
    async def test_waits_with_the_reason_and_nothing_is_sent(
        self, stage: Stage, worker: Container, values: dict[str, Any], code: str, sentence: str
    ) -> None:
        post_id, _ = await a_post(stage, SAYS_PRICE, **values)
        calls = stage.sandbox.total_calls()
        await stage.run(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code, post.error_message) == ("on_hold", code, sentence)
        assert stage.sandbox.total_calls() == calls
        assert stage.sandbox.published() == []
        assert await story(stage.rows, post_id) == [("held", code, None)]
        (run,) = await stage.rows.publications(post_id)
        assert (run.outcome, run.finished_at is not None) == ("held", True)

    async def test_the_owner_may_send_it_all_the_same(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient
    ) -> None:
        post_id, _row = await a_post(stage, SAYS_PRICE, is_available=False)
        await stage.run(worker)
        real_client.headers.update((await stage.user()).headers)
        answer = await real_client.post(f"/posts/{post_id}/publish")
        assert answer.status_code == 200, answer.text
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == "posted"
        assert stage.sandbox.texts() == [SAYS_PRICE]

    async def test_what_changes_after_that_holds_it_again(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient
    ) -> None:
        post_id, _row = await a_post(stage, SAYS_PRICE, is_available=False)
        await stage.run(worker)
        await stage.rows.execute("UPDATE products SET status = 'removed'")
        real_client.headers.update((await stage.user()).headers)
        await real_client.post(f"/posts/{post_id}/publish")
        await stage.run(worker)
        assert (await stage.post(post_id)).error_code == "product_removed"

    @pytest.mark.parametrize(
        ("content", "values"),
        [
            (SAYS_PRICE, {}),
            (SAYS_PRICE, {"is_available": None}),
            (SILENT, {"price_minor": 1400}),
            (SILENT, {"price_minor": None}),
        ],
    )
    async def test_what_is_still_right_goes_out_as_it_is(
        self, stage: Stage, worker: Container, content: str, values: dict[str, Any]
    ) -> None:
        post_id, _ = await a_post(stage, content, **values)
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == "posted"
        assert stage.sandbox.texts() == [content]

    async def test_a_product_that_was_deleted_here_holds_nothing(self, stage: Stage, worker: Container) -> None:
        post_id, _row = await a_post(stage, SAYS_PRICE, is_available=False)
        await stage.rows.execute("DELETE FROM products")
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == "posted"


class TestPreferences:
    @pytest.mark.parametrize(
        ("wanted", "values"),
        [
            ({"on_sold_out": "ignore"}, {"is_available": False}),
            ({"on_price_change": "ignore"}, {"price_minor": 1400}),
        ],
    )
    async def test_ignore(
        self, stage: Stage, worker: Container, wanted: dict[str, str], values: dict[str, Any]
    ) -> None:
        _post_id, _ = await a_post(stage, SAYS_PRICE, **values)
        await prefer(stage, **wanted)
        await stage.finish(worker)
        assert stage.sandbox.texts() == [SAYS_PRICE]

    async def test_rewrite(self, stage: Stage, worker: Container) -> None:
        post_id, _ = await a_post(stage, SAYS_PRICE, price_minor=1400)
        await prefer(stage, on_price_change="rewrite")
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.content) == ("posted", "Only 14,00 € today")
        assert post.product_facts["price_minor"] == 1400
        assert stage.sandbox.texts() == ["Only 14,00 € today"]
        assert (await story(stage.rows, post_id))[0] == (
            "product_guard",
            "price_rewritten",
            "The price in the text was 12.50 EUR and is now 14.00 EUR.",
        )

    async def test_a_lost_lease_rewrites_nothing(self, stage: Stage, worker: Container) -> None:
        post_id, _ = await a_post(stage, SAYS_PRICE, price_minor=1400)
        await prefer(stage, on_price_change="rewrite")
        guard = worker.publishing._guard
        look = guard.look

        async def lose(*arguments: Any) -> Any:
            found = await look(*arguments)
            await stage.rows.execute("UPDATE publishing_lanes SET lease_id = gen_random_uuid()")
            return found

        guard.look = lose
        await stage.run(worker)
        assert (await stage.post(post_id)).content == SAYS_PRICE
        assert stage.sandbox.published() == []


class TestReadAhead:
    """Products are read shortly before their posts go out."""

    async def planned(self, stage: Stage, connection_id: UUID, external_id: str, *, within: timedelta) -> UUID:
        row = (await stored(stage.rows))[external_id]
        account = await stage.connect("facebook")
        post_id = await stage.schedule(account, SAYS_PRICE, ago=-within)
        await speak_of(stage.rows, post_id, row)
        await stage.rows.execute("UPDATE products SET checked_at = clock_timestamp() - interval '11 minutes'")
        return post_id

    async def test_a_change_in_the_shop_is_known_in_time(self, stage: Stage, worker: Container) -> None:
        user = await stage.user()
        with ShopifyShop() as shop:
            shop.fill(2)
            connection_id = await connect(stage.rows, user, "shopify", shop.url)
            await worker.product_sync.work()
            post_id = await self.planned(stage, connection_id, "1", within=timedelta(minutes=14))
            shop.find(1)["variants"][0] |= {"available": False}
            asked = len(shop.asked)
            assert await worker.product_refresh.work() == 1
            assert [a.path for a in shop.asked[asked:]] == ["/products/cup-1.js", "/cart.js"]
            assert await worker.product_refresh.work() == 0, "it was read just now"
        await stage.time_passes(timedelta(minutes=15))
        await stage.run(worker)
        assert (await stage.post(post_id)).error_code == "product_sold_out"
        events = await stage.rows.execute("SELECT kind FROM product_events WHERE kind <> 'new'")
        assert [row.kind for row in events] == ["sold_out"]

    async def test_what_is_gone_from_the_shop(self, stage: Stage, worker: Container) -> None:
        user = await stage.user()
        with WooCommerceShop() as shop:
            shop.fill(2)
            connection_id = await connect(stage.rows, user, "woocommerce", shop.url, key="ck_good", secret="cs_good")
            await worker.product_sync.work()
            post_id = await self.planned(stage, connection_id, "1", within=timedelta(minutes=5))
            shop.products.pop(1)
            assert await worker.product_refresh.work() == 1
        await stage.time_passes(timedelta(minutes=15))
        await stage.run(worker)
        assert (await stage.post(post_id)).error_code == "product_removed"

    async def test_a_shop_that_is_away_holds_nothing_back(self, stage: Stage, worker: Container) -> None:
        user = await stage.user()
        with ShopifyShop() as shop:
            shop.fill(1)
            connection_id = await connect(stage.rows, user, "shopify", shop.url)
            await worker.product_sync.work()
            post_id = await self.planned(stage, connection_id, "1", within=timedelta(minutes=5))
            shop.instead("/products/", Reply(503, b""))
            assert await worker.product_refresh.work() == 0
        await stage.time_passes(timedelta(minutes=15))
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == "posted"

    @pytest.mark.parametrize(
        ("within", "checked"), [(timedelta(minutes=20), "11 minutes"), (timedelta(minutes=5), "9 minutes")]
    )
    async def test_only_what_is_due_and_not_fresh(
        self, stage: Stage, worker: Container, within: timedelta, checked: str
    ) -> None:
        user = await stage.user()
        with ShopifyShop() as shop:
            shop.fill(1)
            connection_id = await connect(stage.rows, user, "shopify", shop.url)
            await worker.product_sync.work()
            await self.planned(stage, connection_id, "1", within=within)
            await stage.rows.execute(
                f"UPDATE products SET checked_at = clock_timestamp() - interval '{checked}'"  # noqa: S608
            )
            asked = len(shop.asked)
            assert await worker.product_refresh.work() == 0
            assert len(shop.asked) == asked

    async def test_a_feed_is_read_whole_and_sooner(self, stage: Stage, worker: Container) -> None:
        user = await stage.user()
        with FeedHost() as host:
            connection_id = await connect(stage.rows, user, "feed", host.put_items([item(1), item(2)]))
            await worker.product_sync.work()
            post_id = await self.planned(stage, connection_id, "cup-1", within=timedelta(minutes=5))
            host.put_items([item(1, price="14.00 EUR"), item(2)])
            await stage.rows.execute("UPDATE store_connections SET last_synced_at = last_synced_at - interval '1 hour'")
            assert await worker.product_refresh.work() == 0
            assert await worker.product_sync.work() == 1
        await stage.time_passes(timedelta(minutes=15))
        await stage.run(worker)
        assert (await stage.post(post_id)).error_code == "product_price_changed"


async def test_the_whole_way_from_a_shop_to_a_held_post(stage: Stage, worker: Container) -> None:
    """A sync alone is enough: what the shop said last is what the guard knows."""
    user = await stage.user()
    with ShopifyShop() as shop:
        shop.fill(3)
        await connect(stage.rows, user, "shopify", shop.url)
        await worker.product_sync.work()
        row = (await stored(stage.rows))["2"]
        post_id = await stage.schedule(await stage.connect("instagram"), SAYS_PRICE)
        await speak_of(stage.rows, post_id, row)
        shop.find(2)["variants"][0]["price"] = "15.00"
        await make_due(stage.rows)
        await worker.product_sync.work()
    await stage.run(worker)
    assert (await stage.post(post_id)).error_code == "product_price_changed"
    assert stage.sandbox.published() == []
