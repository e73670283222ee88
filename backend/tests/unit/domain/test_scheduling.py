"""Slots in local time: across daylight saving, year ends and leap days, with distance and without crowding."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.scheduling import STEP, Plan, Policy, WeeklySlot, moment_of, windows

ZONES = (
    "America/New_York",
    "Europe/Paris",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "America/Santiago",  # changes at midnight: a day without 00:30
    "Pacific/Chatham",  # 12:45 from UTC
    "Africa/Cairo",
)
EVES = (
    datetime(2026, 3, 7, tzinfo=UTC),  # New York goes forward on the 8th
    datetime(2026, 3, 27, tzinfo=UTC),  # Paris on the 29th
    datetime(2026, 4, 3, tzinfo=UTC),  # Lord Howe, Santiago and Chatham go back on the 4th and 5th
    datetime(2026, 4, 23, tzinfo=UTC),  # Cairo forward on the 24th
    datetime(2026, 9, 4, tzinfo=UTC),  # Santiago forward on the 6th
    datetime(2026, 10, 24, tzinfo=UTC),  # Paris back on the 25th
    datetime(2026, 10, 31, tzinfo=UTC),  # New York back on 1 November
    datetime(2026, 12, 29, tzinfo=UTC),
    datetime(2028, 2, 27, tzinfo=UTC),
)


def wall(text: str) -> time:
    return time.fromisoformat(text)


@st.composite
def slots(draw: st.DrawFn) -> WeeklySlot:
    begin = draw(st.integers(0, 24 * 60 - 1))
    length = draw(st.sampled_from([None, 0, 30, 180]))
    end = None if length is None else min(begin + length, 24 * 60 - 1)
    at = [None if minutes is None else time(minutes // 60, minutes % 60) for minutes in (begin, end)]
    assert at[0] is not None
    return WeeklySlot(draw(st.integers(0, 6)), at[0], at[1])


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        slots=tuple(draw(st.lists(slots(), min_size=1, max_size=12))),
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        min_spacing=timedelta(minutes=draw(st.sampled_from([1, 20, 60, 240, 1500]))),
        daily_max=draw(st.integers(1, 5)),
        days_off=frozenset(draw(st.lists(st.dates(date(2026, 3, 1), date(2028, 3, 10)), max_size=3))),
    )


def is_in_a_slot(policy: Policy, moment: datetime) -> bool:
    """Whether a moment lies in a slot of its local day, or right behind the hour that this day does not have."""
    local = moment.astimezone(policy.zone)
    for slot in policy.slots:
        if slot.weekday == local.weekday():
            first = moment_of(local.date(), slot.at, policy.zone)
            last = moment_of(local.date(), slot.until or slot.at, policy.zone)
            if first <= moment <= max(first, last):
                return True
    return False


class TestPlan:
    @settings(max_examples=300)
    @given(policies(), st.sampled_from(EVES), st.lists(st.integers(0, 21 * 24 * 60), max_size=25), st.integers(0, 5000))
    def test_every_time_keeps_every_rule(
        self, policy: Policy, eve: datetime, taken_minutes: list[int], start_minutes: int
    ) -> None:
        taken = [eve + timedelta(minutes=minutes) for minutes in taken_minutes]
        plan, after, until = Plan(policy, taken), eve + timedelta(minutes=start_minutes), eve + timedelta(days=21)
        planned: list[datetime] = []
        while (moment := plan.next_free(after=after, until=until)) is not None:
            planned.append(moment)
            plan.take(moment)
        per_day = Counter(one.astimezone(policy.zone).date() for one in [*taken, *planned])
        for index, moment in enumerate(planned):
            others = [*taken, *planned[:index], *planned[index + 1 :]]
            assert after < moment <= until
            assert all(abs(moment - other) >= policy.min_spacing for other in others)
            assert is_in_a_slot(policy, moment)
            assert moment.astimezone(policy.zone).date() not in policy.days_off
            assert per_day[moment.astimezone(policy.zone).date()] <= max(
                policy.daily_max, Counter(one.astimezone(policy.zone).date() for one in taken).most_common(1)[0][1]
                if taken else 0
            )  # fmt: skip

    @settings(max_examples=150)
    @given(policies(), st.sampled_from(EVES), st.lists(st.integers(0, 10 * 24 * 60), max_size=12))
    def test_takes_the_first_moment_that_is_free(self, policy: Policy, eve: datetime, minutes: list[int]) -> None:
        taken = [eve + timedelta(minutes=one) for one in minutes]
        until = eve + timedelta(days=10)
        per_day = Counter(one.astimezone(policy.zone).date() for one in taken)

        def is_free(day: date, moment: datetime) -> bool:
            return (
                per_day[day] < policy.daily_max
                and moment.astimezone(policy.zone).date() == day
                and all(abs(moment - one) >= policy.min_spacing for one in taken)
            )

        candidates = [
            first + step * STEP
            for day, first, last in windows(policy, after=eve, until=until)
            for step in range((min(last, until) - first) // STEP + 1)
            if first + step * STEP > eve and is_free(day, first + step * STEP)
        ]
        assert Plan(policy, taken).next_free(after=eve, until=until) == min(candidates, default=None)

    def test_a_full_day_is_left_alone(self) -> None:
        policy = Policy((WeeklySlot(0, wall("09:00")), WeeklySlot(1, wall("09:00"))), ZoneInfo("UTC"), daily_max=1)
        monday = datetime(2026, 11, 30, tzinfo=UTC)
        found = Plan(policy, [monday + timedelta(hours=20)]).next_free(after=monday, until=monday + timedelta(days=7))
        assert found == datetime(2026, 12, 1, 9, tzinfo=UTC)

    def test_says_when_there_is_no_room(self) -> None:
        policy = Policy((WeeklySlot(0, wall("09:00")),), ZoneInfo("UTC"))
        monday = datetime(2026, 11, 30, tzinfo=UTC)
        assert Plan(policy, [monday + timedelta(hours=9)]).next_free(after=monday, until=monday) is None


class TestMomentOf:
    @pytest.mark.parametrize(
        ("zone", "day", "at", "expected"),
        [
            ("Europe/Paris", date(2026, 3, 29), "02:30", "2026-03-29T01:30:00+00:00"),  # skipped: 03:30
            ("Europe/Paris", date(2026, 10, 25), "02:30", "2026-10-25T00:30:00+00:00"),  # the first of two
            ("America/New_York", date(2026, 3, 8), "09:00", "2026-03-08T13:00:00+00:00"),
            ("America/New_York", date(2026, 3, 7), "09:00", "2026-03-07T14:00:00+00:00"),
            ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "2026-10-03T15:45:00+00:00"),  # skipped: 02:45
            ("America/Santiago", date(2026, 9, 6), "00:30", "2026-09-06T04:30:00+00:00"),  # skipped: 01:30
            ("Pacific/Chatham", date(2026, 12, 31), "23:59", "2026-12-31T10:14:00+00:00"),
            ("Africa/Cairo", date(2026, 4, 24), "00:30", "2026-04-23T22:30:00+00:00"),  # skipped: 01:30
            ("UTC", date(2028, 2, 29), "12:00", "2028-02-29T12:00:00+00:00"),
        ],
    )
    def test_local_time_in_utc(self, zone: str, day: date, at: str, expected: str) -> None:
        assert moment_of(day, wall(at), ZoneInfo(zone)) == datetime.fromisoformat(expected)

    @settings(max_examples=200)
    @given(st.sampled_from(ZONES), st.dates(date(2026, 1, 1), date(2029, 12, 31)), st.times())
    @example("Europe/Paris", date(2028, 2, 29), time(9, 0))
    def test_shows_the_same_wall_time_but_where_the_day_lacks_it(self, zone: str, day: date, at: time) -> None:
        at = at.replace(second=0, microsecond=0, tzinfo=None)
        local = moment_of(day, at, ZoneInfo(zone)).astimezone(ZoneInfo(zone))
        assert local.date() == day
        moved = (datetime.combine(day, local.time()) - datetime.combine(day, at)).total_seconds() / 60
        assert moved in (0, 30, 60)
        if moved:  # only right after the clock went forward
            before = (local - timedelta(minutes=moved + 90)).utcoffset()
            assert before != local.utcoffset() or (local.astimezone(UTC) - timedelta(hours=2)).astimezone(
                ZoneInfo(zone)
            ).utcoffset() != local.utcoffset()  # fmt: skip
