"""Writing posts: for one account, for several, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.make import Factory, MadeUser

from app.domain.vocabulary import AccountStatus
from app.kit.ids import new_id
from app.settings import Settings

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
TABLES = ("posts", "publications", "post_count_deltas", "idempotency_keys", "media_loans")


async def nothing_saved(factory: Factory) -> bool:
    return [await factory.count(table) for table in TABLES] == [0] * len(TABLES)


@pytest.fixture
def picture(settings: Settings) -> str:
    return f"{settings.public_base}/media/samples/coffee.jpg"


@pytest.fixture
def video(settings: Settings) -> str:
    return f"{settings.public_base}/media/samples/coffee.mp4"


@pytest.fixture
async def page(factory: Factory, signed_in: MadeUser) -> Any:
    return await factory.account(signed_in, "facebook")


@pytest.fixture
async def gram(factory: Factory, signed_in: MadeUser) -> Any:
    return await factory.account(signed_in, "instagram")


class TestCreate:
    async def test_makes_a_draft_without_a_time(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, api_sent: list[str]
    ) -> None:
        body = ok(
            await client.post(
                "/posts", json={"account_id": str(page.id), "platform": "facebook", "content": "Hello", "hashtags": []}
            ),
            201,
        )
        stored = await factory.reload(body["id"])
        assert body == {
            "id": str(stored.id),
            "account_id": str(page.id),
            "platform": "facebook",
            "post_type": "text",
            "content": "Hello",
            "media_urls": [],
            "media": [],
            "hashtags": [],
            "options": {},
            "status": "draft",
            "scheduled_for": None,
            "posted_at": None,
            "error_code": None,
            "error_message": None,
            "platform_post_id": None,
            "permalink": None,
            "attempts": 0,
            "live_status": None,
            "live_checked_at": None,
            "first_comment_status": None,
            "first_comment_error": None,
            "group_id": None,
            "queue_item_id": None,
            "product_id": None,
            "created_at": body["created_at"],
            "updated_at": body["updated_at"],
        }
        assert await factory.publications(stored.id) == []
        assert (await factory.lane(page.id)).due_at is None
        assert api_sent == []

    async def test_schedules_with_a_time_and_keeps_it_in_utc(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        sent = TOMORROW.astimezone(tz=None).isoformat()
        body = ok(
            await client.post("/posts", json={"account_id": str(page.id), "content": "Hi", "scheduled_for": sent}), 201
        )
        assert body["status"] == "scheduled"
        assert body["scheduled_for"] == TOMORROW.isoformat().replace("+00:00", "Z")
        (run,) = await factory.publications(body["id"])
        assert (run.run, run.step, run.due_at, run.scheduled_for) == (1, "prepare", TOMORROW, TOMORROW)
        assert (run.started_at, run.finished_at) == (None, None)
        assert (await factory.lane(page.id)).due_at == TOMORROW

    async def test_an_earlier_post_wakes_the_lane_earlier_and_a_later_one_does_not(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        for days, expected in ((2, 2), (3, 2), (1, 1)):
            at = TOMORROW + timedelta(days=days)
            body = {"account_id": str(page.id), "content": "Hi", "scheduled_for": at.isoformat()}
            ok(await client.post("/posts", json=body), 201)
            assert (await factory.lane(page.id)).due_at == TOMORROW + timedelta(days=expected)

    async def test_keeps_hashtags_without_their_mark_and_only_once(self, client: httpx.AsyncClient, page: Any) -> None:
        body = {"account_id": str(page.id), "content": "Hi", "hashtags": ["#Coffee", "coffee", "CAFÉ", "café", "tea_2"]}
        assert ok(await client.post("/posts", json=body), 201)["hashtags"] == ["Coffee", "CAFÉ", "tea_2"]

    async def test_looks_at_the_media_and_keeps_what_it_saw(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str, video: str
    ) -> None:
        body = {"account_id": str(gram.id), "content": "Hi", "media_urls": [picture]}
        post = ok(await client.post("/posts", json=body), 201)
        (item,) = post["media"]
        assert post["post_type"] == "image"
        assert (item["url"], item["kind"], item["mime_type"]) == (picture, "image", "image/jpeg")
        assert item["size_bytes"] == 161_945
        assert item["width_px"] > 0
        assert item["height_px"] > 0
        assert item["duration_seconds"] is None
        reel = ok(await client.post("/posts", json={**body, "media_urls": [video]}), 201)
        assert reel["post_type"] == "reel"
        assert reel["media"][0]["kind"] == "video"
        assert reel["media"][0]["duration_seconds"] > 3

    async def test_an_unfinished_draft_is_kept_but_not_scheduled(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any
    ) -> None:
        body = {"account_id": str(gram.id), "content": "Picture follows"}
        refused = await client.post("/posts", json={**body, "scheduled_for": TOMORROW.isoformat()})
        assert field_errors(refused) == [("body.media_urls", "media_required")]
        assert await nothing_saved(factory)
        assert ok(await client.post("/posts", json=body), 201)["status"] == "draft"

    async def test_a_draft_for_an_account_that_is_away_is_kept_but_not_scheduled(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        for status in (AccountStatus.disconnected, AccountStatus.expired, AccountStatus.revoked):
            account = await factory.account(signed_in, status=status)
            body = {"account_id": str(account.id), "content": "Hi"}
            refused = await client.post("/posts", json={**body, "scheduled_for": TOMORROW.isoformat()})
            assert problem(refused) == (400, "account_needs_reconnect")
            assert await factory.count("posts") == 0
        ok(await client.post("/posts", json=body), 201)


class TestCreateForSeveral:
    async def test_makes_one_post_per_account_with_its_own_words(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, gram: Any, picture: str
    ) -> None:
        body = {
            "account_ids": [str(page.id), str(gram.id)],
            "content": "For all",
            "hashtags": ["all"],
            "scheduled_for": TOMORROW.isoformat(),
            "overrides": {str(gram.id): {"content": "For the gram", "media_urls": [picture]}},
        }
        group = ok(await client.post("/posts", json=body), 201)
        first, second = group["items"]
        assert group["group_id"] == first["group_id"] == second["group_id"] is not None
        assert (first["account_id"], first["content"], first["media_urls"]) == (str(page.id), "For all", [])
        assert (second["account_id"], second["content"], second["media_urls"]) == (
            str(gram.id),
            "For the gram",
            [picture],
        )
        assert [item["hashtags"] for item in group["items"]] == [["all"], ["all"]]
        assert await factory.count("posts") == await factory.count("publications") == 2

    async def test_a_group_of_one_is_a_group(self, client: httpx.AsyncClient, page: Any) -> None:
        group = ok(await client.post("/posts", json={"account_ids": [str(page.id)], "content": "Hi"}), 201)
        assert len(group["items"]) == 1
        assert group["items"][0]["group_id"] == group["group_id"]

    async def test_an_account_named_twice_gets_one_post(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        ok(await client.post("/posts", json={"account_ids": [str(page.id)] * 2, "content": "Hi"}), 201)
        assert await factory.count("posts") == 1

    async def test_creates_none_when_one_does_not_fit(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, gram: Any, picture: str
    ) -> None:
        body = {
            "account_ids": [str(page.id), str(gram.id)],
            "content": "x" * 2201,
            "overrides": {str(gram.id): {"media_urls": [picture]}},
            "scheduled_for": TOMORROW.isoformat(),
        }
        response = await client.post("/posts", json=body)
        assert field_errors(response) == [(f"body.overrides.{gram.id}.content", "caption_too_long")]
        assert await nothing_saved(factory)

    async def test_creates_none_when_one_account_is_away_or_somebody_elses(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any
    ) -> None:
        away = await factory.account(signed_in, status=AccountStatus.expired)
        foreign = await factory.account(await factory.user())
        body = {"content": "Hi", "scheduled_for": TOMORROW.isoformat()}
        response = await client.post("/posts", json={**body, "account_ids": [str(page.id), str(away.id)]})
        assert problem(response) == (400, "account_needs_reconnect")
        response = await client.post("/posts", json={**body, "account_ids": [str(page.id), str(foreign.id)]})
        assert problem(response) == (404, "account_not_found")
        assert await nothing_saved(factory)

    async def test_refuses_an_override_for_a_stranger(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        stray = new_id()
        body = {"account_ids": [str(page.id)], "content": "Hi", "overrides": {str(stray): {"content": "Ho"}}}
        response = await client.post("/posts", json=body)
        assert field_errors(response) == [(f"body.overrides.{stray}", "unknown_account")]
        assert await nothing_saved(factory)

    async def test_refuses_both_and_neither(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        for accounts in ({}, {"account_id": str(page.id), "account_ids": [str(page.id)]}):
            response = await client.post("/posts", json={"content": "Hi", **accounts})
            assert field_errors(response) == [("body.account_id", "account_required")]
        empty = await client.post("/posts", json={"content": "Hi", "account_ids": []})
        assert field_errors(empty) == [("body.account_ids", "too_short")]
        assert await nothing_saved(factory)


class TestBadInput:
    """Everything that the API must refuse, with nothing saved."""

    @pytest.mark.parametrize("time", ["2030-01-15T08:00:00", "2030-01-15", "tomorrow", "", 1_893_456_000, 1.5, True])
    async def test_a_time_without_an_offset_or_no_time(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, time: Any
    ) -> None:
        body = {"account_id": str(page.id), "content": "Hi", "scheduled_for": time}
        response = await client.post("/posts", json=body)
        assert [path for path, _ in field_errors(response)] == ["body.scheduled_for"]
        assert await nothing_saved(factory)

    @pytest.mark.parametrize(
        "time", ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"], ids=str
    )
    async def test_a_past_time(self, client: httpx.AsyncClient, factory: Factory, page: Any, time: str) -> None:
        response = await client.post(
            "/posts", json={"account_id": str(page.id), "content": "Hi", "scheduled_for": time}
        )
        assert problem(response) == (400, "past_time")
        assert detail(response) == "Cannot schedule a post in the past"
        assert await nothing_saved(factory)

    @pytest.mark.parametrize("time", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
    async def test_a_time_out_of_range(self, client: httpx.AsyncClient, factory: Factory, page: Any, time: str) -> None:
        body = {"account_id": str(page.id), "content": "Hi", "scheduled_for": time}
        response = await client.post("/posts", json=body)
        assert [path for path, _ in field_errors(response)] == ["body.scheduled_for"]
        assert await nothing_saved(factory)

    async def test_a_platform_that_is_not_the_accounts(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        body = {"account_id": str(page.id), "platform": "tiktok", "content": "Hi"}
        assert field_errors(await client.post("/posts", json=body)) == [("body.platform", "platform_mismatch")]
        unknown = await client.post("/posts", json={**body, "platform": "myspace"})
        assert field_errors(unknown) == [("body.platform", "enum")]
        assert await nothing_saved(factory)

    @pytest.mark.parametrize("with_time", [True, False], ids=["scheduled", "draft"])
    async def test_a_caption_of_2201_characters_on_instagram(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str, with_time: bool
    ) -> None:
        body = {"account_id": str(gram.id), "content": "x" * 2201, "media_urls": [picture]}
        body |= {"scheduled_for": TOMORROW.isoformat()} if with_time else {}
        response = await client.post("/posts", json=body)
        assert field_errors(response) == [("body.content", "caption_too_long")]
        assert await nothing_saved(factory)
        ok(await client.post("/posts", json={**body, "content": "x" * 2200}), 201)

    async def test_a_caption_that_only_its_hashtags_make_too_long(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str
    ) -> None:
        body = {"account_id": str(gram.id), "content": "x" * 2190, "hashtags": ["y" * 8], "media_urls": [picture]}
        response = await client.post("/posts", json=body)
        assert field_errors(response) == [("body.content", "caption_too_long")]
        ok(await client.post("/posts", json={**body, "hashtags": ["y" * 7]}), 201)

    async def test_eleven_items_in_a_carousel(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str
    ) -> None:
        body = {"account_id": str(gram.id), "content": "Hi", "media_urls": [picture] * 11}
        response = await client.post("/posts", json=body)
        assert field_errors(response) == [("body.media_urls", "too_many_items")]
        assert await nothing_saved(factory)
        ten = ok(await client.post("/posts", json={**body, "media_urls": [picture] * 10}), 201)
        assert (ten["post_type"], len(ten["media"])) == ("carousel", 10)

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"content": ""}, "body.content"),
            ({"content": " \n"}, "body.content"),
            ({"content": "x" * 5001}, "body.content"),
            ({"content": "nul \x00"}, "body.content"),
            ({"content": None}, "body.content"),
            ({"content": 5}, "body.content"),
            ({"hashtags": ["two words"]}, "body.hashtags"),
            ({"hashtags": ["#"]}, "body.hashtags"),
            ({"hashtags": ["x" * 151]}, "body.hashtags.0"),
            ({"hashtags": ["t"] * 101}, "body.hashtags"),
            ({"hashtags": None}, "body.hashtags"),
            ({"media_urls": [""]}, "body.media_urls.0"),
            ({"media_urls": ["x" * 2001]}, "body.media_urls.0"),
            ({"media_urls": "https://shop.example/a.jpg"}, "body.media_urls"),
            ({"media_urls": ["https://shop.example/\x00.jpg"]}, "body.media_urls.0"),
            ({"options": ["a"]}, "body.options"),
            ({"options": {"link": "https://shop.example/\x00"}}, "body.options"),
            ({"options": {"a": [{"\x00": 1}]}}, "body.options"),
            ({"account_id": "1"}, "body.account_id"),
            ({"colour": "red"}, "body.colour"),
        ],
    )
    async def test_fields_of_a_wrong_form(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, change: dict[str, Any], path: str
    ) -> None:
        response = await client.post("/posts", json={"account_id": str(page.id), "content": "Hi", **change})
        assert path in [found for found, _ in field_errors(response)]
        assert await nothing_saved(factory)

    async def test_half_a_character(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        for field in ('"content": "\\ud83d"', '"content": "Hi", "options": {"link": "\\ud83d"}'):
            response = await client.post(
                "/posts",
                content=f'{{"account_id": "{page.id}", {field}}}',
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code == 422
        assert await nothing_saved(factory)

    async def test_somebody_elses_account(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        foreign = await factory.account(await factory.user())
        for account_id in (foreign.id, new_id()):
            response = await client.post("/posts", json={"account_id": str(account_id), "content": "Hi"})
            assert problem(response) == (404, "account_not_found")
            assert detail(response) == "Account not found"
        assert await nothing_saved(factory)


class TestValidate:
    async def test_says_what_each_platform_objects_to_and_saves_nothing(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, gram: Any
    ) -> None:
        body = {"account_ids": [str(page.id), str(gram.id)], "content": "x" * 2201}
        answer = ok(await client.post("/posts/validate", json=body))
        assert answer["valid"] is False
        first, second = answer["accounts"]
        assert (first["account_id"], first["valid"], first["problems"]) == (str(page.id), True, [])
        assert (second["account_id"], second["valid"]) == (str(gram.id), False)
        assert {(item["field"], item["code"]) for item in second["problems"]} == {
            ("content", "caption_too_long"),
            ("media_urls", "media_required"),
        }
        assert await nothing_saved(factory)

    async def test_names_files_that_cannot_be_used(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str
    ) -> None:
        body = {"account_id": str(gram.id), "content": "Hi", "media_urls": [picture, "http://127.0.0.1/a.jpg"]}
        answer = ok(await client.post("/posts/validate", json=body))
        assert answer["valid"] is False
        problems = answer["accounts"][0]["problems"]
        assert [(item["field"], item["code"]) for item in problems] == [("media_urls.1", "media_url_not_public")]
        assert await nothing_saved(factory)

    async def test_is_content_with_a_good_post(
        self, client: httpx.AsyncClient, factory: Factory, gram: Any, picture: str
    ) -> None:
        body = {"account_id": str(gram.id), "content": "Hi", "media_urls": [picture]}
        answer = ok(await client.post("/posts/validate", json=body))
        assert answer["valid"] is True
        assert answer["accounts"][0]["post_type"] == "image"
        assert await nothing_saved(factory)

    async def test_refuses_somebody_elses_account(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        foreign = await factory.account(await factory.user())
        response = await client.post("/posts/validate", json={"account_id": str(foreign.id), "content": "Hi"})
        assert problem(response) == (404, "account_not_found")
