"""Products through the API: by hand, from files, from shops, and into the queue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import problem
from factories.make import Factory, MadeUser
from factories.shops.feed import item, rss
from factories.stores import connect, product, stored

TABLE = "id,title,price,currency,stock,category\n"


async def upload(client: httpx.AsyncClient, content: bytes | str, **query: Any) -> httpx.Response:
    data = content if isinstance(content, bytes) else content.encode()
    return await client.post("/products/import", params=query, files={"file": ("products.csv", data, "text/csv")})


class TestImport:
    async def test_rows_become_products_and_bad_ones_are_named(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        response = await upload(client, TABLE + "1,Cup,12.50,EUR,3,Cups\n2,,5,EUR,1,\n3,Pot,x,EUR,,\n4,Jug,8,USD,0,\n")
        assert response.status_code == 200
        assert response.json() == {
            "dry_run": False,
            "rows": 4,
            "created": 2,
            "updated": 0,
            "unchanged": 0,
            "problems": [
                {"row": "3", "field": "title", "code": "title_missing", "message": "The row has no title."},
                {
                    "row": "4",
                    "field": "price",
                    "code": "price_invalid",
                    "message": "“x” is not a price. Write it as 12.90 or 12.90 EUR.",
                },
            ],
        }
        found = await stored(factory)
        assert {k: (r.title, r.price_minor, r.currency, r.is_available) for k, r in found.items()} == {
            "1": ("Cup", 1250, "EUR", True),
            "4": ("Jug", 800, "USD", False),
        }

    async def test_a_dry_run_writes_nothing_and_tells_the_same(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        await upload(client, TABLE + "1,Cup,12.50,EUR,3,Cups\n2,Pot,5,EUR,1,\n")
        content = TABLE + "1,Cup,12.50,EUR,3,Cups\n2,Pot,6,EUR,1,\n3,Jug,8,EUR,1,\n"
        dry = (await upload(client, content, dry_run="true")).json()
        assert (await stored(factory))["2"].price_minor == 500
        assert await factory.count("products") == 2
        real = (await upload(client, content)).json()
        assert (dry.pop("dry_run"), real.pop("dry_run")) == (True, False)
        assert dry == real
        assert (real["created"], real["updated"], real["unchanged"]) == (1, 1, 1)

    async def test_a_feed_is_taken_as_well(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        response = await upload(client, rss([item(1), item(2)]))
        assert (response.json()["created"], sorted(await stored(factory))) == (2, ["cup-1", "cup-2"])

    async def test_the_currency_of_prices_without_one(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        await upload(client, "id,title,price\n1,Cup,1250\n", currency="JPY")
        row = (await stored(factory))["1"]
        assert (row.price_minor, row.currency) == (1250, "JPY")
        assert problem(await upload(client, "id,title\n", currency="XXX")) == (422, "invalid_request")

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"PK\x03\x04", "file_binary"),
            (b"a,b\n1,2\n", "title_column_missing"),
            (b"", "file_empty"),
            (b"id,title\n" + b"1,x\n" * 10_001, "too_many_rows"),
            (b"<!DOCTYPE x><rss></rss>", "feed_doctype"),
        ],
    )
    async def test_what_is_no_file_of_products(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, content: bytes, code: str
    ) -> None:
        response = await upload(client, content)
        assert problem(response) == (422, "invalid_request")
        assert response.json()["errors"][0]["loc"] == ["body", "file"]
        assert response.json()["errors"][0]["type"] == code
        assert await factory.count("products") == 0

    async def test_without_a_file(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        assert problem(await client.post("/products/import")) == (422, "invalid_request")

    async def test_ten_thousand_rows(self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory) -> None:
        text = "A hand-thrown cup for coffee and tea glazed twice and fired in a wood kiln. "
        lines = [f"{n},Cup number {n},12.50,EUR,{n % 7},Cups" for n in range(10_000)]
        content = "id,title,price,currency,stock,category,description\n" + "\n".join(f"{x},{text}" for x in lines)
        response = await upload(real_client, content)
        assert (response.json()["created"], response.json()["problems"]) == (10_000, [])
        assert await rows.count("products") == 10_000

    async def test_two_imports_of_one_file_at_once(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory
    ) -> None:
        content = TABLE + "".join(f"{n},Cup {n},5,EUR,1,\n" for n in range(700))
        answers = await asyncio.gather(*(upload(real_client, content) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert sum(answer.json()["created"] for answer in answers) == 700
        assert (await rows.count("products"), await rows.count("product_events")) == (700, 700)


class TestByHand:
    async def test_written_changed_and_deleted(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        body = {"title": "Blue cup", "price_minor": 1250, "currency": "eur", "tags": ["blue"], "is_available": True}
        made = await client.post("/products", json=body)
        assert made.status_code == 201
        row = made.json()
        assert (row["title"], row["price_minor"], row["currency"], row["connection_id"]) == (
            "Blue cup",
            1250,
            "EUR",
            None,
        )
        url = f"/products/{row['id']}"
        changed = (await client.patch(url, json={"price_minor": 1000, "tags": None})).json()
        assert (changed["price_minor"], changed["tags"], changed["title"]) == (1000, [], "Blue cup")
        events = (await client.get(f"{url}/events")).json()
        assert [event["kind"] for event in events] == ["price_drop", "new"]
        assert (await client.delete(url)).status_code == 204
        assert problem(await client.get(url)) == (404, "product_not_found")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"title": " "},
            {"title": "x", "price_minor": 5},
            {"title": "x", "price_minor": 5, "currency": "XXX"},
            {"title": "x", "price_minor": 5, "currency": "EUR", "compare_at_price_minor": 5},
            {"title": "x", "price_minor": -1, "currency": "EUR"},
            {"title": "x", "url": "javascript:alert(1)"},
            {"title": "a\x00b"},
            {"title": "x", "unknown": 1},
        ],
    )
    async def test_what_is_wrong_is_refused(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, body: dict[str, Any]
    ) -> None:
        assert problem(await client.post("/products", json=body)) == (422, "invalid_request")
        assert await factory.count("products") == 0

    async def test_an_id_is_taken_once(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        assert (await client.post("/products", json={"title": "A", "external_id": "1"})).status_code == 201
        again = await client.post("/products", json={"title": "B", "external_id": "1"})
        assert (problem(again), again.json()["errors"][0]["type"]) == ((422, "invalid_request"), "external_id_taken")
        assert (await stored(factory))["1"].title == "A"

    async def test_those_of_a_shop_are_changed_there(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        connection_id = await connect(factory, signed_in, "shopify", "http://127.0.0.2:1")
        row = await product(factory, signed_in, connection_id=connection_id)
        response = await client.patch(f"/products/{row.id}", json={"title": "Mine"})
        assert problem(response) == (400, "product_not_editable")
        assert (await stored(factory))[row.external_id].title == "Blue cup"

    async def test_somebody_elses_is_not_found(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        row = await product(factory, await factory.user())
        url = f"/products/{row.id}"
        answers = [
            await client.get(url),
            await client.get(f"{url}/events"),
            await client.patch(url, json={"title": "x"}),
            await client.delete(url),
        ]
        assert [problem(answer) for answer in answers] == [(404, "product_not_found")] * 4
        assert (await client.get("/products")).json()["total"] == 0


class TestList:
    async def test_filters_and_pages(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        connection_id = await connect(factory, signed_in, "shopify", "http://127.0.0.2:1")
        now = datetime.now(UTC)
        await product(
            factory, signed_in, external_id="a", title="Blue cup", category="Cups", connection_id=connection_id
        )
        await product(factory, signed_in, external_id="b", title="Red 100% pot", category="Pots", is_available=False)
        await product(factory, signed_in, external_id="c", title="Old jug", status="removed", brand="Clay_")
        await factory.execute(
            "UPDATE products SET updated_at = :then WHERE external_id <> 'a'", then=now - timedelta(days=2)
        )

        async def found(**query: Any) -> list[str]:
            body = (await client.get("/products", params=query)).json()
            assert body["total"] == len(body["items"])
            return sorted(row["external_id"] for row in body["items"])

        assert await found() == ["a", "b", "c"]
        assert await found(q="BLUE") == ["a"]
        assert await found(q="100%") == ["b"]
        assert await found(q="_") == ["c"]
        assert await found(connection_id=str(connection_id)) == ["a"]
        assert await found(status="removed") == ["c"]
        assert await found(available="false") == ["b"]
        assert await found(category="pots") == ["b"]
        assert await found(changed_since=(now - timedelta(days=1)).isoformat()) == ["a"]
        page = (await client.get("/products", params={"per_page": 2, "page": 2})).json()
        assert (page["total"], page["page"], page["per_page"], len(page["items"])) == (3, 2, 2, 1)


class TestQueue:
    async def test_products_become_items_with_their_facts(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        row = await product(factory, signed_in, image_urls=["https://x.example/1.jpg"], tags=["blue"])
        body = {"product_ids": [str(row.id)], "platforms": ["instagram", "facebook", "instagram"]}
        done = (await client.post("/products/queue", json=body)).json()
        assert (done["queued"], done["already_waiting"], done["not_found"]) == (1, [], [])
        (queued,) = await factory.execute("SELECT * FROM content_queue")
        assert (str(queued.id), queued.product_id, queued.origin) == (done["items"][0]["id"], row.id, "product")
        assert (queued.status, queued.platforms) == ("pending", ["instagram", "facebook"])
        assert queued.product_data == {
            "title": "Blue cup",
            "description": "A hand-thrown cup.",
            "price": "12.50",
            "currency": "EUR",
            "image_url": "https://x.example/1.jpg",
            "image_urls": ["https://x.example/1.jpg"],
            "tags": ["blue"],
            "is_available": True,
        }

    async def test_one_that_waits_is_not_queued_twice(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        first, second = await product(factory, signed_in), await product(factory, signed_in)
        gone = await product(factory, signed_in, status="removed")
        other = await product(factory, await factory.user())
        await client.post("/products/queue", json={"product_ids": [str(first.id)], "platforms": ["facebook"]})
        body = {"product_ids": [str(row.id) for row in (first, second, gone, other)], "platforms": ["facebook"]}
        done = (await client.post("/products/queue", json=body)).json()
        assert (done["queued"], done["already_waiting"]) == (1, [str(first.id)])
        assert done["not_found"] == [str(gone.id), str(other.id)]
        await factory.execute("UPDATE content_queue SET status = 'approved'")
        done = (await client.post("/products/queue", json=body)).json()
        assert done["queued"] == 2

    async def test_all_that_match_a_filter(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        await upload(client, TABLE + "".join(f"{n},Cup {n},5,EUR,{n % 2},Cups\n" for n in range(1_200)))
        body = {"filter": {"available": True, "category": "cups"}, "platforms": ["tiktok"]}
        done = (await client.post("/products/queue", json=body)).json()
        assert (done["queued"], await factory.count("content_queue")) == (600, 600)

    async def test_captions_are_asked_for_as_far_as_the_plan_reaches(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, api_sent: list[str]
    ) -> None:
        await factory.subscribe(signed_in, "free")
        await upload(client, TABLE + "".join(f"{n},Cup {n},5,EUR,1,Cups\n" for n in range(8)))
        body = {"filter": {}, "platforms": ["facebook"], "generate": True, "tone": "warm"}
        assert (await client.post("/products/queue", json=body)).json()["queued"] == 8
        asked = await factory.execute("SELECT generate_request FROM content_queue WHERE generate_request IS NOT NULL")
        assert (len(asked), asked[0].generate_request["tone"]) == (5, "warm")
        assert "captions.work" in api_sent

    async def test_asked_for_at_once_each_is_queued_once(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory
    ) -> None:
        ids = [str((await product(rows, owner)).id) for _ in range(20)]
        body = {"product_ids": ids, "platforms": ["facebook"]}
        answers = await asyncio.gather(*(real_client.post("/products/queue", json=body) for _ in range(6)))
        assert [answer.status_code for answer in answers] == [200] * 6
        assert sum(answer.json()["queued"] for answer in answers) == 20
        assert await rows.count("content_queue") == 20

    @pytest.mark.parametrize(
        "body", [{}, {"filter": {}, "product_ids": ["01a2b3c4-0000-7000-8000-000000000001"]}, {"product_ids": []}]
    )
    async def test_one_way_of_naming_them(
        self, client: httpx.AsyncClient, signed_in: MadeUser, body: dict[str, Any]
    ) -> None:
        response = await client.post("/products/queue", json={"platforms": ["facebook"], **body})
        assert problem(response) == (422, "invalid_request")
