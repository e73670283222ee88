"""Keeping accounts connected: tokens are renewed once, and only a grant that is named as dead disconnects anybody."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.platforms.base import ReconnectAccount, RetryLater

PLATFORMS = ("instagram", "tiktok")  # Page tokens of Facebook do not expire
REFRESH = {"instagram": "instagram.refresh", "tiktok": "tiktok.token"}

META_REFUSAL = {"error": {"message": "Invalid token", "type": "OAuthException", "code": 190, "fbtrace_id": "A1"}}
TIKTOK_REFUSAL = {"error": {"code": "access_token_invalid", "message": "Invalid token", "log_id": "A1"}}
REFUSED_BY_MISTAKE = [
    ("instagram", "instagram.create_container", 400, META_REFUSAL),
    ("instagram", "instagram.publish", 400, META_REFUSAL),
    ("facebook", "facebook.feed", 400, META_REFUSAL),
    ("tiktok", "tiktok.creator_info", 401, TIKTOK_REFUSAL),
    ("tiktok", "tiktok.status", 401, TIKTOK_REFUSAL),
]


async def make_due(stage: Stage) -> None:
    await stage.rows.execute("UPDATE account_credentials SET refresh_due_at = now() - interval '1 s'")


async def credential(stage: Stage, account_id: UUID) -> Any:
    rows = await stage.rows.execute("SELECT * FROM account_credentials WHERE account_id = :id", id=account_id)
    return rows[0]


async def status(stage: Stage, account_id: UUID) -> tuple[str, str | None]:
    rows = await stage.rows.execute("SELECT status, status_reason FROM social_accounts WHERE id = :id", id=account_id)
    return rows[0].status, rows[0].status_reason


async def ready(stage: Stage, platform: str) -> Any:
    """Connect an account whose token may and should be renewed."""
    account = await stage.connect(platform)
    if platform == "instagram":  # which renews no token on its first day
        stage.clock.move(timedelta(days=2))
        stage.sandbox.advance(2 * 86_400)
    await make_due(stage)
    return account


class TestRefreshDue:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_renews_what_is_due(self, stage: Stage, worker: Container, platform: str) -> None:
        account = await ready(stage, platform)
        before, _ = await worker.tokens.current(account.id)
        calls = stage.sandbox.calls(REFRESH[platform])
        assert await worker.tokens.refresh_due() == 1
        after, version = await worker.tokens.current(account.id)
        assert stage.sandbox.calls(REFRESH[platform]) == calls + 1
        assert version == 2
        assert after.access_token != before.access_token
        row = await credential(stage, account.id)
        assert (row.refresh_lease_id, row.refresh_lease_until) == (None, None)
        assert row.refresh_due_at == after.refresh_due_at
        assert await stage.rows.scalar("SELECT token_expires_at FROM social_accounts") == after.expires_at

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_twice_in_a_row_renews_once(self, stage: Stage, worker: Container, platform: str) -> None:
        await ready(stage, platform)
        calls = stage.sandbox.calls(REFRESH[platform])
        assert await worker.tokens.refresh_due() == 1
        assert await worker.tokens.refresh_due() == 0
        assert stage.sandbox.calls(REFRESH[platform]) == calls + 1

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_two_at_once_renew_once(self, stage: Stage, make_worker: Any, platform: str) -> None:
        account = await ready(stage, platform)
        stage.sandbox.knobs(latency_ms=100)
        calls = stage.sandbox.calls(REFRESH[platform])
        await asyncio.gather(*(make_worker(f"worker-{n}").tokens.refresh_due() for n in range(3)))
        assert stage.sandbox.calls(REFRESH[platform]) == calls + 1
        assert (await credential(stage, account.id)).version == 2
        assert await status(stage, account.id) == ("connected", None)

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_killed_between_call_and_record_is_done_by_the_next(
        self, stage: Stage, make_worker: Any, when: str
    ) -> None:
        dying, other = make_worker("dying"), make_worker("other")
        account = await ready(stage, "instagram")
        stop = spy_on(dying, "instagram", "connector").stop("refresh", when)
        task = asyncio.create_task(dying.tokens.refresh_due())
        await stop.wait()
        assert await other.tokens.refresh_due() == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await credential(stage, account.id)).version == 1
        await stage.rows.execute("UPDATE account_credentials SET refresh_lease_until = now() - interval '1 s'")
        assert await other.tokens.refresh_due() == 1
        assert (await credential(stage, account.id)).version == 2
        assert await status(stage, account.id) == ("connected", None)

    async def test_killed_after_a_refresh_token_was_used_up_the_owner_is_told(
        self, stage: Stage, make_worker: Any
    ) -> None:
        dying, other = make_worker("dying"), make_worker("other")
        account = await ready(stage, "tiktok")
        stop = spy_on(dying, "tiktok", "connector").stop("refresh", "after")
        task = asyncio.create_task(dying.tokens.refresh_due())
        await stop.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stage.rows.execute("UPDATE account_credentials SET refresh_lease_until = now() - interval '1 s'")
        assert await other.tokens.refresh_due() == 1
        state, reason = await status(stage, account.id)
        version = (await credential(stage, account.id)).version
        assert (state, version, bool(reason)) in (("connected", 2, False), ("expired", 1, True))

    async def test_a_late_answer_does_not_replace_newer_tokens(self, stage: Stage, make_worker: Any) -> None:
        slow, other = make_worker("slow"), make_worker("other")
        account = await ready(stage, "instagram")
        stop = spy_on(slow, "instagram", "connector").stop("refresh", "after")
        task = asyncio.create_task(slow.tokens.refresh(account.id, seen_version=1))
        await stop.wait()
        await stage.rows.execute("UPDATE account_credentials SET refresh_lease_until = now() - interval '1 s'")
        newest, _ = await other.tokens.refresh(account.id, seen_version=1)
        stop.released.set()
        await asyncio.gather(task, return_exceptions=True)
        stored, version = await other.tokens.current(account.id)
        assert (stored.access_token, version) == (newest.access_token, 2)
        assert task.result() == (stored, version)
        assert stage.sandbox.calls("instagram.refresh") == 2

    async def test_an_account_that_was_disconnected_meanwhile_stays_without_tokens(
        self, stage: Stage, make_worker: Any, committed: Container
    ) -> None:
        slow = make_worker("slow")
        account = await ready(stage, "instagram")
        stop = spy_on(slow, "instagram", "connector").stop("refresh", "after")
        task = asyncio.create_task(slow.tokens.refresh(account.id, seen_version=1))
        await stop.wait()
        await committed.accounts.disconnect((await stage.user()).id, account.id)
        stop.released.set()
        await asyncio.gather(task, return_exceptions=True)
        assert isinstance(task.exception(), ReconnectAccount)
        assert await stage.rows.count("account_credentials") == 0
        assert (await status(stage, account.id))[0] == "disconnected"

    async def test_an_answer_that_nobody_overtook_is_kept_though_its_lease_ran_out(
        self, stage: Stage, make_worker: Any
    ) -> None:
        slow = make_worker("slow")
        account = await ready(stage, "tiktok")
        stop = spy_on(slow, "tiktok", "connector").stop("refresh", "after")
        task = asyncio.create_task(slow.tokens.refresh(account.id, seen_version=1))
        await stop.wait()
        await stage.rows.execute("UPDATE account_credentials SET refresh_lease_id = NULL, refresh_lease_until = NULL")
        stop.released.set()
        renewed, _ = await task
        assert await slow.tokens.current(account.id) == (renewed, 2)

    async def test_an_account_that_was_connected_anew_meanwhile_keeps_its_new_tokens(
        self, stage: Stage, make_worker: Any, committed: Container
    ) -> None:
        slow = make_worker("slow")
        account = await ready(stage, "tiktok")
        stop = spy_on(slow, "tiktok", "connector").stop("refresh", "after")
        task = asyncio.create_task(slow.tokens.refresh(account.id, seen_version=1))
        await stop.wait()
        await committed.accounts.disconnect((await stage.user()).id, account.id)
        await stage.connect("tiktok")
        before = await credential(stage, account.id)
        stop.released.set()
        await asyncio.gather(task, return_exceptions=True)
        assert await credential(stage, account.id) == before

    @pytest.mark.parametrize("platform", PLATFORMS)
    @pytest.mark.parametrize("kind", ["error_before", "drop_before"])
    async def test_a_platform_that_is_away_keeps_the_account_connected(
        self, stage: Stage, worker: Container, platform: str, kind: str
    ) -> None:
        account = await ready(stage, platform)
        before = await credential(stage, account.id)
        stage.sandbox.fault(REFRESH[platform], kind, times=9, **({"status": 500} if kind == "error_before" else {}))
        assert await worker.tokens.refresh_due() == 1
        after = await credential(stage, account.id)
        assert await status(stage, account.id) == ("connected", None)
        assert (after.ciphertext, after.version, after.refresh_lease_id) == (before.ciphertext, 1, None)
        assert after.refresh_due_at > before.refresh_due_at + timedelta(minutes=9)
        stage.sandbox.clear_faults()
        await make_due(stage)
        assert await worker.tokens.refresh_due() == 1
        assert (await credential(stage, account.id)).version == 2

    async def test_one_account_in_trouble_does_not_stop_the_others(self, stage: Stage, worker: Container) -> None:
        first, second = await stage.connect("tiktok", "First"), await stage.connect("tiktok", "Second")
        stage.sandbox.revoke("tiktok", first.account_id_external)
        await make_due(stage)
        assert await worker.tokens.refresh_due() == 2
        assert (await status(stage, first.id))[0] == "expired"
        assert await status(stage, second.id) == ("connected", None)
        assert (await credential(stage, second.id)).version == 2

    async def test_whoever_comes_second_gets_the_new_token_or_is_told_to_wait(
        self, stage: Stage, make_worker: Any
    ) -> None:
        first, second = make_worker("first"), make_worker("second")
        account = await ready(stage, "tiktok")
        stop = spy_on(first, "tiktok", "connector").stop("refresh", "before")
        task = asyncio.create_task(first.tokens.refresh(account.id, seen_version=1))
        await stop.wait()
        with pytest.raises(RetryLater):
            await second.tokens.refresh(account.id, seen_version=1)
        stop.released.set()
        renewed, _ = await task
        calls = stage.sandbox.calls("tiktok.token")
        known, version = await second.tokens.refresh(account.id, seen_version=1)
        assert (known.access_token, version) == (renewed.access_token, 2)
        assert stage.sandbox.calls("tiktok.token") == calls

    async def test_an_account_without_tokens_needs_its_owner(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        await stage.rows.execute("DELETE FROM account_credentials")
        for call in (worker.tokens.current(account.id), worker.tokens.refresh(account.id, seen_version=1)):
            with pytest.raises(ReconnectAccount):
                await call


@pytest.mark.usefixtures("public_api")
class TestWhilePublishing:
    async def test_a_dead_token_is_renewed_and_the_post_goes_out(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Fresh coffee")
        stage.sandbox.expire_tokens("tiktok", account.account_id_external)
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert (await credential(stage, account.id)).version == 2
        assert await status(stage, account.id) == ("connected", None)
        assert len(stage.sandbox.published()) == 1

    async def test_a_token_near_its_end_is_renewed_first(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Fresh coffee")
        await stage.rows.execute("UPDATE account_credentials SET expires_at = now() + interval '10 s'")
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert (await credential(stage, account.id)).version == 2

    @pytest.mark.parametrize(("platform", "operation", "status_code", "body"), REFUSED_BY_MISTAKE)
    async def test_a_token_refused_by_mistake_disconnects_nobody(
        self,
        stage: Stage,
        worker: Container,
        platform: str,
        operation: str,
        status_code: int,
        body: dict[str, Any],
    ) -> None:
        account = await stage.connect(platform)
        post_id = await stage.schedule(account, "Fresh coffee")
        stage.sandbox.fault(operation, "error_before", status=status_code, body=body)
        await stage.finish(worker)
        assert await status(stage, account.id) == ("connected", None)
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert len(stage.sandbox.published()) == 1

    @pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
    async def test_a_revoked_grant_holds_the_posts_and_reconnecting_resumes_them(
        self, stage: Stage, worker: Container, committed: Container, platform: str
    ) -> None:
        account = await stage.connect(platform)
        first = await stage.schedule(account, "First")
        second = await stage.schedule(account, "Second")
        later = await stage.schedule(account, "Later", ago=-timedelta(days=1))
        stage.sandbox.revoke(platform, account.account_id_external)
        await stage.run(worker)
        for _ in range(3):
            if (await status(stage, account.id))[0] == "expired" and await stage.open_runs() <= 1:
                break
            await stage.rows.execute(
                "UPDATE publications SET due_at = now() WHERE finished_at IS NULL AND post_id <> :later", later=later
            )
            await stage.rows.execute("UPDATE publishing_lanes SET due_at = now()")
            await stage.run(worker)
        state, reason = await status(stage, account.id)
        assert state == "expired"
        assert reason
        for post_id in (first, second):
            post = await stage.post(post_id)
            assert (post.status, post.error_code) == (PostStatus.on_hold, "account_needs_reconnect")
            assert post.error_message.endswith(".")
        assert (await stage.post(later)).status in (PostStatus.scheduled, PostStatus.on_hold)
        assert stage.sandbox.published() == []
        again = await stage.connect(platform)
        assert again.id == account.id
        assert {(await stage.post(post_id)).status for post_id in (first, second, later)} == {PostStatus.scheduled}
        await stage.finish(worker)
        assert len(stage.sandbox.published()) == 3
