"""After a post is out: its first comment once, a second look, and deleting it at the platform by name."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import ok, problem
from factories.make import Factory, MadeUser
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.platforms.base import Permanent, RetryLater, Seen, Sight
from app.repositories.publication_repository import PublicationRepository

pytestmark = pytest.mark.usefixtures("public_api")
COMMENTING = {"instagram": "instagram.comment", "facebook": "facebook.comment"}


async def due(stage: Stage, kind: str) -> None:
    await stage.rows.execute(
        "UPDATE follow_ups SET due_at = now() - interval '1 s', lease_until = NULL WHERE kind = :kind", kind=kind
    )


async def follow_up(stage: Stage, kind: str) -> Any:
    return (await stage.rows.execute("SELECT * FROM follow_ups WHERE kind = :kind", kind=kind))[0]


async def published(stage: Stage, worker: Container, platform: str = "facebook", **options: Any) -> UUID:
    """Publish one post and return its id."""
    account = await stage.connect(platform)
    post_id = await stage.schedule(account, "Fresh bread", **options)
    await stage.finish(worker)
    assert (await stage.post(post_id)).status == PostStatus.posted
    return post_id


class TestFirstComment:
    @pytest.mark.parametrize("platform", ["instagram", "facebook"])
    async def test_is_written_once(self, stage: Stage, worker: Container, platform: str) -> None:
        post_id = await published(stage, worker, platform, first_comment="Link: https://shop.example")
        assert (await stage.post(post_id)).first_comment_status == "pending"
        assert await worker.aftercare.run() == 1
        assert await worker.aftercare.run() == 0
        post = await stage.post(post_id)
        assert (post.first_comment_status, post.first_comment_error) == ("posted", None)
        assert stage.sandbox.calls(COMMENTING[platform]) == 1

    @pytest.mark.parametrize("platform", ["instagram", "facebook"])
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_whose_answer_was_lost_is_looked_up_and_not_repeated_on_hope(
        self, stage: Stage, worker: Container, platform: str, fault: str
    ) -> None:
        post_id = await published(stage, worker, platform, first_comment="Link: https://shop.example")
        stage.sandbox.fault(COMMENTING[platform], fault)
        await worker.aftercare.run()
        assert (await follow_up(stage, "first_comment")).sent_at is not None
        assert (await stage.post(post_id)).first_comment_status == "pending"
        await due(stage, "first_comment")
        await worker.aftercare.run()
        if fault == "drop_before":  # a while must pass before its absence proves anything
            assert (await stage.post(post_id)).first_comment_status == "pending"
        await stage.rows.execute("UPDATE follow_ups SET sent_at = now() - interval '3 minutes'")
        await due(stage, "first_comment")
        await worker.aftercare.run()
        assert (await stage.post(post_id)).first_comment_status == "posted"
        assert stage.sandbox.calls(COMMENTING[platform]) == (2 if fault == "drop_before" else 1)

    async def test_of_a_worker_that_was_killed_in_the_call_is_looked_up(self, stage: Stage, make_worker: Any) -> None:
        dying, other = make_worker("dying"), make_worker("other")
        post_id = await published(stage, other, first_comment="Link")
        stop = spy_on(dying, "facebook", "aftercare").stop("comment", "after")
        task = asyncio.create_task(dying.aftercare.run())
        await stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await due(stage, "first_comment")
        await other.aftercare.run()
        assert (await stage.post(post_id)).first_comment_status == "posted"
        assert stage.sandbox.calls("facebook.comment") == 1

    async def test_two_workers_at_once_write_one(self, stage: Stage, make_worker: Any) -> None:
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        await published(stage, workers[0], first_comment="Link")
        await asyncio.gather(*(worker.aftercare.run() for worker in workers))
        assert stage.sandbox.calls("facebook.comment") == 1

    async def test_that_is_refused_tells_the_owner_and_leaves_the_post_alone(
        self, stage: Stage, worker: Container
    ) -> None:
        post_id = await published(stage, worker, first_comment="Link")

        def refuse(*_: Any) -> None:
            raise Permanent("Facebook does not take this comment.")

        spy_on(worker, "facebook", "aftercare").answers["comment"] = refuse
        await worker.aftercare.run()
        post = await stage.post(post_id)
        assert (post.status, post.first_comment_status) == ("posted", "failed")
        assert post.first_comment_error == "Facebook does not take this comment."

    async def test_a_token_refused_by_mistake_costs_no_comment(self, stage: Stage, worker: Container) -> None:
        post_id = await published(stage, worker, first_comment="Link")
        body = {"error": {"message": "Invalid token", "type": "OAuthException", "code": 190, "fbtrace_id": "A1"}}
        stage.sandbox.fault("facebook.comment", "error_before", status=400, body=body)
        await worker.aftercare.run()
        assert (await follow_up(stage, "first_comment")).sent_at is None
        await due(stage, "first_comment")
        await worker.aftercare.run()
        assert (await stage.post(post_id)).first_comment_status == "posted"

    async def test_that_must_wait_is_tried_again(self, stage: Stage, worker: Container) -> None:
        post_id = await published(stage, worker, first_comment="Link")

        def busy(*_: Any) -> None:
            raise RetryLater("busy", after=timedelta(minutes=1))

        spy = spy_on(worker, "facebook", "aftercare")
        spy.answers["comment"] = busy
        await worker.aftercare.run()
        row = await follow_up(stage, "first_comment")
        assert (row.done_at, row.sent_at, row.lease_until) == (None, None, None)
        del spy.answers["comment"]
        await due(stage, "first_comment")
        await worker.aftercare.run()
        assert (await stage.post(post_id)).first_comment_status == "posted"

    async def test_there_is_none_without_one(self, stage: Stage, worker: Container) -> None:
        post_id = await published(stage, worker)
        assert await worker.aftercare.run() == 0
        assert (await stage.post(post_id)).first_comment_status is None


class TestSecondLook:
    @pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
    async def test_sees_the_post(self, stage: Stage, worker: Container, platform: str) -> None:
        post_id = await published(stage, worker, platform)
        assert (await stage.post(post_id)).live_status == "pending"
        row = await follow_up(stage, "live")
        assert timedelta(minutes=4) < row.due_at - row.created_at < timedelta(minutes=6)
        await due(stage, "live")
        await worker.aftercare.run()
        post = await stage.post(post_id)
        assert (post.live_status, post.error_code) == ("seen", None)
        assert post.live_checked_at is not None
        steps = [entry["operation"] for entry in await self.story(worker, post)]
        assert "live" in steps

    async def story(self, worker: Container, post: Any) -> list[dict[str, Any]]:
        async with worker.sessions() as session:
            return await PublicationRepository(session).story(post.id)

    async def test_a_post_that_is_gone_becomes_visible_as_such_after_three_looks(
        self, stage: Stage, worker: Container
    ) -> None:
        post_id = await published(stage, worker)
        spy_on(worker, "facebook", "aftercare").answers["find"] = lambda *_: Seen(Sight.missing)
        for look in range(1, 4):
            await due(stage, "live")
            await worker.aftercare.run()
            post = await stage.post(post_id)
            assert post.live_status == ("missing" if look == 3 else "pending")
        assert (post.status, post.error_code) == ("posted", "not_found_live")
        assert "does not show this post any more" in post.error_message

    async def test_looks_that_fail_do_not_make_a_post_missing(self, stage: Stage, worker: Container) -> None:
        post_id = await published(stage, worker)
        spy = spy_on(worker, "facebook", "aftercare")

        def away(*_: Any) -> None:
            raise RetryLater("away")

        for answer in (away, away, lambda *_: Seen(Sight.missing)):
            spy.answers["find"] = answer
            await due(stage, "live")
            await worker.aftercare.run()
        assert (await stage.post(post_id)).live_status == "pending"
        assert (await follow_up(stage, "live")).missing == 1

    async def test_a_refused_question_says_nothing_about_the_post(self, stage: Stage, worker: Container) -> None:
        post_id = await published(stage, worker)

        def refuse(*_: Any) -> None:
            raise Permanent("no")

        spy_on(worker, "facebook", "aftercare").answers["find"] = refuse
        for _ in range(3):
            await due(stage, "live")
            await worker.aftercare.run()
        assert (await stage.post(post_id)).live_status == "pending"
        for _ in range(9):
            await due(stage, "live")
            await worker.aftercare.run()
        post = await stage.post(post_id)
        assert (post.live_status, post.error_code) == ("unknown", None)

    async def test_a_tiktok_draft_waits_for_its_owner(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Draft", post_type="inbox_video")
        await stage.finish(worker)
        await due(stage, "live")
        await worker.aftercare.run()
        post = await stage.post(post_id)
        assert (post.status, post.live_status) == ("posted", "waiting")
        assert "inbox" in post.error_message
        row = await follow_up(stage, "live")
        assert (row.done_at, row.tries) == (None, 0)  # hours of waiting are no failed tries


class TestDeleteOnPlatform:
    async def owned(self, stage: Stage, client: httpx.AsyncClient) -> None:
        client.headers.update((await stage.user()).headers)

    async def test_deletes_there_and_keeps_it_here(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient
    ) -> None:
        post_id = await published(stage, worker)
        await self.owned(stage, real_client)
        external = await stage.rows.scalar("SELECT account_id_external FROM social_accounts")
        assert len(stage.sandbox.published(account_id=external)) == 1
        url = f"/posts/{post_id}/delete-on-platform"
        body = ok(await real_client.post(url))
        assert (body["status"], body["live_status"]) == ("posted", "deleted")
        assert stage.sandbox.published(account_id=external) == []
        assert ok(await real_client.post(url))["live_status"] == "deleted"
        assert stage.sandbox.calls("facebook.post_delete") == 1
        await due(stage, "live")
        assert await worker.aftercare.run() == 0

    @pytest.mark.parametrize("platform", ["instagram", "tiktok"])
    async def test_where_there_is_no_way_it_says_so(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient, platform: str
    ) -> None:
        """Instagram takes it only from connections made with Facebook Login."""
        post_id = await published(stage, worker, platform)
        await self.owned(stage, real_client)
        response = await real_client.post(f"/posts/{post_id}/delete-on-platform")
        assert problem(response) == (400, "delete_not_possible")
        assert (await stage.post(post_id)).live_status == "pending"

    async def test_a_platform_that_is_away_changes_nothing(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient
    ) -> None:
        post_id = await published(stage, worker)
        await self.owned(stage, real_client)
        stage.sandbox.fault("facebook.post_delete", "error_before", status=500, times=3)
        response = await real_client.post(f"/posts/{post_id}/delete-on-platform")
        assert problem(response) == (503, "platform_unavailable")
        assert (await stage.post(post_id)).live_status == "pending"

    async def test_only_what_is_out(self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory) -> None:
        account = await factory.account(signed_in)
        draft = await factory.post(signed_in, account)
        assert problem(await client.post(f"/posts/{draft.id}/delete-on-platform")) == (400, "post_not_posted")

    async def test_somebody_elses_is_a_404(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        other = await factory.user()
        foreign = await factory.post(other, await factory.account(other), status=PostStatus.posted)
        for post_id in (foreign.id, new_id()):
            assert problem(await client.post(f"/posts/{post_id}/delete-on-platform")) == (404, "post_not_found")
