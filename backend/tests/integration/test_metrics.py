"""Numbers of posts: read when they are due, kept as they grow, and never invented."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.make import Factory, MadeUser
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id

PLATFORMS = ("instagram", "facebook", "tiktok")
NUMBERS = ("impressions", "reach", "likes", "comments", "shares", "clicks")
AGES = (0.5, 15, 60)


async def posted(stage: Stage, worker: Container, platform: str = "facebook", *more: tuple[str, str]) -> Any:
    """Publish a post (and more, by platform and account name) and let its numbers become due."""
    post_id = await stage.schedule(await stage.connect(platform), "Fresh coffee")
    for other_platform, name in more:
        await stage.schedule(await stage.connect(other_platform, name), "Fresh coffee")
    await stage.finish(worker)
    await a_day_passes(stage)
    return post_id


async def a_day_passes(stage: Stage) -> None:
    stage.clock.move(timedelta(days=1))
    stage.sandbox.advance(86_400)
    await due(stage)


async def due(stage: Stage) -> None:
    await stage.rows.execute(
        "UPDATE post_metrics SET next_fetch_at = now() - interval '1 s' WHERE next_fetch_at IS NOT NULL"
    )


async def latest(stage: Stage) -> Any:
    return (await stage.rows.execute("SELECT * FROM post_metrics"))[0]


@pytest.mark.usefixtures("public_api")
class TestCollect:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_reads_what_is_due_and_keeps_it(self, stage: Stage, worker: Container, platform: str) -> None:
        await posted(stage, worker, platform)
        assert await worker.metrics.collect() == 1
        row = await latest(stage)
        assert row.reads == 1
        assert row.likes is not None
        assert row.fetched_at is not None
        (snapshot,) = await stage.rows.execute("SELECT * FROM metric_snapshots")
        assert [getattr(snapshot, name) for name in NUMBERS] == [getattr(row, name) for name in NUMBERS]

    async def test_twice_in_a_row_reads_once(self, stage: Stage, worker: Container) -> None:
        await posted(stage, worker)
        assert await worker.metrics.collect() == 1
        calls = stage.sandbox.total_calls()
        assert await worker.metrics.collect() == 0
        assert stage.sandbox.total_calls() == calls
        assert await stage.rows.count("metric_snapshots") == 1

    async def test_two_at_once_read_each_post_once(self, stage: Stage, make_worker: Any) -> None:
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        await posted(stage, workers[0], "facebook", *(("facebook", f"Page {n}") for n in range(3)))
        stage.sandbox.knobs(latency_ms=30)
        assert sum(await asyncio.gather(*(worker.metrics.collect() for worker in workers))) == 4
        assert await stage.rows.count("metric_snapshots") == 4
        assert await stage.rows.execute("SELECT DISTINCT reads FROM post_metrics") == [(1,)]

    async def test_killed_between_call_and_record_is_read_by_the_next_after_the_lease(
        self, stage: Stage, make_worker: Any
    ) -> None:
        dying, other = make_worker("dying"), make_worker("other")
        await posted(stage, dying)
        stop = spy_on(dying, "facebook", "metrics").stop("read", "after")
        task = asyncio.create_task(dying.metrics.collect())
        await stop.wait()
        assert await other.metrics.collect() == 0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await stage.rows.count("metric_snapshots") == 0
        row = await latest(stage)
        assert timedelta(minutes=4) < row.next_fetch_at - datetime.now(UTC) < timedelta(minutes=6)
        await due(stage)
        assert await other.metrics.collect() == 1
        assert (await latest(stage)).reads == 1
        assert await stage.rows.count("metric_snapshots") == 1

    async def test_readings_that_events_asked_for_leave_the_plan_alone(self, stage: Stage, make_worker: Any) -> None:
        """A lively post is read many times in its first minutes, and still at every age planned."""
        worker = make_worker(metrics_ages_minutes=AGES)
        await posted(stage, worker)
        for _ in range(5):
            await due(stage)
            assert await worker.metrics.collect() == 1
        row = await latest(stage)
        assert row.reads == 5
        assert row.next_fetch_at is not None

    async def test_reads_again_at_every_age_and_then_no_more(self, stage: Stage, make_worker: Any) -> None:
        worker = make_worker(metrics_ages_minutes=AGES)
        await posted(stage, worker)
        steps = [(0.5, 15), (15, 60), (60, None)]
        for reads, (age, minutes) in enumerate(steps, start=1):
            await stage.rows.execute(
                "UPDATE post_metrics SET posted_at = now() - CAST(:age AS interval)",
                age=timedelta(minutes=age, seconds=1),
            )
            await due(stage)
            assert await worker.metrics.collect() == 1
            row = await latest(stage)
            assert row.reads == reads
            wanted = None if minutes is None else row.posted_at + timedelta(minutes=minutes)
            assert row.next_fetch_at == wanted
        await due(stage)
        assert await worker.metrics.collect() == 0
        assert await stage.rows.count("metric_snapshots") == 3

    async def test_numbers_grow_from_snapshot_to_snapshot(self, stage: Stage, worker: Container) -> None:
        await posted(stage, worker)
        for _ in range(3):
            await worker.metrics.collect()
            await a_day_passes(stage)
        rows = await stage.rows.execute("SELECT impressions FROM metric_snapshots ORDER BY fetched_at")
        numbers = [row.impressions for row in rows]
        assert len(numbers) == 3
        assert numbers == sorted(numbers)
        assert (await latest(stage)).impressions == numbers[-1]

    async def test_a_platform_that_is_away_is_asked_again_and_keeps_the_old_numbers(
        self, stage: Stage, worker: Container
    ) -> None:
        await posted(stage, worker)
        await worker.metrics.collect()
        before = await latest(stage)
        await due(stage)
        stage.sandbox.knobs(error_500_rate=1.0)
        assert await worker.metrics.collect() == 0
        stage.sandbox.knobs(error_500_rate=0)
        after = await latest(stage)
        assert (after.reads, after.likes, after.fetched_at) == (before.reads, before.likes, before.fetched_at)
        assert after.next_fetch_at > datetime.now(UTC)
        await due(stage)
        assert await worker.metrics.collect() == 1

    async def test_one_account_in_trouble_does_not_stop_the_others(self, stage: Stage, worker: Container) -> None:
        await posted(stage, worker, "tiktok", ("facebook", "Corner Page"))
        stage.sandbox.fault("tiktok.video_query", "error_before", times=9, status=500)
        assert await worker.metrics.collect() == 1
        assert await stage.rows.execute("SELECT platform FROM post_metrics WHERE reads = 1") == [("facebook",)]

    async def test_asks_nothing_for_an_account_that_is_away(self, stage: Stage, worker: Container) -> None:
        await posted(stage, worker)
        await stage.rows.execute("UPDATE social_accounts SET status = 'expired'")
        calls = stage.sandbox.total_calls()
        assert await worker.metrics.collect() == 0
        assert stage.sandbox.total_calls() == calls
        row = await latest(stage)
        assert (row.reads, row.fetched_at) == (0, None)


@pytest.mark.usefixtures("public_api")
class TestUnavailable:
    async def test_is_null_in_the_row_and_named_in_the_answer(
        self, stage: Stage, worker: Container, real_client: httpx.AsyncClient
    ) -> None:
        post_id = await posted(stage, worker, "tiktok")
        real_client.headers.update((await stage.user()).headers)
        missing = await real_client.get(f"/analytics/posts/{post_id}")
        assert problem(missing) == (404, "metrics_not_found")
        await worker.metrics.collect()
        row = await latest(stage)
        assert (row.reach, row.clicks) == (None, None)
        body = ok(await real_client.get(f"/analytics/posts/{post_id}"))
        assert body["unavailable"] == ["reach", "clicks"]
        assert body["available"] == {name: getattr(row, name) for name in NUMBERS}
        assert {name: body[name] for name in NUMBERS} == {name: getattr(row, name) or 0 for name in NUMBERS}
        overview = ok(await real_client.get("/analytics/overview"))
        assert overview["by_platform"]["tiktok"]["unavailable"] == ["reach", "clicks"]


@pytest.fixture
async def shop(factory: Factory, signed_in: MadeUser) -> dict[str, Any]:
    """Three measured posts on two platforms, one that is not measured yet, and one of somebody else."""
    page, clip = await factory.account(signed_in), await factory.account(signed_in, "tiktok")
    first, second, third, fresh = [
        await factory.post(signed_in, account, status=PostStatus.posted) for account in (page, page, clip, clip)
    ]
    monday = datetime(2030, 1, 7, 20, tzinfo=UTC)
    zero = dict.fromkeys(NUMBERS, 0)
    await factory.metrics(
        first, posted_at=monday, impressions=1000, reach=800, likes=30, comments=5, shares=15, clicks=9
    )
    await factory.metrics(second, posted_at=monday + timedelta(days=1), **zero)
    await factory.metrics(third, posted_at=monday + timedelta(hours=5), impressions=200, likes=10, comments=1, shares=0)
    await factory.metrics(fresh, posted_at=monday, fetched_at=None, reads=0)
    other = await factory.user()
    foreign = await factory.post(other, await factory.account(other), status=PostStatus.posted)
    await factory.metrics(foreign, posted_at=monday, **dict.fromkeys(NUMBERS, 7777))
    return {"first": first, "second": second, "third": third, "fresh": fresh, "foreign": foreign, "page": page}


class TestOverview:
    async def test_of_a_new_user_is_zero(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        totals = {f"total_{name}": 0 for name in ("posts", *NUMBERS)}
        assert ok(await client.get("/analytics/overview")) == {
            **totals,
            "avg_engagement_rate": 0.0,
            "by_platform": {},
            "series": [],
            "as_of": None,
        }

    async def test_adds_up_exactly(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        body = ok(await client.get("/analytics/overview"))
        assert body["total_posts"] == 4
        assert [body[f"total_{name}"] for name in NUMBERS] == [1200, 800, 40, 6, 15, 9]
        assert body["avg_engagement_rate"] == 5.08
        facebook, tiktok = body["by_platform"]["facebook"], body["by_platform"]["tiktok"]
        assert (facebook["total_posts"], facebook["avg_engagement_rate"], facebook["unavailable"]) == (2, 5.0, [])
        assert (tiktok["total_posts"], tiktok["avg_engagement_rate"], tiktok["unavailable"]) == (
            2,
            5.5,
            ["reach", "clicks"],
        )
        assert [(day["date"], day["posts"], day["impressions"]) for day in body["series"]] == [
            ("2030-01-07", 2, 1000),
            ("2030-01-08", 2, 200),
        ]

    async def test_counts_days_of_the_users_zone(
        self, client: httpx.AsyncClient, shop: dict[str, Any], factory: Factory, signed_in: MadeUser
    ) -> None:
        await factory.execute("UPDATE users SET timezone = 'America/New_York' WHERE id = :id", id=signed_in.id)
        series = ok(await client.get("/analytics/overview"))["series"]
        assert [(day["date"], day["posts"]) for day in series] == [("2030-01-07", 3), ("2030-01-08", 1)]

    @pytest.mark.parametrize(
        ("query", "posts"),
        [
            ({"platform": "tiktok"}, 2),
            ({"platform": "instagram"}, 0),
            ({"from": "2030-01-08T00:00:00Z"}, 2),
            ({"to": "2030-01-08T00:00:00Z"}, 2),
            ({"from": "2030-01-07T20:00:00Z", "to": "2030-01-08T01:00:00Z"}, 2),
        ],
        ids=str,
    )
    async def test_is_filtered(
        self, client: httpx.AsyncClient, shop: dict[str, Any], query: dict[str, str], posts: int
    ) -> None:
        assert ok(await client.get("/analytics/overview", params=query))["total_posts"] == posts

    async def test_is_filtered_by_account(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        for account_id, posts in ((shop["page"].id, 2), (shop["foreign"].account_id, 0), (new_id(), 0)):
            query = {"account_id": str(account_id)}
            assert ok(await client.get("/analytics/overview", params=query))["total_posts"] == posts

    async def test_refuses_a_time_without_offset(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.get("/analytics/overview", params={"from": "2030-01-01T00:00:00"})
        assert field_errors(response) == [("query.from", "value_error")]


class TestNumbersOfPosts:
    async def test_tell_null_from_zero(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        zero = ok(await client.get(f"/analytics/posts/{shop['second'].id}"))
        assert (zero["available"], zero["unavailable"]) == (dict.fromkeys(NUMBERS, 0), [])
        assert zero["engagement_rate"] == 0
        partial = ok(await client.get(f"/analytics/posts/{shop['third'].id}"))
        assert partial["unavailable"] == ["reach", "clicks"]
        assert (partial["reach"], partial["available"]["reach"]) == (0, None)
        assert partial["engagement_rate"] == 5.5

    async def test_clicks_are_those_of_short_links_where_the_platform_reports_none(
        self, client: httpx.AsyncClient, shop: dict[str, Any], factory: Factory, signed_in: MadeUser
    ) -> None:
        for number, (name, clicks) in enumerate((("first", 100), ("third", 4), ("third", 3))):
            await factory.link(signed_in, code=f"code{number}", post_id=shop[name].id, clicks=clicks)
        measured = ok(await client.get(f"/analytics/posts/{shop['first'].id}"))
        assert (measured["clicks"], measured["clicks_source"]) == (9, "platform")
        counted = ok(await client.get(f"/analytics/posts/{shop['third'].id}"))
        assert (counted["clicks"], counted["clicks_source"], counted["unavailable"]) == (7, "links", ["reach"])
        by_id = {one["post_id"]: one for one in ok(await client.get("/analytics/posts"))["items"]}
        assert by_id[str(shop["third"].id)] == counted
        overview = ok(await client.get("/analytics/overview"))
        assert overview["total_clicks"] == 16
        assert overview["by_platform"]["tiktok"]["unavailable"] == ["reach"]
        assert sum(day["clicks"] for day in overview["series"]) == 16

    async def test_are_a_404_where_there_are_none(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        for post_id in (shop["fresh"].id, shop["foreign"].id, new_id()):
            assert problem(await client.get(f"/analytics/posts/{post_id}")) == (404, "metrics_not_found")

    async def test_are_listed_newest_first(self, client: httpx.AsyncClient, shop: dict[str, Any]) -> None:
        body = ok(await client.get("/analytics/posts", params={"per_page": 2}))
        assert (body["total"], body["page"], body["per_page"]) == (3, 1, 2)
        rest = ok(await client.get("/analytics/posts", params={"per_page": 2, "page": 2}))
        found = [item["post_id"] for item in body["items"] + rest["items"]]
        assert found == [str(shop[name].id) for name in ("second", "third", "first")]
