"""Getting posts out: against the sandbox, on committed data, whatever happens to the workers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.platforms.base import Outcome, Verdict

PLATFORMS = ("instagram", "facebook", "tiktok")
PUBLIC_CALLS = {"facebook": "facebook.feed", "instagram": "instagram.publish", "tiktok": "tiktok.video_init"}

pytestmark = pytest.mark.usefixtures("public_api")


class TestAdvance:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_publishes_a_due_post_and_records_what_it_became(
        self, stage: Stage, worker: Container, platform: str
    ) -> None:
        account = await stage.connect(platform)
        post_id = await stage.schedule(account, "Fresh coffee")
        begun = datetime.now(UTC)
        await stage.finish(worker)
        post = await stage.post(post_id)
        (item,) = stage.sandbox.published()
        assert (post.status, post.error_code, post.attempts) == (PostStatus.posted, None, 1)
        assert post.platform_post_id == item["id"]
        assert post.posted_at > begun
        assert item["account_id"] == account.account_id_external
        (run,) = await stage.rows.publications(post_id)
        assert (run.outcome, run.error_code) == ("posted", None)
        lane = await stage.rows.lane(account.id)
        assert (lane.lease_id, lane.lease_until, lane.due_at) == (None, None, None)
        (metrics,) = await stage.rows.execute("SELECT * FROM post_metrics")
        assert (metrics.post_id, metrics.reads, metrics.fetched_at) == (post_id, 0, None)
        assert await stage.rows.scalar("SELECT last_posted_at FROM social_accounts") > begun

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_twice_in_a_row_publishes_once(self, stage: Stage, worker: Container, platform: str) -> None:
        await stage.schedule(await stage.connect(platform), "Fresh coffee")
        await stage.finish(worker)
        calls = stage.sandbox.total_calls()
        await stage.run(worker)
        await stage.run(worker)
        assert len(stage.sandbox.published()) == 1
        assert stage.sandbox.total_calls() == calls

    async def test_two_workers_at_once_publish_each_post_once(self, stage: Stage, make_worker: Any) -> None:
        accounts = [await stage.connect(platform) for platform in PLATFORMS]
        posts = [await stage.schedule(account, f"Post {n}") for account in accounts for n in range(3)]
        await stage.finish(make_worker("worker-a"), make_worker("worker-b"), make_worker("worker-c"))
        for account in accounts:
            texts = stage.sandbox.texts(platform=account.platform)
            assert sorted(text.split("\n")[0] for text in texts) == ["Post 0", "Post 1", "Post 2"]
        assert {(await stage.post(post_id)).status for post_id in posts} == {PostStatus.posted}
        workers = await stage.rows.execute("SELECT DISTINCT worker FROM publication_attempts")
        assert len(workers) > 1

    async def test_two_drains_of_one_process_are_one(self, stage: Stage, worker: Container) -> None:
        await stage.schedule(await stage.connect(), "Fresh coffee")
        await stage.run(worker, worker, worker)
        assert len(stage.sandbox.published()) == 1

    async def test_leaves_alone_what_is_not_due(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Later", ago=-timedelta(hours=1))
        calls = stage.sandbox.total_calls()
        await stage.run(worker)
        assert (await stage.post(post_id)).status == PostStatus.scheduled
        assert stage.sandbox.total_calls() == calls

    async def test_writes_a_story_without_tokens_and_captions(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "A caption that nobody else has")
        await stage.finish(worker)
        grant, _ = await worker.tokens.current(account.id)
        entries = await stage.rows.execute("SELECT * FROM publication_attempts")
        assert len(entries) >= 3
        told = repr(entries)
        assert grant.access_token not in told
        assert str(grant.refresh_token) not in told
        assert "A caption" not in told
        assert {entry.worker for entry in entries} == {"worker-a"}
        assert (await stage.post(post_id)).status == PostStatus.posted


# A worker dies in the middle of one kind of call, before the call was made or after it, and nothing of it is recorded.
DEATHS = [
    ("facebook", None, "submit"),
    ("facebook", "coffee.jpg", "prepare"),
    ("facebook", "coffee.jpg", "submit"),
    ("instagram", None, "prepare"),
    ("instagram", None, "look"),
    ("instagram", None, "submit"),
    ("tiktok", None, "prepare"),
    ("tiktok", None, "submit"),
    ("tiktok", None, "look"),
]


class TestKilled:
    @pytest.mark.parametrize(("platform", "sample", "step"), DEATHS)
    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_between_call_and_record_the_post_is_out_once_and_the_dead_record_nothing(
        self, stage: Stage, make_worker: Any, platform: str, sample: str | None, step: str, when: str
    ) -> None:
        dying, other = make_worker("dying", publish_concurrency=1), make_worker("other")
        spy = spy_on(dying, platform)
        post_id = await stage.schedule(await stage.connect(platform), "Fresh coffee", sample=sample)
        stop = spy.stop(step, when)
        task = stage.start(dying)
        for _ in range(10):  # some steps come only after a wait
            try:
                async with asyncio.timeout(1.5):
                    await stop.reached.wait()
                break
            except TimeoutError:
                await stage.time_passes(timedelta())
                if task.done():
                    task = stage.start(dying)
        assert stop.reached.is_set()
        assert (await stage.post(post_id)).status == PostStatus.publishing
        await stage.expire_leases()
        await stage.finish(other)
        out = await stage.post(post_id)
        (item,) = stage.sandbox.published()
        assert (out.status, out.platform_post_id) == (PostStatus.posted, item["id"])
        before = await stage.rows.execute("SELECT * FROM publications"), await stage.rows.count("publication_attempts")
        if when == "after" or step == "look":
            stop.released.set()  # the dead come back: their lease is somebody else's
            async with asyncio.timeout(10):
                await task
            assert (
                await stage.rows.execute("SELECT * FROM publications"),
                await stage.rows.count("publication_attempts"),
            ) == before
            assert await stage.post(post_id) == out
        assert len(stage.sandbox.published()) == 1

    async def test_with_a_lease_that_still_runs_nobody_else_takes_over(self, stage: Stage, make_worker: Any) -> None:
        dying, other = make_worker("dying", publish_concurrency=1), make_worker("other")
        stop = spy_on(dying, "facebook").stop("submit", "before")
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.start(dying)
        await stop.wait()
        await stage.run(other)
        assert stage.sandbox.published() == []
        assert (await stage.post(post_id)).status == PostStatus.publishing
        assert await stage.rows.scalar("SELECT lease_owner FROM publishing_lanes") == "dying"

    async def test_before_anything_was_recorded_the_intent_is_found_and_reconciled(
        self, stage: Stage, make_worker: Any
    ) -> None:
        dying, other = make_worker("dying", publish_concurrency=1), make_worker("other")
        stop = spy_on(dying, "facebook").stop("submit", "after")
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.start(dying)
        await stop.wait()
        (run,) = await stage.rows.publications(post_id)
        assert (run.step, run.submitted_at is not None) == ("submit", True)
        await stage.expire_leases()
        spy = spy_on(other, "facebook")
        await stage.finish(other)
        assert (spy.count("reconcile"), spy.count("submit")) == (1, 0)
        operations = await stage.rows.execute("SELECT operation, outcome FROM publication_attempts ORDER BY id")
        assert ("found_orphaned", "reconcile") in operations
        assert ("reconcile", "published") in operations


class TestLostAnswers:
    """The platform acts and does not answer, or answers without acting: the sandbox counts."""

    @pytest.mark.parametrize("platform", PLATFORMS)
    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_before", "error_after"])
    async def test_the_post_is_out_once(self, stage: Stage, worker: Container, platform: str, kind: str) -> None:
        post_id = await stage.schedule(await stage.connect(platform), "Fresh coffee")
        details = {"status": 500} if kind.startswith("error") else {}
        stage.sandbox.fault(PUBLIC_CALLS[platform], kind, **details)
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert len(stage.sandbox.published()) == 1

    async def test_several_in_a_row_still_give_one(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.sandbox.fault("facebook.feed", "drop_before", times=3)
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert len(stage.sandbox.published()) == 1

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
    async def test_a_post_with_the_words_of_the_one_before_is_not_taken_for_it(
        self, stage: Stage, worker: Container, kind: str
    ) -> None:
        account = await stage.connect()
        first = await stage.schedule(account, "Open today until six")
        await stage.finish(worker)
        second = await stage.schedule(account, "Open today until six")
        stage.sandbox.fault("facebook.feed", kind)
        await stage.finish(worker)
        (item,) = stage.sandbox.published()  # Facebook takes no text twice in a row
        out, again = await stage.post(first), await stage.post(second)
        assert (out.status, out.platform_post_id) == (PostStatus.posted, item["id"])
        assert (again.status, again.error_code) == (PostStatus.failed, "outcome_unknown")
        assert (again.platform_post_id, again.permalink) == (None, None)

    async def test_the_owner_is_told_that_it_is_being_looked_into(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.sandbox.fault("facebook.feed", "drop_after")
        await stage.run(worker)
        (run,) = await stage.rows.publications(post_id)
        assert (run.step, run.error_code, run.finished_at) == ("reconcile", "outcome_uncertain", None)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.publishing, "outcome_uncertain")
        assert post.error_message == run.error_message
        lane = await stage.rows.lane(run.account_id)
        assert (lane.lease_id, lane.due_at) == (None, run.due_at)
        assert run.due_at > datetime.now(UTC) + timedelta(seconds=5)
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code, post.error_message) == (PostStatus.posted, None, None)

    async def test_when_nobody_can_tell_the_owner_decides(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.sandbox.fault("facebook.feed", "drop_after")
        spy = spy_on(worker, "facebook")
        spy.answers["reconcile"] = lambda _auth, _draft, done, _media, **_: Verdict(Outcome.unknown, done)
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.failed, "outcome_unknown")
        assert post.error_message == (
            "The platform cannot tell whether this post went out. Look at the account: if it is not there, publish it "
            "again."
        )
        assert spy.count("submit") == 1
        await stage.time_passes(timedelta(days=2))
        await stage.run(worker)
        assert len(stage.sandbox.published()) == 1

    async def test_when_the_platform_stays_away_for_a_day_the_owner_decides(
        self, stage: Stage, worker: Container
    ) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        stage.sandbox.fault("facebook.feed", "drop_after")
        stage.sandbox.fault("facebook.published_posts", "error_before", times=99, status=503)
        await stage.run(worker)
        await stage.time_passes()
        await stage.run(worker)
        assert (await stage.post(post_id)).status == PostStatus.publishing
        await stage.rows.execute("UPDATE publications SET started_at = started_at - interval '24 hours'")
        await stage.time_passes()
        await stage.run(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.failed, "outcome_unknown")
        assert len(stage.sandbox.published()) == 1


class TestLanes:
    async def test_one_publication_at_a_time_per_account(self, stage: Stage, make_worker: Any) -> None:
        accounts = [await stage.connect(name=f"Page {n}") for n in range(3)]
        for account in accounts:
            for n in range(6):
                await stage.schedule(account, f"Post {n}")
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        spies = [spy_on(worker, "facebook") for worker in workers]
        stage.sandbox.knobs(latency_ms=15)
        running: dict[str, int] = {}
        most: dict[str, int] = {}
        for spy in spies:  # count over all workers
            spy.running = _Shared(running, most)
        await stage.finish(*workers)
        assert most == {str(account.id): 1 for account in accounts}
        assert len(stage.sandbox.published()) == 18

    async def test_posts_of_an_account_go_out_in_order(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect()
        for n in (3, 1, 2):
            await stage.schedule(account, f"Post {n}", ago=timedelta(minutes=10 - n))
        await stage.finish(worker)
        assert stage.sandbox.texts() == ["Post 3", "Post 2", "Post 1"]

    async def test_fifty_posts_of_one_account_do_not_delay_another_ones_single_post(
        self, stage: Stage, make_worker: Any
    ) -> None:
        worker = make_worker(publish_concurrency=1)
        stage.sandbox.knobs(enforce_rate_limits=False)
        busy, quiet = await stage.connect(name="Busy Page"), await stage.connect(name="Quiet Page")
        for n in range(50):
            await stage.schedule(busy, f"Busy {n}", ago=timedelta(hours=1))
        single = await stage.schedule(quiet, "Quiet")
        task = stage.start(worker)
        async with asyncio.timeout(20):
            while (await stage.post(single)).status != PostStatus.posted:  # noqa: ASYNC110 - a row has no event
                await asyncio.sleep(0.02)
        ahead = len(stage.sandbox.texts(account_id=busy.account_id_external))
        assert ahead <= 3
        await worker.drain.stop()
        await task

    async def test_a_pause_that_the_platform_asked_for_holds_the_whole_account(
        self, stage: Stage, worker: Container
    ) -> None:
        account = await stage.connect()
        await stage.schedule(account, "Fresh coffee")
        await stage.rows.execute("UPDATE publishing_lanes SET paused_until = now() + interval '1 hour', due_at = NULL")
        await stage.schedule(account, "More coffee")
        await stage.run(worker)
        assert stage.sandbox.published() == []
        lane = await stage.rows.lane(account.id)
        assert lane.due_at == lane.paused_until


class _Shared(dict):  # type: ignore[type-arg]
    """Counts that several spies keep together."""

    def __init__(self, running: dict[str, int], most: dict[str, int]) -> None:
        super().__init__()
        self._running, self._most = running, most

    def __getitem__(self, who: str) -> int:
        return self._running.get(who, 0)

    def __setitem__(self, who: str, value: int) -> None:
        self._running[who] = value
        self._most[who] = max(self._most.get(who, 0), value)


class TestLatePosts:
    async def test_are_held_and_their_owner_is_told(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect()
        late = await stage.schedule(account, "Late", ago=timedelta(hours=6, minutes=1))
        calls = stage.sandbox.total_calls()
        await stage.run(worker)
        post = await stage.post(late)
        assert (post.status, post.error_code) == (PostStatus.on_hold, "too_late")
        assert post.error_message == (
            "This post was due 6 hours ago and could not be sent then. "
            "Publish it now, choose another time, or delete it."
        )
        assert stage.sandbox.total_calls() == calls
        (run,) = await stage.rows.publications(late)
        assert run.outcome == "held"

    async def test_within_the_grace_go_out(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Nearly late", ago=timedelta(hours=5, minutes=59))
        await stage.run(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted

    async def test_that_are_still_being_tried_go_out(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Begun", ago=timedelta(hours=8))
        await stage.rows.execute("UPDATE publications SET started_at = now() - interval '7 hours', due_at = now()")
        await stage.run(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted

    async def test_that_were_begun_before_an_outage_wait_for_their_owner(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Begun", ago=timedelta(hours=8))
        await stage.rows.execute("UPDATE publications SET started_at = now() - interval '8 hours'")
        await stage.run(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.on_hold, "too_late")
        assert stage.sandbox.texts() == []


class TestStop:
    async def test_hands_staging_back_at_once(self, stage: Stage, make_worker: Any) -> None:
        worker = make_worker()
        stop = spy_on(worker, "facebook").stop("prepare", "before")
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        task = stage.start(worker)
        await stop.wait()
        async with asyncio.timeout(3):
            await worker.drain.stop()
        lane = await stage.rows.lane((await stage.post(post_id)).account_id)
        assert (lane.lease_id, lane.lease_until, lane.lease_owner) == (None, None, None)
        await task
        await stage.finish(make_worker("next"))
        assert len(stage.sandbox.published()) == 1

    async def test_waits_for_a_public_call_and_records_it(self, stage: Stage, make_worker: Any) -> None:
        worker = make_worker()
        stop = spy_on(worker, "facebook").stop("submit", "before")
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        task = stage.start(worker)
        await stop.wait()
        stopping = asyncio.create_task(worker.drain.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        stop.released.set()
        async with asyncio.timeout(5):
            await stopping
        await task
        assert (await stage.post(post_id)).status == PostStatus.posted
        assert (await stage.rows.lane((await stage.post(post_id)).account_id)).lease_id is None
        assert len(stage.sandbox.published()) == 1

    async def test_takes_up_nothing_afterwards(self, stage: Stage, worker: Container) -> None:
        await stage.schedule(await stage.connect(), "Fresh coffee")
        await worker.drain.stop()
        await stage.run(worker)
        assert stage.sandbox.published() == []


class TestTroubles:
    async def test_a_busy_platform_is_tried_again_later(self, stage: Stage, worker: Container) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Fresh coffee")
        stage.sandbox.fault("tiktok.creator_info", "error_before", times=2, status=503)
        await stage.run(worker)
        (run,) = await stage.rows.publications(post_id)
        assert (run.step, run.tries, run.finished_at) == ("prepare", 1, None)
        assert run.error_code is not None
        assert run.error_message.endswith(".")
        assert datetime.now(UTC) + timedelta(seconds=1) < run.due_at < datetime.now(UTC) + timedelta(seconds=10)
        assert (await stage.rows.lane(account.id)).due_at == run.due_at
        await stage.finish(worker)
        assert len(stage.sandbox.published()) == 1

    async def test_after_a_day_retries_end_and_the_owner_is_told(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect("tiktok"), "Fresh coffee")
        stage.sandbox.fault("tiktok.creator_info", "error_before", times=99, status=503)
        await stage.run(worker)
        await stage.rows.execute("UPDATE publications SET started_at = started_at - interval '24 hours'")
        await stage.time_passes()
        await stage.run(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.failed, "gave_up")
        assert post.error_message.startswith("We tried for 24 hours without success. The last answer was: ")
        assert stage.sandbox.published() == []

    async def test_content_that_is_refused_fails_with_the_reason(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect("tiktok"), "Fresh coffee")
        stage.sandbox.fault("tiktok.publish", "publish_failed", fail_reason="picture_size_check_failed")
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert post.status == PostStatus.failed
        assert post.error_code
        assert post.error_message.endswith(".")
        (run,) = await stage.rows.publications(post_id)
        assert run.platform_code == "picture_size_check_failed"
        assert stage.sandbox.published() == []

    async def test_a_fault_of_our_own_while_staging_is_tried_again(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        spy = spy_on(worker, "facebook")
        spy.answers["prepare"] = _broken
        await stage.run(worker)
        (run,) = await stage.rows.publications(post_id)
        assert (run.error_code, run.platform_code, run.finished_at) == ("internal_error", "ZeroDivisionError", None)
        spy.answers.clear()
        await stage.finish(worker)
        assert len(stage.sandbox.published()) == 1

    async def test_a_fault_of_our_own_while_submitting_is_never_submitted_on_hope(
        self, stage: Stage, worker: Container
    ) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        spy = spy_on(worker, "facebook")
        spy.answers["submit"] = _broken
        await stage.run(worker)
        (run,) = await stage.rows.publications(post_id)
        assert (run.step, run.error_code) == ("reconcile", "outcome_uncertain")
        spy.answers.clear()
        await stage.finish(worker)
        assert len(stage.sandbox.published()) == 1

    async def test_one_account_in_trouble_does_not_stop_the_others(self, stage: Stage, worker: Container) -> None:
        bad, good = await stage.connect(name="Bad Page"), await stage.connect(name="Good Page")
        await stage.schedule(bad, "Bad")
        await stage.schedule(good, "Good")
        stage.sandbox.fault("facebook.feed", "error_before", times=99, status=503, account_id=bad.account_id_external)
        await stage.run(worker)
        assert stage.sandbox.texts() == ["Good"]

    async def test_the_public_call_is_never_made_while_a_transaction_is_open(
        self, stage: Stage, worker: Container
    ) -> None:
        await stage.schedule(await stage.connect(), "Fresh coffee")
        stop = spy_on(worker, "facebook").stop("submit", "before")
        stage.start(worker)
        await stop.wait()
        held = await stage.rows.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
        )
        assert held == 0
        stop.released.set()


def _broken(*_arguments: Any, **_named: Any) -> Any:
    return 1 / 0


class TestOwnersMeanwhile:
    async def test_a_post_under_way_is_neither_moved_nor_deleted(
        self, stage: Stage, worker: Container, real_client: Any
    ) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        real_client.headers.update((await stage.user()).headers)
        stop = spy_on(worker, "facebook").stop("submit", "before")
        stage.start(worker)
        await stop.wait()
        later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        answers = [
            await real_client.patch(f"/posts/{post_id}", json={"scheduled_for": later}),
            await real_client.patch(f"/posts/{post_id}", json={"scheduled_for": None}),
            await real_client.post(f"/posts/{post_id}/schedule", json={"scheduled_for": later}),
            await real_client.post(f"/posts/{post_id}/publish"),
            await real_client.post(f"/posts/{post_id}/retry"),
            await real_client.delete(f"/posts/{post_id}"),
        ]
        assert [answer.status_code for answer in answers] == [400] * 6
        assert len(await stage.rows.publications(post_id)) == 1
        stop.released.set()
        await stage.finish(worker)
        assert len(stage.sandbox.published()) == 1

    async def test_owner_and_worker_at_once_leave_one_post_and_no_contradiction(
        self, stage: Stage, make_worker: Any, real_client: Any
    ) -> None:
        account = await stage.connect()
        real_client.headers.update((await stage.user()).headers)
        posts = [await stage.schedule(account, f"Post {n}") for n in range(8)]
        worker = make_worker()
        task = stage.start(worker)
        answers = await asyncio.gather(
            *(real_client.patch(f"/posts/{post_id}", json={"scheduled_for": None}) for post_id in posts)
        )
        await task
        await stage.finish(worker)
        drafts = {post_id for post_id, answer in zip(posts, answers, strict=True) if answer.status_code == 200}
        for n, post_id in enumerate(posts):
            post = await stage.post(post_id)
            assert post.status == (PostStatus.draft if post_id in drafts else PostStatus.posted), n
        assert len(stage.sandbox.published()) == len(posts) - len(drafts)

    async def test_retry_of_a_failed_post_gets_it_out(self, stage: Stage, worker: Container, real_client: Any) -> None:
        post_id = await stage.schedule(await stage.connect("tiktok"), "Fresh coffee")
        real_client.headers.update((await stage.user()).headers)
        stage.sandbox.fault("tiktok.publish", "publish_failed", fail_reason="picture_size_check_failed")
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.failed
        assert (await real_client.post(f"/posts/{post_id}/retry")).status_code == 200
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code, post.error_message, post.attempts) == (PostStatus.posted, None, None, 2)
        assert [run.outcome for run in await stage.rows.publications(post_id)] == ["failed", "posted"]
        assert len(stage.sandbox.published()) == 1


class TestLongOutage:
    """An answer was lost, and the installation was away for longer than a post may be late."""

    async def lost(self, stage: Stage, worker: Container, **post: Any) -> UUID:
        account = await stage.connect("facebook")
        post_id = await stage.schedule(account, "Fresh bread", **post)
        operation = "facebook.photo_story" if post else "facebook.feed"
        stage.sandbox.fault(operation, "drop_before")
        await stage.run(worker)
        await stage.rows.execute("UPDATE publications SET submitted_at = submitted_at - interval '30 hours'")
        return post_id

    async def test_what_did_not_go_out_then_does_not_go_out_now(self, stage: Stage, worker: Container) -> None:
        post_id = await self.lost(stage, worker)
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.on_hold, "too_late")
        assert stage.sandbox.calls("facebook.feed") == 1

    async def test_a_story_that_may_have_shown_is_its_owners_decision(self, stage: Stage, worker: Container) -> None:
        post_id = await self.lost(stage, worker, sample="coffee.jpg", post_type="photo_story")
        await stage.finish(worker)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.failed, "outcome_unknown")
        assert stage.sandbox.calls("facebook.photo_story") == 1


class TestProofs:
    async def test_a_failure_that_tiktok_proves_ends_at_once_after_the_last_try(
        self, stage: Stage, worker: Container
    ) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Fresh bread")
        for _ in range(6):
            stage.sandbox.fault("tiktok.publish", "publish_failed", fail_reason="internal")
        await stage.finish(worker, rounds=60)
        post = await stage.post(post_id)
        assert (post.status, post.error_code) == (PostStatus.failed, "tiktok_failed")

    async def test_a_grant_that_was_taken_back_while_tiktok_worked_holds_the_post(
        self, stage: Stage, worker: Container
    ) -> None:
        account = await stage.connect("tiktok")
        post_id = await stage.schedule(account, "Fresh bread")
        stage.sandbox.fault("tiktok.publish", "publish_failed", fail_reason="auth_removed")
        stage.sandbox.revoke("tiktok", str(account.account_id_external))
        await stage.finish(worker)
        assert (await stage.post(post_id)).status == PostStatus.on_hold
