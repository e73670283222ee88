"""Reading, changing, scheduling, publishing, retrying, copying and deleting posts."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.make import Factory, MadeUser

from app.domain.vocabulary import AccountStatus, PostStatus
from app.kit.ids import new_id
from app.settings import Settings

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
LATER = TOMORROW + timedelta(days=3)
PAST = "2020-01-01T00:00:00Z"
CLOSED = (PostStatus.posted, PostStatus.failed, PostStatus.publishing)
REASONS = {
    PostStatus.posted: "Cannot update a post that has been posted or failed",
    PostStatus.failed: "Cannot update a post that has been posted or failed",
    PostStatus.publishing: "Cannot update a post that is being published",
}


@pytest.fixture
async def page(factory: Factory, signed_in: MadeUser) -> Any:
    return await factory.account(signed_in)


@pytest.fixture
def picture(settings: Settings) -> str:
    return f"{settings.public_base}/media/samples/coffee.jpg"


async def scheduled(client: httpx.AsyncClient, page: Any, **more: Any) -> dict[str, Any]:
    """Create a scheduled post through the API."""
    body = {"account_id": str(page.id), "content": "before", "scheduled_for": TOMORROW.isoformat(), **more}
    return dict(ok(await client.post("/posts", json=body), 201))


class TestGet:
    async def test_returns_a_post_as_it_was_created(self, client: httpx.AsyncClient, page: Any) -> None:
        post = await scheduled(client, page, hashtags=["a"])
        assert ok(await client.get(f"/posts/{post['id']}")) == post

    async def test_does_not_know_somebody_elses(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        other = await factory.user()
        foreign = await factory.post(other, await factory.account(other))
        for post_id in (foreign.id, new_id()):
            response = await client.get(f"/posts/{post_id}")
            assert problem(response) == (404, "post_not_found")
            assert detail(response) == "Post not found"


class TestSomebodyElses:
    @pytest.mark.parametrize(
        ("method", "action", "body"),
        [
            ("GET", "", None),
            ("GET", "/story", None),
            ("PATCH", "", {"content": "mine now"}),
            ("PATCH", "", {"scheduled_for": None}),
            ("DELETE", "", None),
            ("POST", "/schedule", {"scheduled_for": "2099-01-01T00:00:00Z"}),
            ("POST", "/publish", None),
            ("POST", "/retry", None),
            ("POST", "/duplicate", None),
        ],
    )
    async def test_post_is_a_404_and_stays_as_it_is(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, method: str, action: str, body: Any
    ) -> None:
        other = await factory.user()
        foreign = await factory.post(other, await factory.account(other), status=PostStatus.scheduled)
        before = await factory.reload(foreign.id)
        response = await client.request(method, f"/posts/{foreign.id}{action}", json=body)
        assert problem(response) == (404, "post_not_found")
        assert await factory.reload(foreign.id) == before
        assert await factory.count("posts") == 1
        assert await factory.count("publications") == 0


class TestUpdate:
    async def test_leaves_what_is_not_given(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        post = await scheduled(client, page, hashtags=["tea"])
        (run,) = await factory.publications(post["id"])
        body = ok(await client.patch(f"/posts/{post['id']}", json={"content": "after"}))
        assert body == {**post, "content": "after", "updated_at": body["updated_at"]}
        assert await factory.publications(post["id"]) == [run]

    async def test_without_any_field_changes_nothing(self, client: httpx.AsyncClient, page: Any) -> None:
        post = await scheduled(client, page)
        body = ok(await client.patch(f"/posts/{post['id']}", json={}))
        assert {**body, "updated_at": None} == {**post, "updated_at": None}

    async def test_a_null_time_makes_it_a_draft_again(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        post = await scheduled(client, page)
        body = ok(await client.patch(f"/posts/{post['id']}", json={"scheduled_for": None}))
        assert (body["status"], body["scheduled_for"]) == ("draft", None)
        assert await factory.count("publications") == 0

    async def test_a_time_schedules_a_draft(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        draft = ok(await client.post("/posts", json={"account_id": str(page.id), "content": "Hi"}), 201)
        body = ok(await client.patch(f"/posts/{draft['id']}", json={"scheduled_for": LATER.isoformat()}))
        assert body["status"] == "scheduled"
        (run,) = await factory.publications(draft["id"])
        assert run.due_at == LATER

    async def test_another_time_moves_the_one_run(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        post = await scheduled(client, page)
        ok(await client.patch(f"/posts/{post['id']}", json={"scheduled_for": LATER.isoformat()}))
        (run,) = await factory.publications(post["id"])
        assert (run.due_at, run.scheduled_for) == (LATER, LATER)

    @pytest.mark.parametrize("field", ["content", "media_urls", "hashtags", "options", "post_type"])
    async def test_refuses_null_for_what_cannot_be_empty(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, field: str
    ) -> None:
        post = await scheduled(client, page)
        before = await factory.reload(post["id"])
        response = await client.patch(f"/posts/{post['id']}", json={field: None})
        assert field_errors(response) == [(f"body.{field}", "value_error")]
        assert await factory.reload(post["id"]) == before

    @pytest.mark.parametrize("field", ["status", "account_id", "platform", "platform_post_id", "group_id", "user_id"])
    async def test_refuses_fields_that_are_not_the_owners_to_change(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, field: str
    ) -> None:
        post = await scheduled(client, page)
        before = await factory.reload(post["id"])
        response = await client.patch(f"/posts/{post['id']}", json={field: "posted"})
        assert field_errors(response) == [(f"body.{field}", "extra_forbidden")]
        assert await factory.reload(post["id"]) == before

    async def test_refuses_a_past_time_and_one_without_offset(
        self, client: httpx.AsyncClient, factory: Factory, page: Any
    ) -> None:
        post = await scheduled(client, page)
        before, runs = await factory.reload(post["id"]), await factory.publications(post["id"])
        past = await client.patch(f"/posts/{post['id']}", json={"content": "after", "scheduled_for": PAST})
        assert problem(past) == (400, "past_time")
        naive = await client.patch(f"/posts/{post['id']}", json={"scheduled_for": "2099-01-01T00:00:00"})
        assert field_errors(naive) == [("body.scheduled_for", "value_error")]
        assert await factory.reload(post["id"]) == before
        assert await factory.publications(post["id"]) == runs

    async def test_refuses_what_the_platform_would(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, picture: str
    ) -> None:
        gram = await factory.account(signed_in, "instagram")
        post = await scheduled(client, gram, media_urls=[picture])
        before = await factory.reload(post["id"])
        for change, expected in (
            ({"content": "x" * 2201}, ("body.content", "caption_too_long")),
            ({"media_urls": []}, ("body.media_urls", "media_required")),
            ({"media_urls": [picture] * 11}, ("body.media_urls", "too_many_items")),
            ({"media_urls": ["http://127.0.0.1/a.jpg"]}, ("body.media_urls.0", "media_url_not_public")),
            ({"options": {"colour": "red"}}, ("body.options.colour", "unknown_option")),
        ):
            assert field_errors(await client.patch(f"/posts/{post['id']}", json=change)) == [expected]
        assert await factory.reload(post["id"]) == before

    async def test_new_media_are_looked_at_and_change_the_kind(
        self, client: httpx.AsyncClient, page: Any, picture: str
    ) -> None:
        post = await scheduled(client, page)
        body = ok(await client.patch(f"/posts/{post['id']}", json={"media_urls": [picture, picture]}))
        assert (body["post_type"], [item["url"] for item in body["media"]]) == ("photos", [picture, picture])
        body = ok(await client.patch(f"/posts/{post['id']}", json={"media_urls": []}))
        assert (body["post_type"], body["media"]) == ("text", [])

    @pytest.mark.parametrize("status", CLOSED)
    async def test_refuses_a_post_that_is_out_or_on_its_way(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(signed_in, page, status=status, content="before")
        before = await factory.reload(post.id)
        for body in ({"content": "after"}, {"scheduled_for": LATER.isoformat()}, {"scheduled_for": None}):
            response = await client.patch(f"/posts/{post.id}", json=body)
            assert problem(response) == (400, "post_not_editable")
            assert detail(response) == REASONS[status]
        assert await factory.reload(post.id) == before
        assert await factory.count("publications") == 0

    async def test_a_held_post_keeps_its_reason_until_it_gets_a_time(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any
    ) -> None:
        post = await factory.post(
            signed_in, page, status=PostStatus.on_hold, error_code="too_late", error_message="It was late."
        )
        body = ok(await client.patch(f"/posts/{post.id}", json={"content": "after"}))
        assert (body["status"], body["error_code"], body["content"]) == ("on_hold", "too_late", "after")
        body = ok(await client.patch(f"/posts/{post.id}", json={"scheduled_for": LATER.isoformat()}))
        assert (body["status"], body["error_code"], body["error_message"]) == ("scheduled", None, None)

    async def test_does_not_schedule_for_an_account_that_is_away(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        away = await factory.account(signed_in, status=AccountStatus.expired)
        post = await factory.post(signed_in, away)
        response = await client.patch(f"/posts/{post.id}", json={"scheduled_for": LATER.isoformat()})
        assert problem(response) == (400, "account_needs_reconnect")
        assert (await factory.reload(post.id)).status == "draft"
        assert await factory.count("publications") == 0


class TestSchedule:
    @pytest.mark.parametrize("status", [PostStatus.draft, PostStatus.scheduled, PostStatus.on_hold])
    async def test_schedules_or_moves(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(signed_in, page, status=status)
        body = ok(await client.post(f"/posts/{post.id}/schedule", json={"scheduled_for": LATER.isoformat()}))
        assert (body["status"], body["error_code"]) == ("scheduled", None)
        (run,) = await factory.publications(post.id)
        assert run.due_at == LATER
        ok(await client.post(f"/posts/{post.id}/schedule", json={"scheduled_for": TOMORROW.isoformat()}))
        (run,) = await factory.publications(post.id)
        assert run.due_at == TOMORROW
        assert (await factory.lane(page.id)).due_at == TOMORROW

    @pytest.mark.parametrize("status", CLOSED)
    async def test_refuses_a_post_that_is_out_or_on_its_way(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(signed_in, page, status=status)
        before = await factory.reload(post.id)
        for action in ("schedule", "publish"):
            body = {"scheduled_for": LATER.isoformat()} if action == "schedule" else None
            response = await client.post(f"/posts/{post.id}/{action}", json=body)
            assert problem(response) == (400, "post_not_editable")
            assert detail(response) == REASONS[status]
        assert await factory.reload(post.id) == before
        assert await factory.count("publications") == 0

    async def test_refuses_a_past_time_none_and_one_without_offset(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any
    ) -> None:
        post = await factory.post(signed_in, page)
        past = await client.post(f"/posts/{post.id}/schedule", json={"scheduled_for": PAST})
        assert problem(past) == (400, "past_time")
        for body in ({}, {"scheduled_for": None}, {"scheduled_for": "2099-01-01T00:00:00"}):
            response = await client.post(f"/posts/{post.id}/schedule", json=body)
            assert [path for path, _ in field_errors(response)] == ["body.scheduled_for"]
        assert (await factory.reload(post.id)).status == "draft"
        assert await factory.count("publications") == 0

    async def test_refuses_an_unfinished_draft_and_an_account_that_is_away(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        gram = await factory.account(signed_in, "instagram")
        unfinished = await factory.post(signed_in, gram)
        body = {"scheduled_for": LATER.isoformat()}
        response = await client.post(f"/posts/{unfinished.id}/schedule", json=body)
        assert field_errors(response) == [("body.media_urls", "media_required")]
        away = await factory.account(signed_in, status=AccountStatus.disconnected)
        post = await factory.post(signed_in, away)
        response = await client.post(f"/posts/{post.id}/schedule", json=body)
        assert problem(response) == (400, "account_needs_reconnect")
        assert {(await factory.reload(one.id)).status for one in (unfinished, post)} == {"draft"}
        assert await factory.count("publications") == 0


class TestPublishNow:
    async def test_makes_it_due_at_once_and_says_so_to_the_workers(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, api_sent: list[str]
    ) -> None:
        post = await scheduled(client, page)
        assert api_sent == []
        body = ok(await client.post(f"/posts/{post['id']}/publish"))
        assert body["status"] == "scheduled"
        (run,) = await factory.publications(post["id"])
        assert run.due_at <= datetime.now(UTC)
        assert (await factory.lane(page.id)).due_at == run.due_at
        assert api_sent == ["publishing.advance"]

    async def test_sends_nothing_when_it_is_refused(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, api_sent: list[str]
    ) -> None:
        away = await factory.account(signed_in, status=AccountStatus.disconnected)
        post = await factory.post(signed_in, away)
        response = await client.post(f"/posts/{post.id}/publish")
        assert problem(response) == (400, "account_needs_reconnect")
        assert api_sent == []
        assert await factory.count("publications") == 0

    async def test_many_at_once_open_one_run(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser
    ) -> None:
        post = await rows.post(owner, await rows.account(owner))
        answers = await asyncio.gather(*(real_client.post(f"/posts/{post.id}/publish") for _ in range(8)))
        assert Counter(answer.status_code for answer in answers) == {200: 8}
        assert len(await rows.publications(post.id)) == 1


class TestRetry:
    async def test_begins_a_new_run_and_keeps_the_old_one(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, api_sent: list[str]
    ) -> None:
        post = await scheduled(client, page)
        await factory.execute("UPDATE posts SET status = 'failed', error_code = 'gave_up', error_message = 'No.'")
        await factory.execute("UPDATE publications SET finished_at = now(), started_at = now(), outcome = 'failed'")
        body = ok(await client.post(f"/posts/{post['id']}/retry"))
        assert (body["status"], body["error_code"], body["error_message"]) == ("scheduled", None, None)
        first, second = await factory.publications(post["id"])
        assert (first.run, first.outcome, second.run, second.finished_at) == (1, "failed", 2, None)
        assert api_sent == ["publishing.advance"]

    @pytest.mark.parametrize("status", [status for status in PostStatus if status is not PostStatus.failed])
    async def test_refuses_a_post_that_has_not_failed(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(signed_in, page, status=status)
        before = await factory.reload(post.id)
        response = await client.post(f"/posts/{post.id}/retry")
        assert problem(response) == (400, "post_not_retryable")
        assert await factory.reload(post.id) == before
        assert await factory.count("publications") == 0


class TestDelete:
    @pytest.mark.parametrize("status", [PostStatus.draft, PostStatus.scheduled, PostStatus.on_hold, PostStatus.failed])
    async def test_removes_a_post_that_is_not_out(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(signed_in, page, status=status)
        response = await client.delete(f"/posts/{post.id}")
        assert (response.status_code, response.content) == (204, b"")
        assert await factory.count("posts") == 0
        assert problem(await client.delete(f"/posts/{post.id}")) == (404, "post_not_found")

    async def test_takes_the_publication_along(self, client: httpx.AsyncClient, factory: Factory, page: Any) -> None:
        post = await scheduled(client, page)
        assert (await client.delete(f"/posts/{post['id']}")).status_code == 204
        assert await factory.count("publications") == 0

    @pytest.mark.parametrize(
        ("status", "sentence"),
        [
            (PostStatus.posted, "Cannot delete a post that has been posted"),
            (
                PostStatus.publishing,
                "Cannot delete a post that is being published. Wait until it is out or has failed.",
            ),
        ],
    )
    async def test_refuses_one_that_is_out_or_on_its_way(
        self,
        client: httpx.AsyncClient,
        factory: Factory,
        signed_in: MadeUser,
        page: Any,
        status: PostStatus,
        sentence: str,
    ) -> None:
        post = await factory.post(signed_in, page, status=status)
        response = await client.delete(f"/posts/{post.id}")
        assert problem(response) == (400, "post_not_deletable")
        assert detail(response) == sentence
        assert (await factory.reload(post.id)).status == status


class TestDuplicate:
    @pytest.mark.parametrize("status", list(PostStatus))
    async def test_copies_what_was_written_into_a_draft(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, status: PostStatus
    ) -> None:
        post = await factory.post(
            signed_in,
            page,
            status=status,
            hashtags=["tea"],
            options={"link": "https://shop.example/"},
            post_type="link",
            group_id=new_id(),
            platform_post_id="1_2",
            permalink="https://facebook.example/1_2",
            error_code="gave_up",
            error_message="No.",
            attempts=3,
        )
        copy = ok(await client.post(f"/posts/{post.id}/duplicate"), 201)
        assert copy["id"] != str(post.id)
        assert (copy["content"], copy["hashtags"], copy["options"], copy["post_type"]) == (
            post.content,
            ["tea"],
            {"link": "https://shop.example/"},
            "link",
        )
        assert (copy["status"], copy["attempts"]) == ("draft", 0)
        empty = ("scheduled_for", "posted_at", "group_id", "platform_post_id", "permalink", "error_code")
        assert {copy[name] for name in empty} == {None}
        assert (await factory.reload(post.id)).status == status
        assert await factory.count("posts") == 2
        assert await factory.count("publications") == 0
