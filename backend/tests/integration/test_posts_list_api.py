"""Lists of posts: filters, pages, cursors, and totals that are exact."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, with_moments
from factories.make import Factory, MadeUser

from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def shop(factory: Factory, signed_in: MadeUser) -> dict[str, Any]:
    """Seven posts of the user, and one of somebody else."""
    page, gram = await factory.account(signed_in), await factory.account(signed_in, "instagram")
    plan = [
        (page, PostStatus.draft, "Fresh coffee", []),
        (page, PostStatus.scheduled, "Green TEA", ["Matcha"]),
        (page, PostStatus.posted, "100% wool", []),
        (gram, PostStatus.posted, "under_score", ["coffee_lovers"]),
        (gram, PostStatus.failed, "Café noir", []),
        (gram, PostStatus.on_hold, "back\\slash", []),
        (gram, PostStatus.publishing, 'quote " and \u2028 separator', []),
    ]
    posts = []
    for number, (account, status, content, hashtags) in enumerate(plan):
        posts.append(
            await factory.post(
                signed_in,
                account,
                status=status,
                content=content,
                hashtags=hashtags,
                created_at=START + timedelta(minutes=number),
                scheduled_for=None if status is PostStatus.draft else START + timedelta(days=number),
            )
        )
    other = await factory.user()
    foreign = await factory.account(other)
    await factory.post(other, foreign, content="Fresh coffee of somebody else")
    return {"page": page, "gram": gram, "posts": posts, "foreign": foreign}


async def numbers(client: httpx.AsyncClient, shop: dict[str, Any], **query: Any) -> list[int]:
    """Return the places, in the plan above, of the posts that a list shows; check the total."""
    body = ok(await client.get("/posts", params=query))
    ids = [str(post.id) for post in shop["posts"]]
    found = [ids.index(item["id"]) for item in body["items"]]
    assert body["total"] == len(found)
    return found


class TestList:
    async def test_of_a_new_user_is_empty(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        body = ok(await client.get("/posts"))
        assert body == {"items": [], "total": 0, "page": 1, "per_page": 20, "next_cursor": None}

    async def test_shows_ones_own_newest_first(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        assert await numbers(client, shop) == [6, 5, 4, 3, 2, 1, 0]

    async def test_shows_each_post_as_it_is_shown_alone(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        for item in ok(await client.get("/posts"))["items"]:
            alone = ok(await client.get(f"/posts/{item['id']}"))
            assert with_moments(alone) == with_moments(item)

    async def test_shows_media_and_options_as_they_are_shown_alone(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        media = {"url": "https://shop.example/a.jpg", "kind": "image", "mime_type": "image/jpeg", "size_bytes": 5}
        media |= {"width_px": 800, "height_px": 600, "duration_seconds": None, "codec": None, "frame_rate": None}
        media |= {"audio_codec": None, "rotation_degrees": 0, "is_variable_frame_rate": None, "color_space": "srgb"}
        media |= {"alt_text": "A cup"}
        await factory.post(
            signed_in,
            await factory.account(signed_in),
            media_urls=[media["url"]],
            media=[media],
            options={"deep": {"list": [1, 2.5, None, "é"]}},
            scheduled_for=datetime(2030, 1, 1, 12, 30, 15, 123_400, tzinfo=UTC),
            posted_at=datetime(2030, 1, 1, tzinfo=UTC),
            group_id=new_id(),
        )
        (item,) = ok(await client.get("/posts"))["items"]
        alone = ok(await client.get(f"/posts/{item['id']}"))
        assert with_moments(alone) == with_moments(item)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"status": "posted"}, [3, 2]),
            ({"platform": "instagram"}, [6, 5, 4, 3]),
            ({"platform": "tiktok"}, []),
            ({"status": "posted", "platform": "facebook"}, [2]),
            ({"q": "coffee"}, [3, 0]),
            ({"q": "COFFEE"}, [3, 0]),
            ({"q": "tea"}, [1]),
            ({"q": "#matcha"}, [1]),
            ({"q": "café"}, [4]),
            ({"q": "%"}, [2]),
            ({"q": "_"}, [3]),
            ({"q": "\\"}, [5]),
            ({"q": "' OR 1=1 --"}, []),
            ({"q": "coffee", "status": "draft"}, [0]),
            ({"from": "2030-01-03T12:00:00Z"}, [6, 5, 4, 3, 2]),
            ({"to": "2030-01-03T12:00:00Z"}, [1]),
            ({"from": "2030-01-03T13:00:00+01:00", "to": "2030-01-05T12:00:00Z"}, [3, 2]),
        ],
        ids=str,
    )
    async def test_keeps_what_matches_and_counts_it_exactly(
        self, client: httpx.AsyncClient, shop: dict[str, Any], query: dict[str, str], expected: list[int]
    ) -> None:
        assert await numbers(client, shop, **query) == expected

    async def test_keeps_one_account(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        assert await numbers(client, shop, account_id=str(shop["page"].id)) == [2, 1, 0]
        assert await numbers(client, shop, account_id=str(shop["page"].id), status="posted") == [2]
        assert await numbers(client, shop, account_id=str(shop["foreign"].id)) == []

    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({"status": "lost"}, "query.status"),
            ({"platform": "myspace"}, "query.platform"),
            ({"account_id": "1"}, "query.account_id"),
            ({"page": 0}, "query.page"),
            ({"per_page": 0}, "query.per_page"),
            ({"per_page": 101}, "query.per_page"),
            ({"page": "x"}, "query.page"),
            ({"page": 10**9}, "query.page"),
            ({"q": ""}, "query.q"),
            ({"q": "\x00"}, "query.q"),
            ({"from": "2030-01-01"}, "query.from"),
            ({"to": "2030-01-01T00:00:00"}, "query.to"),
            ({"cursor": "abc"}, "query.cursor"),
        ],
        ids=str,
    )
    async def test_refuses_wrong_questions(
        self, client: httpx.AsyncClient, signed_in: MadeUser, query: dict[str, Any], path: str
    ) -> None:
        assert [found for found, _ in field_errors(await client.get("/posts", params=query))] == [path]


class TestPages:
    async def test_part_the_list_without_gap_or_repetition(
        self, client: httpx.AsyncClient, shop: dict[str, Any]
    ) -> None:
        seen: list[str] = []
        for page in (1, 2, 3, 4):
            body = ok(await client.get("/posts", params={"page": page, "per_page": 3}))
            assert (body["total"], body["page"], body["per_page"]) == (7, page, 3)
            assert (body["next_cursor"] is None) == (page > 2)
            seen += [item["id"] for item in body["items"]]
        assert seen == [str(post.id) for post in reversed(shop["posts"])]

    async def test_go_exactly_to_the_end(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        body = ok(await client.get("/posts", params={"per_page": 7}))
        assert (len(body["items"]), body["next_cursor"]) == (7, None)


class TestCursor:
    async def test_walks_the_whole_list(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        seen, cursor = [], None
        while True:
            query = {"per_page": 2, **({"cursor": cursor} if cursor else {})}
            body = ok(await client.get("/posts", params=query))
            assert body["total"] == 7
            seen += [item["id"] for item in body["items"]]
            cursor = body["next_cursor"]
            if cursor is None:
                break
        assert seen == [str(post.id) for post in reversed(shop["posts"])]

    async def test_is_not_disturbed_by_newer_posts(
        self, client: httpx.AsyncClient, shop: dict[str, Any], factory: Factory, signed_in: MadeUser
    ) -> None:
        first = ok(await client.get("/posts", params={"per_page": 3}))
        await factory.post(signed_in, shop["page"], created_at=START + timedelta(days=1))
        second = ok(await client.get("/posts", params={"per_page": 3, "cursor": first["next_cursor"]}))
        assert [item["id"] for item in second["items"]] == [str(shop["posts"][n].id) for n in (3, 2, 1)]

    async def test_keeps_posts_of_the_same_moment_apart(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in)
        made = {str((await factory.post(signed_in, account, created_at=START)).id) for _ in range(5)}
        seen, cursor = [], None
        for _ in range(3):
            query = {"per_page": 2, **({"cursor": cursor} if cursor else {})}
            body = ok(await client.get("/posts", params=query))
            seen += [item["id"] for item in body["items"]]
            cursor = body["next_cursor"]
        assert cursor is None
        assert len(seen) == 5
        assert set(seen) == made

    async def test_keeps_the_filter(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        first = ok(await client.get("/posts", params={"per_page": 1, "status": "posted"}))
        second = ok(
            await client.get("/posts", params={"per_page": 1, "status": "posted", "cursor": first["next_cursor"]})
        )
        assert [item["id"] for item in second["items"]] == [str(shop["posts"][2].id)]
        assert (second["total"], second["next_cursor"]) == (2, None)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"null",
            b"[]",
            b"[1, 2]",
            b'["2030-01-01T00:00:00+00:00"]',
            b'["2030-01-01T00:00:00+00:00", "x"]',
            json.dumps(["2030-01-01T00:00:00", str(new_id())]).encode(),
            json.dumps(["0001-01-01T00:00:00+23:59", str(new_id())]).encode(),
            json.dumps({"2030-01-01T00:00:00+00:00": 1, str(new_id()): 2}).encode(),
            b"\xff\xfe",
        ],
        ids=range(10),
    )
    async def test_that_is_not_ours_is_refused(
        self, client: httpx.AsyncClient, signed_in: MadeUser, content: bytes
    ) -> None:
        cursor = base64.urlsafe_b64encode(content).decode() or "="
        response = await client.get("/posts", params={"cursor": cursor})
        assert field_errors(response) == [("query.cursor", "invalid_cursor")]
