"""Comparisons, rankings, hours, captions, followers and the export: exact, scoped, and unknown where unknown."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.platforms.tiktok.connect import SCOPES
from app.services.comparison_service import EXPORT_BATCH, harmless

MONDAY = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
RANGE = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-16T00:00:00Z"}
DAY = timedelta(days=1)
ENTERPRISE_ONLY = ("/analytics/compare", "/analytics/best-times", "/analytics/export.csv")
FOR_ALL = ("/analytics/best-posts", "/analytics/captions", "/analytics/followers", "/analytics/overview")


async def measured(
    factory: Factory, user: MadeUser, account: Any, at: datetime, *, content: str = "Tea", **numbers: Any
) -> Any:
    """A published post with its latest numbers."""
    post_values = {name: numbers.pop(name) for name in ("queue_item_id", "created_at") if name in numbers}
    post = await factory.post(
        user,
        account,
        status=PostStatus.posted,
        posted_at=at,
        content=content,
        permalink="https://p.example/1",
        **post_values,
    )
    await factory.metrics(post, posted_at=at, **numbers)
    return post


class TestPlan:
    @pytest.mark.parametrize("plan", ["free", "pro"])
    @pytest.mark.parametrize("path", ENTERPRISE_ONLY)
    async def test_comparing_is_for_enterprise(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, plan: str, path: str
    ) -> None:
        await factory.subscribe(signed_in, plan)
        assert problem(await client.get(path)) == (403, "not_in_plan")

    @pytest.mark.parametrize("path", FOR_ALL)
    async def test_the_rest_is_for_everybody(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, path: str
    ) -> None:
        await factory.subscribe(signed_in, "free")
        assert (await client.get(path)).status_code == 200

    @pytest.mark.parametrize("path", [*ENTERPRISE_ONLY, *FOR_ALL[:3]])
    async def test_an_account_of_somebody_else_is_not_there(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, path: str
    ) -> None:
        other = await factory.account(await factory.user())
        response = await client.get(path, params={"account_id": str(other.id)})
        assert problem(response) == (404, "account_not_found")

    @pytest.mark.parametrize("path", [*ENTERPRISE_ONLY, *FOR_ALL])
    async def test_nothing_of_somebody_else_is_counted(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, path: str
    ) -> None:
        before = (await client.get(path)).text
        other = await factory.user()
        account = await factory.account(other)
        await measured(factory, other, account, datetime.now(UTC) - DAY, impressions=10, likes=5)
        await factory.execute(
            "INSERT INTO account_snapshots VALUES (gen_random_uuid(), :account, :user, 5, now())",
            account=account.id,
            user=other.id,
        )
        after = (await client.get(path)).text
        if path != "/analytics/compare":  # that one tells until when it looked
            assert after == before
        else:
            assert '"platforms":[]' in after


class TestCompare:
    async def test_platforms_by_week_with_the_time_before_and_gaps(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        facebook, tiktok = await factory.account(signed_in), await factory.account(signed_in, "tiktok")
        await measured(factory, signed_in, facebook, MONDAY, impressions=100, likes=8, comments=2, shares=0, clicks=3)
        await measured(factory, signed_in, facebook, MONDAY + DAY, impressions=300, likes=10)
        await measured(factory, signed_in, facebook, MONDAY + DAY, likes=50)  # nobody says how often it was seen
        await measured(factory, signed_in, tiktok, MONDAY + 7 * DAY, impressions=50, likes=5)
        await measured(factory, signed_in, tiktok, MONDAY - 7 * DAY, impressions=20, likes=1)
        await measured(factory, signed_in, tiktok, MONDAY - 30 * DAY, impressions=7, likes=7)
        found = ok(await client.get("/analytics/compare", params=RANGE))
        assert [one["platform"] for one in found["platforms"]] == ["facebook", "tiktok"]
        first, second = found["platforms"]
        assert first["total"] == {
            "posts": 3,
            "impressions": 400,
            "reach": None,
            "likes": 68,
            "comments": 2,
            "shares": 0,
            "clicks": 3,
            "engagement_rate": 5.0,
            "rated_posts": 2,
        }
        assert first["previous"]["posts"] == 0
        assert first["previous"]["engagement_rate"] is None
        assert [(point["date"], point["posts"]) for point in first["points"]] == [("2026-11-02", 3), ("2026-11-09", 0)]
        assert first["points"][1]["impressions"] is None
        assert (second["total"]["engagement_rate"], second["previous"]["engagement_rate"]) == (10.0, 5.0)
        assert [(point["date"], point["posts"]) for point in second["points"]] == [("2026-11-02", 0), ("2026-11-09", 1)]
        assert found["as_of"] is not None

    async def test_days_are_those_of_the_users_time_zone(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user(timezone="Pacific/Auckland")
        client.headers.update(user.headers)
        account = await factory.account(user)
        await measured(factory, user, account, datetime(2026, 11, 2, 12, 0, tzinfo=UTC), impressions=1)
        wanted = {"from": "2026-11-01T11:00:00Z", "to": "2026-11-03T11:00:00Z", "interval": "day"}
        (platform,) = ok(await client.get("/analytics/compare", params=wanted))["platforms"]
        assert [(point["date"], point["posts"]) for point in platform["points"]] == [
            ("2026-11-02", 0),
            ("2026-11-03", 1),
        ]

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            ({"from": "2026-11-02T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, "range_is_empty"),
            ({"from": "2020-11-02T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, "range_too_long"),
        ],
    )
    async def test_ranges_that_make_no_sense_are_refused(
        self, client: httpx.AsyncClient, signed_in: MadeUser, wanted: dict[str, str], code: str
    ) -> None:
        for path in ("/analytics/compare", "/analytics/followers"):
            assert field_errors(await client.get(path, params=wanted)) == [("query.from", code)]

    async def test_the_overview_by_week(self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser) -> None:
        account = await factory.account(signed_in)
        for days in (0, 6, 7):
            await measured(factory, signed_in, account, MONDAY + days * DAY, impressions=10, likes=1)
        series = ok(await client.get("/analytics/overview?interval=week"))["series"]
        assert [(point["date"], point["posts"], point["impressions"]) for point in series] == [
            ("2026-11-02", 2, 20),
            ("2026-11-09", 1, 10),
        ]


class TestBestPosts:
    async def test_are_ranked_by_what_is_known(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in, account_name="Corner Cafe")
        good = await measured(factory, signed_in, account, MONDAY, content="Good\ntea", impressions=100, likes=20)
        seen = await measured(factory, signed_in, account, MONDAY, impressions=1000, likes=30, shares=None)
        liked = await measured(factory, signed_in, account, MONDAY, likes=99)
        await measured(factory, signed_in, account, MONDAY)
        rate = ok(await client.get("/analytics/best-posts"))
        assert (rate["posts"], rate["posts_unknown"]) == (2, 2)
        assert [(one["post_id"], one["value"]) for one in rate["items"]] == [(str(good.id), 20.0), (str(seen.id), 3.0)]
        assert rate["items"][0]["excerpt"] == "Good tea"
        assert rate["items"][0]["account_name"] == "Corner Cafe"
        likes = ok(await client.get("/analytics/best-posts?by=likes&limit=1"))
        assert (likes["posts"], likes["posts_unknown"]) == (3, 1)
        assert [(one["post_id"], one["value"], one["engagement_rate"]) for one in likes["items"]] == [
            (str(liked.id), 99.0, None)
        ]
        reach = ok(await client.get("/analytics/best-posts?by=reach"))
        assert (reach["posts"], reach["posts_unknown"], reach["items"]) == (0, 4, [])


class TestBestTimes:
    async def test_few_posts_say_nothing_yet(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in)
        await measured(factory, signed_in, account, MONDAY, impressions=100, likes=4)
        await measured(factory, signed_in, account, MONDAY, impressions=100, likes=8)
        await measured(factory, signed_in, account, MONDAY, likes=8)
        (found,) = ok(await client.get("/analytics/best-times"))["platforms"]
        assert (found["source"], found["posts"], found["posts_needed"], found["posts_unknown"]) == ("default", 2, 20, 1)
        assert found["hours"] == [{"weekday": 0, "time": "09:00", "posts": 2, "engagement_rate": 6.0}]
        assert {one["engagement_rate"] for one in found["best"]} == {None}

    async def test_many_posts_do_in_the_users_own_hours(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user(timezone="Europe/Berlin")
        client.headers.update(user.headers)
        account = await factory.account(user)
        for week in range(3):
            for weekday in range(7):
                likes = 20 if weekday == 2 else 2
                at = MONDAY + timedelta(days=weekday + 7 * week)
                await measured(factory, user, account, at, impressions=100, likes=likes)
        (found,) = ok(await client.get("/analytics/best-times?platform=facebook"))["platforms"]
        assert (found["source"], found["posts"]) == ("own", 21)
        assert (found["best"][0]["weekday"], found["best"][0]["time"]) == (2, "10:00")
        assert found["hours"][2] == {"weekday": 2, "time": "10:00", "posts": 3, "engagement_rate": 20.0}
        assert len(found["hours"]) == 7


class TestCaptions:
    async def item(self, factory: Factory, user: MadeUser, *versions: tuple[str, str | None, dict[str, Any]]) -> UUID:
        item = new_id()
        await factory.execute(
            "INSERT INTO content_queue (id, user_id, product_data, status, version) "
            "VALUES (:id, :user, '{}', 'posted', :version)",
            id=item,
            user=user.id,
            version=len(versions),
        )
        for number, (source, tone, caption) in enumerate(versions, 1):
            await factory.execute(
                "INSERT INTO caption_versions (id, item_id, user_id, version, source, tone, captions, created_at) "
                "VALUES (:id, :item, :user, :version, :source, :tone, "
                "jsonb_build_object('facebook', CAST(:c AS jsonb)), :at)",
                id=new_id(),
                item=item,
                user=user.id,
                version=number,
                source=source,
                tone=tone,
                c=json.dumps(caption),
                at=MONDAY - DAY + timedelta(minutes=number),
            )
        return item

    async def test_by_writer_tone_and_hand(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in)
        written = {"model": "claude-haiku-5-5", "is_edited": False}
        changed = {"model": "claude-haiku-5-5", "is_edited": True}
        plain = await self.item(factory, signed_in, ("generated", "funny", written))
        edited = await self.item(
            factory,
            signed_in,
            ("generated", "engaging", written),
            ("generated", "funny", written),
            ("edited", None, changed),
        )
        later = await self.item(factory, signed_in, ("generated", "funny", written))
        await factory.execute(  # written after the post was made: the post has nothing of it
            "INSERT INTO caption_versions (id, item_id, user_id, version, source, tone, captions, created_at) VALUES "
            "(gen_random_uuid(), :item, :user, 2, 'generated', 'formal', "
            '\'{"facebook": {"model": "template"}}\', :at)',
            item=later,
            user=signed_in.id,
            at=MONDAY + DAY,
        )
        for item, numbers in ((plain, {"impressions": 100, "likes": 5}), (edited, {"likes": 4}), (later, {})):
            await measured(factory, signed_in, account, MONDAY, queue_item_id=item, created_at=MONDAY, **numbers)
        await measured(factory, signed_in, account, MONDAY, impressions=9, likes=9)  # not from the queue
        items = ok(await client.get("/analytics/captions"))["items"]
        shown = [
            (one["model"], one["tone"], one["is_edited"], one["posts"], one["engagement_rate"], one["rated_posts"])
            for one in items
        ]
        assert shown == [
            ("claude-haiku-5-5", "funny", False, 2, 5.0, 1),
            ("claude-haiku-5-5", "funny", True, 1, None, 0),
        ]
        assert [one["impressions"] for one in items] == [100, None]


class TestExport:
    async def rows(self, client: httpx.AsyncClient, **wanted: str) -> list[dict[str, str]]:
        response = await client.get("/analytics/export.csv", params=wanted)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in response.headers["content-disposition"]
        assert response.text.startswith("\ufeff")
        return list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"), newline="")))

    async def test_has_every_post_once_oldest_first_and_says_what_is_unknown(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in, account_name="=HYPERLINK(1)")
        text = '=1+1\r\n"quoted", and more'
        late = await measured(factory, signed_in, account, MONDAY + DAY, content=text, impressions=200, likes=3)
        early = await measured(factory, signed_in, account, MONDAY, clicks=4, fetched_at=None)
        rows = await self.rows(client)
        assert [row["post_id"] for row in rows] == [str(early.id), str(late.id)]
        assert rows[1]["text"] == "'" + text
        assert rows[1]["account"] == "'=HYPERLINK(1)"
        assert (rows[1]["impressions"], rows[1]["engagement_rate"], rows[1]["reach"]) == ("200", "1.50", "unavailable")
        assert (rows[0]["clicks"], rows[0]["clicks_source"], rows[0]["as_of"]) == ("4", "platform", "unavailable")
        assert rows[0]["engagement_rate"] == "unavailable"
        assert rows[0]["posted_at"] == "2026-11-02T09:30:00+00:00"
        assert await self.rows(client, platform="tiktok") == []
        assert len(await self.rows(client, **{"from": "2026-11-03T00:00:00Z"})) == 1

    async def test_goes_on_over_many_posts_of_one_moment(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in)
        count = 2 * EXPORT_BATCH + 3
        await factory.execute(
            "INSERT INTO posts (id, user_id, account_id, platform, post_type, content, status) "
            "SELECT gen_random_uuid(), :user, :account, 'facebook', 'text', n::text, 'posted' "
            "FROM generate_series(1, :count) n",
            user=signed_in.id,
            account=account.id,
            count=count,
        )
        await factory.execute(
            "INSERT INTO post_metrics (id, post_id, user_id, account_id, platform, posted_at) "
            "SELECT gen_random_uuid(), id, user_id, account_id, platform, :at FROM posts",
            at=MONDAY,
        )
        rows = await self.rows(client)
        assert sorted(int(row["text"]) for row in rows) == list(range(1, count + 1))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("  =1", "'  =1"),
            ("Tea = good", "Tea = good"),
            ("", ""),
        ],
    )
    def test_no_text_is_a_formula(self, text: str, expected: str) -> None:
        assert harmless(text) == expected


class TestFollowers:
    async def test_by_day_as_they_were_at_its_end(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        account, tiktok = await factory.account(signed_in), await factory.account(signed_in, "tiktok")
        await factory.account(signed_in, "instagram")
        for hours, followers in ((0, 100), (3, 110), (24, None), (48, 130)):
            await factory.execute(
                "INSERT INTO account_snapshots VALUES (gen_random_uuid(), :account, :user, :followers, :at)",
                account=account.id,
                user=signed_in.id,
                followers=followers,
                at=MONDAY + timedelta(hours=hours),
            )
        await factory.execute(
            "INSERT INTO account_snapshots VALUES (gen_random_uuid(), :account, :user, NULL, :at)",
            account=tiktok.id,
            user=signed_in.id,
            at=MONDAY,
        )
        first, second, third = ok(await client.get("/analytics/followers", params=RANGE))["accounts"]
        assert [(point["date"], point["followers"]) for point in first["points"]] == [
            ("2026-11-02", 110),
            ("2026-11-03", None),
            ("2026-11-04", 130),
        ]
        assert (first["followers"], first["change"]) == (130, 20)
        assert datetime.fromisoformat(first["as_of"]) == MONDAY + 2 * DAY
        assert (second["followers"], second["change"], len(second["points"])) == (None, None, 1)
        assert (third["followers"], third["as_of"], third["points"]) == (None, None, [])


@pytest.mark.usefixtures("public_api")
class TestCounting:
    async def test_asks_every_platform_once_a_day(self, stage: Stage, worker: Container, clock: SteerableClock) -> None:
        for platform in ("instagram", "facebook", "tiktok"):
            await stage.connect(platform)
        assert [await worker.followers.collect(), await worker.followers.collect()] == [3, 0]
        found = dict(
            await stage.rows.execute(
                "SELECT a.platform, s.followers FROM account_snapshots s JOIN social_accounts a ON a.id = s.account_id"
            )
        )
        assert found["tiktok"] is None  # its app has not asked for that permission
        assert found["facebook"] > 1000
        assert found["instagram"] > 1000
        clock.move(DAY)
        stage.sandbox.advance(86_400)
        assert await worker.followers.collect() == 3
        assert await stage.rows.count("account_snapshots") == 6

    async def test_tiktok_says_it_once_that_permission_was_given(
        self, monkeypatch: pytest.MonkeyPatch, stage: Stage, worker: Container
    ) -> None:
        monkeypatch.setattr("app.platforms.tiktok.connect.SCOPES", (*SCOPES, "user.info.stats"))
        await stage.connect("tiktok")
        assert await worker.followers.collect() == 1
        assert await stage.rows.scalar("SELECT followers FROM account_snapshots") > 1000

    async def test_two_at_once_count_each_account_once(self, stage: Stage, make_worker: Any) -> None:
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        for number in range(6):
            await stage.connect("facebook", f"Page {number}")
        stage.sandbox.knobs(latency_ms=30)
        assert sum(await asyncio.gather(*(one.followers.collect() for one in workers))) == 6
        assert await stage.rows.count("account_snapshots") == 6

    async def test_killed_between_call_and_record_is_counted_after_the_lease(
        self, stage: Stage, make_worker: Any, clock: SteerableClock
    ) -> None:
        dying, heir = make_worker("dying"), make_worker("heir")
        await stage.connect("facebook")
        stop = spy_on(dying, "facebook", "metrics").stop("followers", "after")
        task = asyncio.create_task(dying.followers.collect())
        await stop.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await heir.followers.collect() == 0
        clock.move(timedelta(hours=1))
        assert await heir.followers.collect() == 1
        assert await stage.rows.count("account_snapshots") == 1

    async def test_a_platform_that_is_away_is_asked_again_in_an_hour(
        self, stage: Stage, worker: Container, clock: SteerableClock
    ) -> None:
        await stage.connect("facebook")
        stage.sandbox.knobs(error_500_rate=1)
        assert await worker.followers.collect() == 0
        stage.sandbox.knobs(error_500_rate=0)
        clock.move(timedelta(hours=1))
        assert await worker.followers.collect() == 1
