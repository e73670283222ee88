"""The content queue: adding, writing, changing, approving, rejecting and deleting, one by one and many at once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.composition import Container
from app.domain.vocabulary import AccountStatus, QueueStatus
from app.kit.ids import new_id
from app.settings import Settings

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
MUG: dict[str, Any] = {
    "title": "Blue stoneware mug",
    "description": "Thrown by hand and glazed twice. Holds 350 ml.",
    "price": "24.00",
    "currency": "EUR",
    "url": "https://shop.example/mug",
}
ALL = ["instagram", "facebook", "tiktok"]
CLOSED = (QueueStatus.approved, QueueStatus.rejected, QueueStatus.scheduled, QueueStatus.posted)


@pytest.fixture
def mug(settings: Settings) -> dict[str, Any]:
    return {**MUG, "image_url": f"{settings.public_base}/media/samples/coffee.jpg"}


async def add(client: httpx.AsyncClient, product: dict[str, Any], platforms: list[str] | None = None) -> dict[str, Any]:
    body = {"product_data": product, "platforms": ["facebook"] if platforms is None else platforms}
    return dict(ok(await client.post("/queue", json=body), 201))


async def generated(client: httpx.AsyncClient, product: dict[str, Any], platforms: list[str] | None = None) -> Any:
    item = await add(client, product, platforms)
    return ok(await client.post(f"/queue/{item['id']}/generate"))


async def put_in_status(factory: Factory, item_id: str, status: QueueStatus) -> None:
    await factory.execute("UPDATE content_queue SET status = :status WHERE id = :id", status=status, id=UUID(item_id))


class TestAdd:
    async def test_is_pending_and_has_no_captions(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        item = await add(client, MUG, ["instagram", "facebook", "instagram"])
        assert item == {
            "id": item["id"],
            "product_id": None,
            "origin": "manual",
            "product_data": MUG,
            "ai_generated_content": None,
            "captions": {},
            "platforms": ["instagram", "facebook"],
            "status": "pending",
            "version": 0,
            "is_generating": False,
            "error_code": None,
            "error_message": None,
            "post_ids": [],
            "approved_at": None,
            "created_at": item["created_at"],
            "updated_at": item["updated_at"],
        }
        assert ok(await client.get(f"/queue/{item['id']}")) == item

    async def test_takes_an_empty_list_of_platforms(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        assert (await add(client, MUG, []))["platforms"] == []

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({"product_data": {}, "platforms": []}, [("body.product_data", "value_error")]),
            ({"product_data": {"title": "  "}, "platforms": []}, [("body.product_data", "value_error")]),
            ({"product_data": {"title": "x" * 60_000}, "platforms": []}, [("body.product_data", "value_error")]),
            ({"product_data": MUG, "platforms": ["myspace"]}, [("body.platforms.0", "enum")]),
            ({"product_data": MUG}, [("body.platforms", "missing")]),
            ({"product_data": {"title": "a\x00b"}, "platforms": []}, [("body.product_data", "value_error")]),
        ],
    )
    async def test_names_what_is_wrong_and_adds_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, body: Any, errors: Any
    ) -> None:
        assert field_errors(await client.post("/queue", json=body)) == errors
        assert await factory.count("content_queue") == 0


class TestList:
    async def test_pages_filters_and_counts(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        items = [await add(client, {**MUG, "title": f"Mug {number}"}) for number in range(5)]
        ok(await client.post(f"/queue/{items[0]['id']}/reject"))
        page = ok(await client.get("/queue", params={"per_page": 2}))
        assert [item["product_data"]["title"] for item in page["items"]] == ["Mug 4", "Mug 3"]
        assert (page["total"], page["page"], page["per_page"]) == (5, 1, 2)
        assert page["counts"] == {
            "pending": 4, "generated": 0, "approved": 0, "rejected": 1, "scheduled": 0, "posted": 0,
        }  # fmt: skip
        rest = ok(await client.get("/queue", params={"per_page": 10, "cursor": page["next_cursor"]}))
        assert [item["product_data"]["title"] for item in rest["items"]] == ["Mug 2", "Mug 1", "Mug 0"]
        assert rest["next_cursor"] is None
        found = ok(await client.get("/queue", params={"status": "rejected"}))
        assert ([item["id"] for item in found["items"]], found["total"]) == ([items[0]["id"]], 1)
        assert ok(await client.get("/queue", params={"q": "MUG 3"}))["total"] == 1
        assert ok(await client.get("/queue", params={"q": "100%"}))["total"] == 0

    async def test_refuses_a_cursor_of_others(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.get("/queue", params={"cursor": "x"})
        assert field_errors(response) == [("query.cursor", "invalid_cursor")]


class TestForeign:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "", None),
            ("PATCH", "", {}),
            ("DELETE", "", None),
            ("POST", "/generate", None),
            ("POST", "/generate/stream", None),
            ("GET", "/versions", None),
            ("POST", "/versions/1/restore", None),
            ("POST", "/approve", None),
            ("POST", "/schedule", {"account_ids": [str(new_id())]}),
            ("POST", "/reject", None),
            ("POST", "/reopen", None),
        ],
    )
    async def test_nobody_sees_anybody_elses(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, method: str, path: str, body: Any
    ) -> None:
        item = await add(client, MUG)
        client.headers.update((await factory.user()).headers)
        for item_id in (item["id"], new_id()):
            response = await client.request(method, f"/queue/{item_id}{path}", json=body)
            assert problem(response) == (404, "queue_item_not_found")
            assert detail(response) == "Queue item not found"
        assert await factory.scalar("SELECT status FROM content_queue") == "pending"
        assert await factory.count("usage_counters") == 0


class TestGenerate:
    async def test_writes_for_every_platform_in_one_go(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        item = await generated(client, MUG, ALL)
        assert (item["status"], item["version"], item["is_generating"]) == ("generated", 1, False)
        assert sorted(item["captions"]) == sorted(ALL)
        for platform, caption in item["captions"].items():
            assert caption["platform"] == platform
            assert caption["model"] == "template"
            assert "mug" in caption["caption"].casefold()
            assert caption["hashtags"]
            assert caption["findings"] == []
            plain = {name: caption[name] for name in item["ai_generated_content"][platform]}
            assert plain == item["ai_generated_content"][platform]
        assert await factory.scalar("SELECT used FROM usage_counters") == 1

    async def test_writes_anew_and_keeps_what_was(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        first = await generated(client, MUG, ["facebook", "instagram"])
        body = {"tone": "playful", "platforms": ["facebook"]}
        second = ok(await client.post(f"/queue/{first['id']}/generate", json=body))
        assert second["version"] == 2
        assert second["captions"]["instagram"] == first["captions"]["instagram"]
        assert second["captions"]["facebook"]["caption"] != first["captions"]["facebook"]["caption"]
        kept = ok(await client.get(f"/queue/{first['id']}/versions"))
        assert [(one["version"], one["source"], one["tone"]) for one in kept] == [
            (2, "generated", "playful"), (1, "generated", None),
        ]  # fmt: skip
        assert kept[1]["captions"] == first["captions"]
        restored = ok(await client.post(f"/queue/{first['id']}/versions/1/restore"))
        assert (restored["version"], restored["captions"]) == (3, first["captions"])
        assert problem(await client.post(f"/queue/{first['id']}/versions/9/restore")) == (
            404, "caption_version_not_found",
        )  # fmt: skip

    async def test_needs_a_platform(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        item = await add(client, MUG, [])
        response = await client.post(f"/queue/{item['id']}/generate")
        assert field_errors(response) == [("body.platforms", "platforms_required")]
        assert await factory.count("usage_counters") == 0
        done = ok(await client.post(f"/queue/{item['id']}/generate", json={"platforms": ["tiktok"]}))
        assert (done["platforms"], list(done["captions"])) == (["tiktok"], ["tiktok"])

    @pytest.mark.parametrize("status", CLOSED)
    async def test_only_while_it_is_open(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, status: QueueStatus
    ) -> None:
        item = await add(client, MUG)
        await put_in_status(factory, item["id"], status)
        for path in ("generate", "generate/stream"):
            response = await client.post(f"/queue/{item['id']}/{path}")
            assert problem(response) == (400, "queue_item_state")
            assert detail(response) == f"Cannot generate captions for item with status '{status}'"
        assert await factory.count("usage_counters") == 0

    async def test_streams_the_text_and_then_the_item(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        item = await add(client, MUG)
        response = await client.post(f"/queue/{item['id']}/generate/stream")
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [
            dict(line.split(": ", 1) for line in event.split("\n")) for event in response.text.strip().split("\n\n")
        ]
        assert {event["event"] for event in events[:-1]} == {"text"}
        assert events[-1]["event"] == "item"
        assert json.loads(events[-1]["data"]) == ok(await client.get(f"/queue/{item['id']}"))
        assert json.loads(events[-1]["data"])["status"] == "generated"


class TestGenerateCaption:
    async def test_answers_in_the_original_form(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        body = ok(await client.post("/queue/generate-caption", json={"product_data": MUG}))
        assert set(body) == {
            "caption", "hashtags", "platform", "call_to_action", "character_count", "model", "notes", "findings",
        }  # fmt: skip
        assert (body["platform"], body["model"], body["findings"]) == ("instagram", "template", [])
        tags = " ".join(f"#{tag}" for tag in body["hashtags"])
        assert body["character_count"] == len(f"{body['caption']}\n\n{tags}")

    async def test_the_sixth_of_a_month_is_refused_on_the_free_plan(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, api_clock: SteerableClock
    ) -> None:
        await factory.subscribe(signed_in, "free")
        item = await add(client, MUG)
        for _ in range(4):
            ok(await client.post("/queue/generate-caption", json={"product_data": MUG}))
        ok(await client.post(f"/queue/{item['id']}/generate"))
        for request in (
            client.post("/queue/generate-caption", json={"product_data": MUG}),
            client.post(f"/queue/{item['id']}/generate"),
        ):
            response = await request
            assert problem(response) == (403, "plan_limit_reached")
            assert detail(response).startswith("Monthly AI caption limit reached (5 captions). Upgrade your plan")
        assert ok(await client.get(f"/queue/{item['id']}"))["version"] == 1
        assert await factory.scalar("SELECT used FROM usage_counters") == 5
        api_clock.move(timedelta(days=31))
        signed = {
            "Authorization": f"Bearer {factory.access_token(signed_in.id, exp=int(api_clock().timestamp()) + 900)}"
        }
        ok(await client.post("/queue/generate-caption", json={"product_data": MUG}, headers=signed))

    async def test_fifty_at_once_are_five_on_the_free_plan(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory
    ) -> None:
        await rows.subscribe(owner, "free")
        responses = await asyncio.gather(
            *(real_client.post("/queue/generate-caption", json={"product_data": MUG}) for _ in range(50))
        )
        assert sorted(response.status_code for response in responses) == [200] * 5 + [403] * 45
        assert await rows.scalar("SELECT used FROM usage_counters") == 5

    @pytest.mark.parametrize("plan", ["pro", "enterprise"])
    async def test_other_plans_have_no_limit(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, plan: str
    ) -> None:
        await factory.subscribe(signed_in, plan)
        for _ in range(7):
            ok(await client.post("/queue/generate-caption", json={"product_data": MUG}))


class TestEdit:
    async def test_changes_a_caption_and_keeps_the_version_before(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        before = await generated(client, MUG, ["facebook", "instagram"])
        changes = {"captions": {"facebook": {"caption": "Mine.", "hashtags": ["#Mug", "mug"]}}}
        after = ok(await client.patch(f"/queue/{before['id']}", json=changes))
        mine = after["captions"]["facebook"]
        assert (mine["caption"], mine["hashtags"], mine["is_edited"]) == ("Mine.", ["Mug"], True)
        assert (mine["character_count"], mine["model"], mine["call_to_action"]) == (
            len("Mine.\n\n#Mug"),
            "template",
            "",
        )
        assert after["captions"]["instagram"] == before["captions"]["instagram"]
        assert after["ai_generated_content"] == before["ai_generated_content"]
        assert after["version"] == 2
        assert ok(await client.patch(f"/queue/{before['id']}", json=changes))["version"] == 2

    async def test_a_caption_by_hand_makes_a_pending_item_generated(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        item = await add(client, MUG)
        changes = {"captions": {"tiktok": {"caption": "Mine."}}}
        after = ok(await client.patch(f"/queue/{item['id']}", json=changes))
        assert (after["status"], after["platforms"]) == ("generated", ["facebook", "tiktok"])
        assert after["captions"]["tiktok"]["model"] is None
        assert await factory.count("usage_counters") == 0

    @pytest.mark.parametrize("status", [QueueStatus.rejected, QueueStatus.scheduled, QueueStatus.posted])
    async def test_not_once_it_is_closed(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, status: QueueStatus
    ) -> None:
        item = await generated(client, MUG)
        await put_in_status(factory, item["id"], status)
        response = await client.patch(f"/queue/{item['id']}", json={"captions": {"facebook": {"caption": "x"}}})
        assert problem(response) == (400, "queue_item_state")
        assert detail(response) == f"Cannot edit item with status '{status}'"


class TestApprove:
    @pytest.fixture
    async def accounts(self, factory: Factory, signed_in: MadeUser) -> dict[str, str]:
        return {name: str((await factory.account(signed_in, name)).id) for name in ALL}

    async def test_without_accounts_it_is_only_approved(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        for item in (await add(client, MUG), await generated(client, MUG)):
            done = ok(await client.post(f"/queue/{item['id']}/approve"))
            assert (done["status"], done["post_ids"]) == ("approved", [])
            assert done["approved_at"] is not None
            response = await client.post(f"/queue/{item['id']}/approve")
            assert problem(response) == (400, "queue_item_state")
            assert detail(response) == "Cannot approve item with status 'approved'"

    async def test_with_accounts_and_a_time_it_makes_the_posts(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str], factory: Factory
    ) -> None:
        item = await generated(client, mug, ALL)
        body = {
            "account_ids": list(accounts.values()),
            "scheduled_for": TOMORROW.isoformat(),
            "options": {"tiktok": {"privacy_level": "PUBLIC_TO_EVERYONE"}},
            "captions": {"instagram": {"caption": "By hand."}},
        }
        done = ok(await client.post(f"/queue/{item['id']}/approve", json=body))
        assert (done["status"], done["version"], len(done["post_ids"])) == ("scheduled", 2, 3)
        posts = [ok(await client.get(f"/posts/{post_id}")) for post_id in done["post_ids"]]
        assert len({post["group_id"] for post in posts}) == 1
        for post in posts:
            caption = done["captions"][post["platform"]]
            assert (post["content"], post["hashtags"]) == (caption["caption"], caption["hashtags"])
            assert (post["status"], post["queue_item_id"]) == ("scheduled", item["id"])
            assert datetime.fromisoformat(post["scheduled_for"]) == TOMORROW
            assert post["media_urls"] == [mug["image_url"]]
            assert post["account_id"] == accounts[post["platform"]]
        assert {post["content"] for post in posts if post["platform"] == "instagram"} == {"By hand."}
        facts = await factory.scalar("SELECT product_facts FROM posts LIMIT 1")
        assert facts == {"title": MUG["title"], "price_minor": 2400, "currency": "EUR", "is_available": None}

    async def test_without_a_time_the_posts_are_drafts(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str]
    ) -> None:
        item = await generated(client, mug)
        done = ok(await client.post(f"/queue/{item['id']}/approve", json={"account_ids": [accounts["facebook"]]}))
        assert done["status"] == "scheduled"
        post = ok(await client.get(f"/posts/{done['post_ids'][0]}"))
        assert (post["status"], post["scheduled_for"], post["group_id"]) == ("draft", None, None)

    async def test_makes_no_post_when_one_of_them_cannot_be(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str], factory: Factory
    ) -> None:
        item = await generated(client, mug, ALL)
        body = {"account_ids": list(accounts.values()), "scheduled_for": TOMORROW.isoformat()}
        response = await client.post(f"/queue/{item['id']}/approve", json=body)
        assert field_errors(response) == [("body.platforms.tiktok.options.privacy_level", "privacy_level_required")]
        assert ok(await client.get(f"/queue/{item['id']}"))["status"] == "generated"
        assert await factory.count("posts") == 0

    async def test_says_what_is_missing(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str], factory: Factory
    ) -> None:
        item = await add(client, mug, ["facebook"])
        path = f"/queue/{item['id']}/approve"
        response = await client.post(path, json={"account_ids": [accounts["facebook"]]})
        assert field_errors(response) == [("body.account_ids.0", "caption_missing")]
        response = await client.post(path, json={"account_ids": [str(new_id())]})
        assert problem(response) == (404, "account_not_found")
        response = await client.post(path, json={"scheduled_for": TOMORROW.isoformat()})
        assert field_errors(response) == [("body.account_ids", "account_required")]
        response = await client.post(path, json={"scheduled_for": "2020-01-01T00:00:00Z", "account_ids": []})
        assert problem(response) == (400, "past_time")
        body = {"account_ids": [accounts["facebook"]], "captions": {"facebook": {"caption": "Mine."}}}
        await factory.execute("UPDATE social_accounts SET status = :status", status=AccountStatus.expired)
        response = await client.post(path, json={**body, "scheduled_for": TOMORROW.isoformat()})
        assert problem(response) == (400, "account_needs_reconnect")
        assert ok(await client.get(f"/queue/{item['id']}"))["status"] == "pending"
        assert await factory.count("posts") == 0

    async def test_an_approved_item_is_scheduled_later(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str]
    ) -> None:
        item = await generated(client, mug)
        ok(await client.post(f"/queue/{item['id']}/approve"))
        body = {"account_ids": [accounts["facebook"]], "scheduled_for": TOMORROW.isoformat()}
        done = ok(await client.post(f"/queue/{item['id']}/schedule", json=body))
        assert (done["status"], len(done["post_ids"])) == ("scheduled", 1)
        response = await client.post(f"/queue/{item['id']}/schedule", json=body)
        assert detail(response) == "Cannot schedule item with status 'scheduled'"

    async def test_two_at_once_make_the_posts_once(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, mug: dict[str, Any]
    ) -> None:
        account = await rows.account(owner)
        item = await generated(real_client, mug)
        body = {"account_ids": [str(account.id)], "scheduled_for": TOMORROW.isoformat()}
        responses = await asyncio.gather(
            *(real_client.post(f"/queue/{item['id']}/approve", json=body) for _ in range(6))
        )
        assert sorted(response.status_code for response in responses) == [200] + [400] * 5
        assert await rows.count("posts") == 1

    async def test_tags_and_shortens_links_as_preferred(
        self, client: httpx.AsyncClient, mug: dict[str, Any], accounts: dict[str, str], settings: Settings
    ) -> None:
        ok(await client.put("/publishing-preferences", json={"links": {"add_utm": True, "shorten": True}}))
        item = await add(client, mug)
        body = {
            "account_ids": [accounts["facebook"]],
            "captions": {"facebook": {"caption": "See https://shop.example/mug!"}},
        }
        done = ok(await client.post(f"/queue/{item['id']}/approve", json=body))
        post = ok(await client.get(f"/posts/{done['post_ids'][0]}"))
        links = ok(await client.get("/links", params={"post_id": post["id"]}))["items"]
        assert post["content"] == f"See {links[0]['short_url']}!"
        tags = "utm_source=facebook&utm_medium=social&utm_campaign=blue-stoneware-mug"
        assert links[0]["target_url"] == f"https://shop.example/mug?{tags}"
        assert done["captions"]["facebook"]["caption"] == "See https://shop.example/mug!"


class TestFactGuard:
    WRONG = "Yours for €19.00, delivered free."

    async def test_a_mismatch_is_marked_and_cannot_be_approved_unseen(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        item = await generated(client, MUG, ["facebook", "instagram"])
        changes = {"captions": {"facebook": {"caption": self.WRONG}}}
        edited = ok(await client.patch(f"/queue/{item['id']}", json=changes))
        findings = edited["captions"]["facebook"]["findings"]
        assert [finding["code"] for finding in findings] == ["wrong_price", "invented_shipping"]
        assert edited["captions"]["instagram"]["findings"] == []
        response = await client.post(f"/queue/{item['id']}/approve")
        assert problem(response) == (409, "caption_needs_review")
        told = response.json()["findings"]
        assert told == [{"platform": "facebook", **finding} for finding in findings]
        partly = {"accepted_findings": [findings[0]["id"]]}
        assert problem(await client.post(f"/queue/{item['id']}/approve", json=partly)) == (409, "caption_needs_review")
        bulk = {"action": "approve", "item_ids": [item["id"]]}
        assert ok(await client.post("/queue/bulk", json=bulk))["results"][0]["error"]["findings"] == told
        assert ok(await client.get(f"/queue/{item['id']}"))["status"] == "generated"
        seen = {"accepted_findings": [finding["id"] for finding in findings]}
        assert ok(await client.post(f"/queue/{item['id']}/approve", json=seen))["status"] == "approved"

    async def test_only_the_captions_that_are_used_count(
        self, client: httpx.AsyncClient, mug: dict[str, Any], signed_in: MadeUser, factory: Factory
    ) -> None:
        account = await factory.account(signed_in, "instagram")
        item = await generated(client, mug, ["facebook", "instagram"])
        ok(await client.patch(f"/queue/{item['id']}", json={"captions": {"facebook": {"caption": self.WRONG}}}))
        body = {"account_ids": [str(account.id)], "scheduled_for": TOMORROW.isoformat()}
        assert ok(await client.post(f"/queue/{item['id']}/approve", json=body))["status"] == "scheduled"

    async def test_a_caption_sent_with_the_approval_is_checked_too(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        item = await generated(client, MUG)
        body = {"captions": {"facebook": {"caption": self.WRONG}}}
        assert problem(await client.post(f"/queue/{item['id']}/approve", json=body)) == (409, "caption_needs_review")
        assert ok(await client.get(f"/queue/{item['id']}"))["version"] == 1

    async def test_captions_are_checked_anew_when_the_product_changes(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        item = await add(client, MUG)
        ok(await client.patch(f"/queue/{item['id']}", json={"captions": {"facebook": {"caption": "Only €24.00."}}}))
        changed = ok(await client.patch(f"/queue/{item['id']}", json={"product_data": {**MUG, "price": "26.00"}}))
        assert [one["code"] for one in changed["captions"]["facebook"]["findings"]] == ["wrong_price"]
        back = ok(await client.patch(f"/queue/{item['id']}", json={"product_data": MUG}))
        assert back["captions"]["facebook"]["findings"] == []


class TestAutoSchedule:
    @pytest.fixture
    async def page(self, factory: Factory, signed_in: MadeUser, client: httpx.AsyncClient) -> str:
        await factory.subscribe(signed_in, "pro")
        account = str((await factory.account(signed_in)).id)
        slots = [{"weekday": day, "time": "09:00"} for day in range(7)]
        ok(await client.put(f"/accounts/{account}/schedule", json={"slots": slots, "timezone": "Europe/Paris"}))
        return account

    async def test_takes_one_free_slot_after_the_other(
        self, client: httpx.AsyncClient, mug: dict[str, Any], page: str, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(datetime(2030, 3, 29, 12, tzinfo=UTC))  # Paris goes forward on the 31st
        times = []
        for _ in range(3):
            item = await generated(client, mug)
            body = {"account_ids": [page], "auto_schedule": True}
            done = ok(await client.post(f"/queue/{item['id']}/approve", json=body))
            times.append(ok(await client.get(f"/posts/{done['post_ids'][0]}"))["scheduled_for"])
        assert [time[:16] for time in times] == ["2030-03-30T08:00", "2030-03-31T07:00", "2030-04-01T07:00"]

    async def test_is_part_of_pro(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        await factory.subscribe(signed_in, "free")
        item = await generated(client, MUG)
        body = {"account_ids": [str((await factory.account(signed_in)).id)], "auto_schedule": True}
        assert problem(await client.post(f"/queue/{item['id']}/approve", json=body)) == (403, "not_in_plan")
        assert await factory.count("posts") == 0

    async def test_says_when_there_is_no_room(
        self, client: httpx.AsyncClient, mug: dict[str, Any], page: str, factory: Factory
    ) -> None:
        item = await generated(client, mug)
        until = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        ok(await client.put(f"/accounts/{page}/schedule", json={"slots": []}))
        body = {"account_ids": [page], "auto_schedule": True, "schedule_until": until}
        response = await client.post(f"/queue/{item['id']}/approve", json=body)
        assert problem(response) == (409, "no_free_slot")
        assert await factory.count("posts") == 0
        assert ok(await client.get(f"/queue/{item['id']}"))["status"] == "generated"

    async def test_accounts_take_turns_when_asked(
        self, client: httpx.AsyncClient, mug: dict[str, Any], page: str, factory: Factory, signed_in: MadeUser
    ) -> None:
        other = str((await factory.account(signed_in)).id)
        slots = [{"weekday": day, "time": "10:00"} for day in range(7)]
        ok(await client.put(f"/accounts/{other}/schedule", json={"slots": slots, "timezone": "Europe/Paris"}))
        turns = []
        for _ in range(4):
            item = await generated(client, mug)
            body = {"account_ids": [page, other], "auto_schedule": True, "spread": True}
            done = ok(await client.post(f"/queue/{item['id']}/approve", json=body))
            assert len(done["post_ids"]) == 1
            turns.append(ok(await client.get(f"/posts/{done['post_ids'][0]}"))["account_id"])
        assert sorted(turns) == sorted([page, other] * 2)
        assert turns[0] == turns[2] != turns[1]

    async def test_two_at_once_never_take_the_same_slot(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory, mug: dict[str, Any]
    ) -> None:
        await rows.subscribe(owner, "pro")
        account = await rows.account(owner)
        slots = [{"weekday": day, "time": f"{hour:02d}:00"} for day in range(7) for hour in range(8, 20)]
        schedule = {"slots": slots, "daily_max": 5, "min_spacing_minutes": 90}
        ok(await real_client.put(f"/accounts/{account.id}/schedule", json=schedule))
        items = [await generated(real_client, mug) for _ in range(12)]
        body = {"account_ids": [str(account.id)], "auto_schedule": True}
        for response in await asyncio.gather(
            *(real_client.post(f"/queue/{item['id']}/approve", json=body) for item in items)
        ):
            assert ok(response)["status"] == "scheduled"
        times = sorted(row.at for row in await rows.execute("SELECT scheduled_for AS at FROM posts"))
        assert len(times) == 12
        assert min(b - a for a, b in pairwise(times)) >= timedelta(minutes=90)
        per_day: dict[Any, int] = {}
        for time in times:
            per_day[time.date()] = per_day.get(time.date(), 0) + 1
        assert max(per_day.values()) == 5


class TestCloseAndDelete:
    async def test_rejects_and_takes_up_again(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        item = await generated(client, MUG)
        assert ok(await client.post(f"/queue/{item['id']}/reject"))["status"] == "rejected"
        response = await client.post(f"/queue/{item['id']}/reject")
        assert detail(response) == "Cannot reject item with status 'rejected'"
        assert ok(await client.post(f"/queue/{item['id']}/reopen"))["status"] == "generated"

    @pytest.mark.parametrize("status", list(QueueStatus))
    async def test_deletes_what_is_not_approved(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, status: QueueStatus
    ) -> None:
        item = await add(client, MUG)
        await put_in_status(factory, item["id"], status)
        response = await client.delete(f"/queue/{item['id']}")
        if status in (QueueStatus.pending, QueueStatus.generated, QueueStatus.rejected):
            assert response.status_code == 204
            assert await factory.count("content_queue") == 0
        else:
            assert problem(response) == (400, "queue_item_not_deletable")
            assert detail(response) == "Cannot delete approved or posted items"
            assert await factory.count("content_queue") == 1


class TestFollowsItsPosts:
    async def test_is_posted_when_the_last_post_is_out(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        item = await add(client, MUG)
        await put_in_status(factory, item["id"], QueueStatus.scheduled)
        posts = [
            await factory.post(signed_in, await factory.account(signed_in), queue_item_id=UUID(item["id"]))
            for _ in "ab"
        ]
        change = "UPDATE posts SET status = :status WHERE id = :id"
        for post, expected in zip(posts, ("scheduled", "posted"), strict=True):
            await factory.execute(change, status="posted", id=post.id)
            assert ok(await client.get(f"/queue/{item['id']}"))["status"] == expected

    async def test_is_approved_again_when_its_posts_are_gone(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        item = await add(client, MUG)
        await put_in_status(factory, item["id"], QueueStatus.scheduled)
        posts = [
            await factory.post(signed_in, await factory.account(signed_in), queue_item_id=UUID(item["id"]))
            for _ in "ab"
        ]
        for post, expected in zip(posts, ("scheduled", "approved"), strict=True):
            assert (await client.delete(f"/posts/{post.id}")).status_code == 204
            assert ok(await client.get(f"/queue/{item['id']}"))["status"] == expected

    async def test_two_that_end_at_once_see_each_other(
        self, real_client: httpx.AsyncClient, owner: MadeUser, rows: Factory
    ) -> None:
        item = await add(real_client, MUG)
        await put_in_status(rows, item["id"], QueueStatus.scheduled)
        posts = [await rows.post(owner, await rows.account(owner), queue_item_id=UUID(item["id"])) for _ in "abcd"]
        change = "UPDATE posts SET status = 'posted' WHERE id = :id"
        await asyncio.gather(*(rows.execute(change, id=post.id) for post in posts))
        assert ok(await real_client.get(f"/queue/{item['id']}"))["status"] == "posted"


class TestBulk:
    async def test_adds_many_and_asks_for_as_many_captions_as_the_plan_has(
        self,
        real_client: httpx.AsyncClient,
        owner: MadeUser,
        committed: Container,
        api_sent: list[str],
        rows: Factory,
    ) -> None:
        await rows.subscribe(owner, "free")
        items = [{"product_data": {**MUG, "title": f"Mug {n}"}, "platforms": ["facebook"]} for n in range(7)]
        body = ok(
            await real_client.post("/queue/bulk", json={"action": "add", "items": items, "generate": {"tone": "bold"}})
        )
        assert (body["total"], body["succeeded"], body["failed"]) == (7, 5, 2)
        assert [one["is_generating"] for one in body["results"]] == [True] * 5 + [False] * 2
        assert {one["error"]["code"] for one in body["results"] if one["error"]} == {"plan_limit_reached"}
        assert api_sent == ["captions.work"]
        assert await committed.queue_writing.work() == 5
        page = ok(await real_client.get("/queue"))
        assert (page["counts"]["generated"], page["counts"]["pending"], page["total"]) == (5, 2, 7)
        assert {item["is_generating"] for item in page["items"]} == {False}

    async def test_approves_many_and_says_which_not(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, mug: dict[str, Any]
    ) -> None:
        account = str((await factory.account(signed_in)).id)
        items = [await generated(client, mug), await add(client, mug), await generated(client, mug)]
        wanted = {"account_ids": [account], "scheduled_for": TOMORROW.isoformat()}
        ids = [*(item["id"] for item in items), str(new_id())]
        body = ok(await client.post("/queue/bulk", json={"action": "approve", "item_ids": ids, "approve": wanted}))
        assert [one["status"] for one in body["results"]] == ["scheduled", None, "scheduled", None]
        assert [one["error"] and one["error"]["code"] for one in body["results"]] == [
            None, "invalid_request", None, "queue_item_not_found",
        ]  # fmt: skip
        assert body["results"][1]["error"]["errors"][0]["type"] == "caption_missing"
        assert await factory.count("posts") == 2

    async def test_rejects_and_deletes_all_that_match(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        for _ in range(3):
            await add(client, MUG)
        for action, before in (("reject", "pending"), ("delete", "rejected")):
            wanted = {"action": action, "filter": {"status": before}}
            assert ok(await client.post("/queue/bulk", json=wanted))["succeeded"] == 3
        assert ok(await client.get("/queue"))["total"] == 0

    @pytest.mark.parametrize(
        "body",
        [
            {"action": "add"},
            {"action": "add", "items": [], "item_ids": []},
            {"action": "reject"},
            {"action": "reject", "item_ids": [], "filter": {"status": "pending"}},
            {"action": "approve", "item_ids": [], "approve": {"captions": {"facebook": {"caption": "same"}}}},
        ],
    )
    async def test_refuses_what_cannot_be_meant(
        self, client: httpx.AsyncClient, signed_in: MadeUser, body: Any
    ) -> None:
        assert problem(await client.post("/queue/bulk", json=body)) == (422, "invalid_request")
