"""Weekly slots of accounts, hours worth trying, and where there is room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.domain.best_times import POSTS_NEEDED
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id

MONDAY = datetime(2030, 1, 7, tzinfo=UTC)
DAILY = [{"weekday": day, "time": "09:00"} for day in range(7)]


@pytest.fixture
async def owner_in_paris(factory: Factory, client: httpx.AsyncClient) -> MadeUser:
    user = await factory.user(timezone="Europe/Paris")
    client.headers.update(user.headers)
    return user


@pytest.fixture
async def page(factory: Factory, owner_in_paris: MadeUser) -> Any:
    return await factory.account(owner_in_paris, "instagram")


class TestSchedule:
    async def test_has_defaults_and_keeps_what_is_put(self, client: httpx.AsyncClient, page: Any) -> None:
        before = ok(await client.get(f"/accounts/{page.id}/schedule"))
        assert before == {
            "account_id": str(page.id),
            "timezone": "Europe/Paris",
            "uses_own_timezone": False,
            "slots": None,
            "min_spacing_minutes": 60,
            "daily_max": 3,
            "blackout_dates": [],
        }
        wanted = {
            "timezone": "America/New_York",
            "slots": [{"weekday": 4, "time": "18:00", "until": "20:00"}, {"weekday": 0, "time": "09:00"}],
            "min_spacing_minutes": 120,
            "daily_max": 2,
            "blackout_dates": ["2030-12-25", "2030-01-01", "2030-12-25"],
        }
        after = ok(await client.put(f"/accounts/{page.id}/schedule", json=wanted))
        assert after == {
            "account_id": str(page.id),
            "timezone": "America/New_York",
            "uses_own_timezone": True,
            "slots": [
                {"weekday": 0, "time": "09:00", "until": None},
                {"weekday": 4, "time": "18:00", "until": "20:00"},
            ],
            "min_spacing_minutes": 120,
            "daily_max": 2,
            "blackout_dates": ["2030-01-01", "2030-12-25"],
        }
        assert ok(await client.get(f"/accounts/{page.id}/schedule")) == after
        assert ok(await client.put(f"/accounts/{page.id}/schedule", json={})) == before

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({"timezone": "Mars/Olympus"}, [("body.timezone", "unknown_timezone")]),
            ({"slots": [{"weekday": 7, "time": "09:00"}]}, [("body.slots.0.weekday", "less_than_equal")]),
            ({"slots": [{"weekday": 1, "time": "25:00"}]}, [("body.slots.0.time", "time_parsing")]),
            ({"slots": [{"weekday": 1, "time": "09:00:30"}]}, [("body.slots.0.time", "value_error")]),
            ({"slots": [{"weekday": 1, "time": "09:00+02:00"}]}, [("body.slots.0.time", "value_error")]),
            ({"slots": [{"weekday": 1, "time": "23:00", "until": "01:00"}]}, [("body.slots.0", "value_error")]),
            ({"daily_max": 0}, [("body.daily_max", "greater_than_equal")]),
            ({"min_spacing_minutes": 0}, [("body.min_spacing_minutes", "greater_than_equal")]),
        ],
    )
    async def test_names_what_is_wrong_and_keeps_what_was(
        self, client: httpx.AsyncClient, page: Any, factory: Factory, body: Any, errors: Any
    ) -> None:
        assert field_errors(await client.put(f"/accounts/{page.id}/schedule", json=body)) == errors
        assert await factory.count("account_schedules") == 0

    async def test_is_its_owners(self, client: httpx.AsyncClient, page: Any, factory: Factory) -> None:
        client.headers.update((await factory.user()).headers)
        for account_id in (page.id, new_id()):
            for request in (
                client.get(f"/accounts/{account_id}/schedule"),
                client.put(f"/accounts/{account_id}/schedule", json={}),
                client.get(f"/accounts/{account_id}/suggested-times"),
                client.get(f"/accounts/{account_id}/free-slots"),
            ):
                assert problem(await request) == (404, "account_not_found")
        assert await factory.count("account_schedules") == 0


class TestFreeSlots:
    async def test_keep_away_from_posts_days_off_and_full_days(
        self,
        client: httpx.AsyncClient,
        page: Any,
        factory: Factory,
        owner_in_paris: MadeUser,
        api_clock: SteerableClock,
    ) -> None:
        api_clock.fix(MONDAY)
        body = {"slots": DAILY, "blackout_dates": ["2030-01-09"], "daily_max": 1}
        ok(await client.put(f"/accounts/{page.id}/schedule", json=body))
        taken = {"scheduled_for": MONDAY + timedelta(days=1, hours=20)}
        await factory.post(owner_in_paris, page, status=PostStatus.scheduled, **taken)
        await factory.post(
            owner_in_paris, page, status=PostStatus.failed, scheduled_for=MONDAY + timedelta(days=3, hours=8)
        )
        found = ok(await client.get(f"/accounts/{page.id}/free-slots", params={"count": 3}))
        assert found["timezone"] == "Europe/Paris"
        assert [time[:16] for time in found["times"]] == ["2030-01-07T08:00", "2030-01-10T08:00", "2030-01-11T08:00"]

    async def test_are_none_where_there_are_no_slots(self, client: httpx.AsyncClient, page: Any) -> None:
        ok(await client.put(f"/accounts/{page.id}/schedule", json={"slots": []}))
        assert ok(await client.get(f"/accounts/{page.id}/free-slots"))["times"] == []


class TestSuggestedTimes:
    async def measured(self, factory: Factory, user: MadeUser, page: Any, at: datetime, likes: int) -> None:
        post = await factory.post(user, page, status=PostStatus.posted, scheduled_for=at, posted_at=at)
        await factory.metrics(post, posted_at=at, impressions=100, likes=likes, comments=0, shares=0, fetched_at=at)

    async def test_are_documented_ones_before_there_are_enough_posts(
        self, client: httpx.AsyncClient, page: Any, factory: Factory, owner_in_paris: MadeUser
    ) -> None:
        for hours in range(POSTS_NEEDED - 1):
            at = datetime.now(UTC) - timedelta(days=30, hours=hours)
            await self.measured(factory, owner_in_paris, page, at, 10)
        found = ok(await client.get(f"/accounts/{page.id}/suggested-times"))
        assert (found["source"], found["posts"], found["posts_needed"]) == ("default", POSTS_NEEDED - 1, POSTS_NEEDED)
        assert {time["engagement_rate"] for time in found["times"]} == {None}
        assert (found["times"][0]["weekday"], found["times"][0]["time"]) == (0, "10:00")

    async def test_are_the_accounts_own_once_there_are(
        self, client: httpx.AsyncClient, page: Any, factory: Factory, owner_in_paris: MadeUser
    ) -> None:
        now = datetime.now(ZoneInfo("Europe/Paris"))
        monday = (now - timedelta(days=now.weekday() + 28)).replace(hour=18, minute=5)
        for week in range(
            7
        ):  # Monday evening does best, Tuesday noon middling, one lucky post on Sunday, mornings badly
            start = monday - timedelta(weeks=week)
            await self.measured(factory, owner_in_paris, page, start, 12)
            await self.measured(factory, owner_in_paris, page, start + timedelta(hours=18), 6)
            await self.measured(factory, owner_in_paris, page, start + timedelta(days=2, hours=-10), 1)
        await self.measured(factory, owner_in_paris, page, monday + timedelta(days=6), 13)
        found = ok(await client.get(f"/accounts/{page.id}/suggested-times"))
        assert (found["source"], found["posts"]) == ("own", 22)
        best = found["times"][0]
        assert (best["weekday"], best["time"]) == (0, "18:00")
        assert best["label"] == "12.0 % engagement over 7 posts of yours"
        assert [time["engagement_rate"] for time in found["times"]] == sorted(
            (time["engagement_rate"] for time in found["times"]), reverse=True
        )
        assert len(found["times"]) == 2

    async def test_are_used_as_slots_where_none_are_set(
        self, client: httpx.AsyncClient, page: Any, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(MONDAY)
        found = ok(await client.get(f"/accounts/{page.id}/free-slots", params={"count": 2}))
        assert [time[:16] for time in found["times"]] == ["2030-01-07T09:00", "2030-01-08T08:00"]
