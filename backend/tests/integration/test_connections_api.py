"""Connections to shops through the API: tried once, keys never shown, one owner's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from factories.answers import problem
from factories.make import Factory, MadeUser
from factories.shops import FeedHost, ShopifyShop, WooCommerceShop
from factories.shops.feed import item
from factories.shops.server import Reply
from factories.stores import connection, stored

from app.composition import Container


@pytest.fixture
def shop() -> Iterator[ShopifyShop]:
    with ShopifyShop() as server:
        yield server


@pytest.fixture
def woo() -> Iterator[WooCommerceShop]:
    with WooCommerceShop() as server:
        yield server


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/connections", json=body)


class TestCreate:
    async def test_is_tried_kept_and_read(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, api_sent: list[str], factory: Factory
    ) -> None:
        shop.fill(2)
        response = await post(client, platform="shopify", store_url=shop.url, api_key="shpat_good")
        body = response.json()
        assert response.status_code == 201
        assert (body["platform"], body["store_url"], body["name"]) == ("shopify", shop.url, "127.0.0.2")
        assert (body["is_active"], body["has_credentials"], body["last_synced_at"]) == (True, True, None)
        assert (body["error_code"], body["is_syncing"], body["options"]) == (None, False, {})
        assert shop.count("graphql") == 1
        assert api_sent == ["stores.sync"]
        assert await factory.scalar("SELECT next_sync_at <= clock_timestamp() FROM store_connections") is True

    async def test_keys_are_encrypted_and_never_shown(
        self, client: httpx.AsyncClient, signed_in: MadeUser, woo: WooCommerceShop, factory: Factory
    ) -> None:
        response = await post(
            client, platform="woocommerce", store_url=woo.url, api_key="ck_good", api_secret="cs_good"
        )
        assert response.status_code == 201
        listed = await client.get("/connections")
        for text in (response.text, listed.text):
            assert "ck_good" not in text
            assert "cs_good" not in text
            assert "ciphertext" not in text
        kept = await factory.scalar("SELECT ciphertext FROM store_connections")
        assert b"ck_good" not in kept

    async def test_keys_open_under_no_other_connection(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, factory: Factory, shop: ShopifyShop
    ) -> None:
        from app.kit.crypto import KeyRingError
        from app.kit.ids import new_id

        await post(client, platform="shopify", store_url=shop.url, api_key="shpat_good")
        row = (await factory.execute("SELECT * FROM store_connections"))[0]
        assert container.store_keys.open(row.id, row.ciphertext, row.key_version) == ("shpat_good", "")
        with pytest.raises(KeyRingError):
            container.store_keys.open(new_id(), row.ciphertext, row.key_version)

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"platform": "shopify", "api_key": "shpat_wrong"}, "api_key", "key_refused"),
            ({"platform": "woocommerce", "api_key": "ck_good"}, "api_secret", "key_missing"),
            ({"platform": "feed"}, "store_url", "feed_not_found"),
            ({"platform": "shopify", "store_url": "http://10.0.0.1"}, "store_url", "address_not_public"),
            ({"platform": "feed", "store_url": "http://169.254.169.254/"}, "store_url", "address_not_public"),
            ({"platform": "shopify", "store_url": "file:///etc/passwd"}, "store_url", "address_invalid"),
            ({"platform": "shopify", "store_url": "https://me:secret@shop.example"}, "store_url", "address_invalid"),
            ({"platform": "shopify", "store_url": "https://"}, "store_url", "address_invalid"),
            ({"platform": "etsy"}, "platform", "literal_error"),
        ],
    )
    async def test_what_is_refused_names_the_field(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        shop: ShopifyShop,
        factory: Factory,
        body: dict[str, str],
        field: str,
        code: str,
    ) -> None:
        response = await post(client, **{"store_url": shop.url, **body})
        assert problem(response) == (422, "invalid_request")
        (error,) = response.json()["errors"]
        assert (error["loc"], error["type"]) == (["body", field], code)
        assert await factory.count("store_connections") == 0

    async def test_a_shop_that_is_away_is_connected_and_says_so(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop
    ) -> None:
        shop.instead("/cart.js", Reply(503, b""))
        response = await post(client, platform="shopify", store_url=shop.url)
        assert response.status_code == 201
        assert response.json()["error_code"] == "source_busy"
        assert response.json()["error_message"] == "127.0.0.2 does not answer at the moment (503). We try again."

    async def test_a_system_that_sends_by_itself_is_not_asked(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop
    ) -> None:
        response = await post(client, platform="platform", store_url=shop.url, api_key="k")
        assert (response.status_code, shop.asked) == (201, [])
        refused = await client.post(f"/connections/{response.json()['id']}/sync")
        assert problem(refused) == (422, "invalid_request")

    @pytest.mark.parametrize(
        "options", [{"currency": "XXX"}, {"sync_minutes": 1}, {"sync_minutes": 100_000}, {"unknown": 1}]
    )
    async def test_options_are_checked(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, options: dict[str, Any]
    ) -> None:
        response = await post(client, platform="shopify", store_url=shop.url, options=options)
        assert problem(response) == (422, "invalid_request")
        assert shop.asked == []


class TestChange:
    async def test_a_field_left_out_stays_and_null_erases(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, factory: Factory
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url, api_key="shpat_good", name="A")).json()
        url = f"/connections/{made['id']}"
        body = (await client.patch(url, json={"name": "B"})).json()
        assert (body["name"], body["has_credentials"]) == ("B", True)
        shop.fill(1)
        body = (await client.patch(url, json={"api_key": None, "options": {"currency": "USD"}})).json()
        assert (body["name"], body["has_credentials"], body["options"]) == ("B", False, {"currency": "USD"})
        body = (await client.patch(url, json={"options": {"sync_minutes": 30}})).json()
        assert body["options"] == {"currency": "USD", "sync_minutes": 30}
        body = (await client.patch(url, json={"options": {"currency": None}})).json()
        assert body["options"] == {"sync_minutes": 30}

    async def test_a_wrong_new_key_changes_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, factory: Factory
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url, api_key="shpat_good")).json()
        before = await connection(factory, made["id"])
        response = await client.patch(f"/connections/{made['id']}", json={"api_key": "shpat_wrong"})
        assert (problem(response), response.json()["errors"][0]["type"]) == ((422, "invalid_request"), "key_refused")
        assert await connection(factory, made["id"]) == before

    async def test_a_new_key_starts_a_connection_that_had_stopped(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, factory: Factory, api_sent: list[str]
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url, api_key="shpat_good")).json()
        await factory.execute(
            "UPDATE store_connections SET next_sync_at = NULL, error_code = 'key_refused', error_message = 'x'"
        )
        shop.token = "shpat_new"
        body = (await client.patch(f"/connections/{made['id']}", json={"api_key": "shpat_new"})).json()
        assert (body["error_code"], body["next_sync_at"] is not None) == (None, True)
        assert api_sent == ["stores.sync", "stores.sync"]

    async def test_a_reading_under_way_begins_anew(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, container: Container, factory: Factory
    ) -> None:
        shop.fill(300)
        made = (await post(client, platform="shopify", store_url=shop.url)).json()
        shop.before("/products.json", 3, lambda: shop.instead("/products.json", Reply(429, {})))
        await container.product_sync.work()
        assert (await client.get(f"/connections/{made['id']}")).json()["is_syncing"] is True
        await client.patch(f"/connections/{made['id']}", json={"options": {"currency": "USD"}})
        assert (await client.get(f"/connections/{made['id']}")).json()["is_syncing"] is False
        await container.product_sync.work()
        found = await stored(factory)
        assert {row.currency for row in found.values()} == {"USD"}
        assert len(found) == 300
        runs = (await client.get(f"/connections/{made['id']}/runs")).json()
        assert sorted(run["outcome"] for run in runs) == ["broken_off", "done"]

    async def test_switched_off_it_is_not_read(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, container: Container
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url)).json()
        assert (await client.patch(f"/connections/{made['id']}", json={"is_active": False})).json()[
            "is_active"
        ] is False
        assert await container.product_sync.work() == 0
        assert problem(await client.post(f"/connections/{made['id']}/sync")) == (422, "invalid_request")

    @pytest.mark.parametrize("field", ["name", "store_url", "is_active", "options"])
    async def test_what_cannot_be_null(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, field: str
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url)).json()
        response = await client.patch(f"/connections/{made['id']}", json={field: None})
        assert problem(response) == (422, "invalid_request")


class TestReadAndDelete:
    async def test_list_is_a_bare_array_oldest_first(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop
    ) -> None:
        assert (await client.get("/connections")).json() == []
        ids = [(await post(client, platform="shopify", store_url=shop.url)).json()["id"] for _ in range(3)]
        assert [row["id"] for row in (await client.get("/connections")).json()] == ids
        assert (await client.get(f"/connections/{ids[1]}")).json()["id"] == ids[1]

    async def test_runs_and_their_row_problems(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container
    ) -> None:
        with FeedHost() as host:
            url = host.put_items([item(1), item(2, price="ask")])
            made = (await post(client, platform="feed", store_url=url)).json()
            await container.product_sync.work()
            (run,) = (await client.get(f"/connections/{made['id']}/runs")).json()
        assert (run["outcome"], run["finished_at"] is not None) == ("done", True)
        assert run["counts"] == {
            "kind": "full", "pages": 1, "created": 1, "updated": 0, "unchanged": 0, "removed": 0, "problems": 1
        }  # fmt: skip
        assert run["errors"] == [
            {
                "row": "line 1",
                "field": "price",
                "code": "price_invalid",
                "message": "“ask” is not a price. Write it as 12.90 or 12.90 EUR.",
            }
        ]

    async def test_deleting_takes_the_products_along_and_leaves_posts(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, container: Container, factory: Factory
    ) -> None:
        shop.fill(2)
        made = (await post(client, platform="shopify", store_url=shop.url)).json()
        await container.product_sync.work()
        product = (await stored(factory))["1"]
        account = await factory.account(signed_in)
        kept = await factory.post(signed_in, account, product_id=product.id)
        assert (await client.delete(f"/connections/{made['id']}")).status_code == 204
        assert (await factory.count("products"), await factory.count("store_connections")) == (0, 0)
        assert (await factory.reload(kept.id)).product_id is None
        assert problem(await client.get(f"/connections/{made['id']}")) == (404, "connection_not_found")

    async def test_somebody_elses_is_not_found(
        self, client: httpx.AsyncClient, signed_in: MadeUser, shop: ShopifyShop, factory: Factory
    ) -> None:
        made = (await post(client, platform="shopify", store_url=shop.url)).json()
        client.headers.update((await factory.user()).headers)
        url = f"/connections/{made['id']}"
        answers = [
            await client.get(url),
            await client.patch(url, json={"name": "x"}),
            await client.delete(url),
            await client.post(f"{url}/sync"),
            await client.get(f"{url}/runs"),
        ]
        assert [problem(answer) for answer in answers] == [(404, "connection_not_found")] * 5
        assert answers[0].json()["detail"] == "Store connection not found"
        assert await factory.count("store_connections") == 1

    async def test_nobody_is_refused(self, client: httpx.AsyncClient) -> None:
        assert problem(await client.get("/connections")) == (401, "not_authenticated")
