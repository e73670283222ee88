"""The calendar: days of a time zone, those of 23 and 25 hours included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from factories.answers import field_errors, ok, with_moments
from factories.make import Factory, MadeUser

from app.domain.vocabulary import AccountStatus, PostStatus

NEW_YORK = "America/New_York"
KOLKATA = "Asia/Kolkata"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


async def by_day(client: httpx.AsyncClient, first: str, last: str, zone: str | None = None) -> dict[str, list[str]]:
    """Return contents by date, of the days that have posts; check that every day is there, in order."""
    query = {"start_date": first, "end_date": last, **({"timezone": zone} if zone else {})}
    body = ok(await client.get("/posts/calendar", params=query))
    start, end = datetime.fromisoformat(first).date(), datetime.fromisoformat(last).date()
    dates = [str(start + timedelta(days=n)) for n in range((end - start).days + 1)]
    assert [day["date"] for day in body["days"]] == dates
    assert body["total_posts"] == sum(len(day["posts"]) for day in body["days"])
    return {day["date"]: [post["content"] for post in day["posts"]] for day in body["days"] if day["posts"]}


@pytest.fixture
async def page(factory: Factory, signed_in: MadeUser) -> Any:
    return await factory.account(signed_in)


@pytest.fixture
def schedule(factory: Factory, signed_in: MadeUser, page: Any) -> Any:
    async def schedule(**times: datetime) -> None:
        for content, at in times.items():
            await factory.post(signed_in, page, status=PostStatus.scheduled, content=content, scheduled_for=at)

    return schedule


class TestDays:
    async def test_are_those_of_the_zone_asked_for(self, client: httpx.AsyncClient, schedule: Any) -> None:
        await schedule(
            last_of_monday=utc(2030, 1, 8, 4, 59, 59),
            first_of_tuesday=utc(2030, 1, 8, 5),
            last_of_tuesday=utc(2030, 1, 9, 4, 59, 59),
            first_of_wednesday=utc(2030, 1, 9, 5),
        )
        assert await by_day(client, "2030-01-08", "2030-01-08", NEW_YORK) == {
            "2030-01-08": ["first_of_tuesday", "last_of_tuesday"]
        }
        assert await by_day(client, "2030-01-07", "2030-01-09", NEW_YORK) == {
            "2030-01-07": ["last_of_monday"],
            "2030-01-08": ["first_of_tuesday", "last_of_tuesday"],
            "2030-01-09": ["first_of_wednesday"],
        }
        assert await by_day(client, "2030-01-07", "2030-01-09", "UTC") == {
            "2030-01-08": ["last_of_monday", "first_of_tuesday"],
            "2030-01-09": ["last_of_tuesday", "first_of_wednesday"],
        }

    async def test_begin_at_half_hours_where_the_zone_does(self, client: httpx.AsyncClient, schedule: Any) -> None:
        await schedule(before=utc(2030, 6, 9, 18, 29, 59), first=utc(2030, 6, 9, 18, 30), last=utc(2030, 6, 10, 18, 29))
        assert await by_day(client, "2030-06-10", "2030-06-10", KOLKATA) == {"2030-06-10": ["first", "last"]}

    async def test_of_23_hours_end_an_hour_sooner(self, client: httpx.AsyncClient, schedule: Any) -> None:
        # Clocks in New York go forward on 10 March 2030 at 2:00.
        await schedule(
            first=utc(2030, 3, 10, 5),
            last=utc(2030, 3, 11, 3, 59),
            next_day=utc(2030, 3, 11, 4),
            gap=utc(2030, 3, 10, 7),
        )
        assert await by_day(client, "2030-03-10", "2030-03-11", NEW_YORK) == {
            "2030-03-10": ["first", "gap", "last"],
            "2030-03-11": ["next_day"],
        }

    async def test_of_25_hours_end_an_hour_later(self, client: httpx.AsyncClient, schedule: Any) -> None:
        # Clocks in New York go back on 3 November 2030 at 2:00: half past one comes twice.
        await schedule(
            first=utc(2030, 11, 3, 4),
            half_past_one=utc(2030, 11, 3, 5, 30),
            half_past_one_again=utc(2030, 11, 3, 6, 30),
            last=utc(2030, 11, 4, 4, 59),
            next_day=utc(2030, 11, 4, 5),
        )
        assert await by_day(client, "2030-11-03", "2030-11-04", NEW_YORK) == {
            "2030-11-03": ["first", "half_past_one", "half_past_one_again", "last"],
            "2030-11-04": ["next_day"],
        }

    @pytest.mark.parametrize("zone", [NEW_YORK, KOLKATA, "Pacific/Apia", "America/Santiago", "Africa/Cairo", "UTC"])
    async def test_hold_every_post_of_a_year_exactly_once(
        self, client: httpx.AsyncClient, schedule: Any, zone: str
    ) -> None:
        times = {f"p{n}": utc(2030, 1, 1, 3) + timedelta(hours=67 * n) for n in range(128)}
        await schedule(**times)
        found = await by_day(client, "2030-01-01", "2030-12-31", zone)
        local = {name: str(at.astimezone(ZoneInfo(zone)).date()) for name, at in times.items()}
        inside = {name: day for name, day in local.items() if day.startswith("2030")}
        assert {name: day for day, names in found.items() for name in names} == inside

    async def test_are_the_users_own_unless_another_zone_is_named(
        self, client: httpx.AsyncClient, factory: Factory
    ) -> None:
        user = await factory.user(timezone=KOLKATA)
        account = await factory.account(user)
        await factory.post(
            user, account, status=PostStatus.scheduled, content="late", scheduled_for=utc(2030, 6, 9, 20)
        )
        client.headers.update(user.headers)
        assert await by_day(client, "2030-06-09", "2030-06-10") == {"2030-06-10": ["late"]}
        assert await by_day(client, "2030-06-09", "2030-06-10", "UTC") == {"2030-06-09": ["late"]}

    async def test_show_each_post_as_it_is_shown_alone(self, client: httpx.AsyncClient, schedule: Any) -> None:
        await schedule(one=utc(2030, 1, 8, 12))
        query = {"start_date": "2030-01-08", "end_date": "2030-01-08"}
        (day,) = ok(await client.get("/posts/calendar", params=query))["days"]
        (post,) = day["posts"]
        assert with_moments(ok(await client.get(f"/posts/{post['id']}"))) == with_moments(post)

    async def test_leave_out_drafts_and_other_peoples_posts(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any
    ) -> None:
        other = await factory.user()
        foreign = await factory.account(other)
        at = utc(2030, 1, 8, 12)
        await factory.post(other, foreign, status=PostStatus.scheduled, scheduled_for=at)
        await factory.post(signed_in, page)
        assert await by_day(client, "2030-01-08", "2030-01-08") == {}

    async def test_are_filtered(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any, schedule: Any
    ) -> None:
        await schedule(waiting=utc(2030, 1, 8, 12))
        gram = await factory.account(signed_in, "instagram")
        await factory.post(signed_in, gram, status=PostStatus.posted, content="out", scheduled_for=utc(2030, 1, 8, 13))
        for query, expected in (
            ({"status": "posted"}, ["out"]),
            ({"platform": "facebook"}, ["waiting"]),
            ({"account_id": str(gram.id)}, ["out"]),
            ({}, ["waiting", "out"]),
        ):
            dates = {"start_date": "2030-01-08", "end_date": "2030-01-08"}
            body = ok(await client.get("/posts/calendar", params={**dates, **query}))
            assert [post["content"] for post in body["days"][0]["posts"]] == expected
            assert body["total_posts"] == len(expected)


class TestRange:
    async def test_may_have_366_days(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        query = {"start_date": "2032-01-01", "end_date": "2032-12-31"}
        assert len(ok(await client.get("/posts/calendar", params=query))["days"]) == 366

    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("2032-01-01", "2033-01-01"),
            ("2030-01-02", "2030-01-01"),
            ("0001-01-01", "0001-01-02"),
            ("9999-12-30", "9999-12-31"),
        ],
    )
    async def test_refuses_more_none_and_the_ends_of_time(
        self, client: httpx.AsyncClient, signed_in: MadeUser, first: str, last: str
    ) -> None:
        for zone in ("UTC", "Pacific/Kiritimati", "Pacific/Midway"):
            query = {"start_date": first, "end_date": last, "timezone": zone}
            response = await client.get("/posts/calendar", params=query)
            assert field_errors(response) == [("query.end_date", "invalid_range")]

    @pytest.mark.parametrize(
        ("query", "paths"),
        [
            ({}, ["query.start_date", "query.end_date"]),
            ({"start_date": "2030-01-01"}, ["query.end_date"]),
            ({"start_date": "2030-02-30", "end_date": "2030-03-01"}, ["query.start_date"]),
            ({"start_date": "January", "end_date": "2030-03-01"}, ["query.start_date"]),
        ],
        ids=str,
    )
    async def test_needs_two_dates(
        self, client: httpx.AsyncClient, signed_in: MadeUser, query: dict[str, str], paths: list[str]
    ) -> None:
        response = await client.get("/posts/calendar", params=query)
        assert [path for path, _ in field_errors(response)] == paths

    @pytest.mark.parametrize("zone", ["Mars/Olympus", "new york", "../../etc/passwd", "EST5EDT4", "+02:00", "\x00"])
    async def test_refuses_an_unknown_zone(self, client: httpx.AsyncClient, signed_in: MadeUser, zone: str) -> None:
        query = {"start_date": "2030-01-01", "end_date": "2030-01-02", "timezone": zone}
        response = await client.get("/posts/calendar", params=query)
        assert field_errors(response) == [("query.timezone", "unknown_timezone")]


class TestSuggestedTimes:
    async def test_are_those_of_connected_platforms(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, page: Any
    ) -> None:
        await factory.account(signed_in, "instagram", status=AccountStatus.expired)
        await factory.account(signed_in)
        query = {"start_date": "2030-01-08", "end_date": "2030-01-08"}  # a Tuesday
        (day,) = ok(await client.get("/posts/calendar", params=query))["days"]
        assert day["suggested_times"] == [
            {"platform": "facebook", "time": "08:00", "label": "Usually busy from 08:00 to 14:00"}
        ]

    async def test_are_none_without_an_account(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        query = {"start_date": "2030-01-07", "end_date": "2030-01-13"}
        body = ok(await client.get("/posts/calendar", params=query))
        assert [day["suggested_times"] for day in body["days"]] == [[]] * 7
