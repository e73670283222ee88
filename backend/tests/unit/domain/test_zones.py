"""Days in people's time zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.zones import days_between, find_zone, start_of_day

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "America/Santiago", "Africa/Cairo", "Asia/Beirut")
DAYS = st.dates(date(1990, 1, 1), date(2037, 12, 31))


class TestFindZone:
    @pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Asia/Kathmandu"])
    def test_knows_iana_names(self, name: str) -> None:
        assert find_zone(name) == ZoneInfo(name)

    @pytest.mark.parametrize("name", ["", "Paris", "europe/paris", "../etc/passwd", "/etc/localtime", "\x00", "+01:00"])
    def test_knows_nothing_else(self, name: str) -> None:
        assert find_zone(name) is None


class TestStartOfDay:
    @pytest.mark.parametrize(
        ("day", "zone", "expected"),
        [
            (date(2030, 1, 8), "UTC", datetime(2030, 1, 8, tzinfo=UTC)),
            (date(2030, 1, 8), "America/New_York", datetime(2030, 1, 8, 5, tzinfo=UTC)),
            (date(2030, 7, 8), "America/New_York", datetime(2030, 7, 8, 4, tzinfo=UTC)),
            (date(2030, 1, 8), "Asia/Kolkata", datetime(2030, 1, 7, 18, 30, tzinfo=UTC)),
            # Midnight of 3 September 2023 was skipped in Santiago: the day began at 1:00, which is 4:00 UTC.
            (date(2023, 9, 3), "America/Santiago", datetime(2023, 9, 3, 4, tzinfo=UTC)),
        ],
    )
    def test_is_local_midnight_or_what_comes_instead(self, day: date, zone: str, expected: datetime) -> None:
        assert start_of_day(day, ZoneInfo(zone)) == expected

    @given(day=DAYS, zone=st.sampled_from(ZONES))
    def test_is_the_first_moment_of_that_local_day(self, day: date, zone: str) -> None:
        info = ZoneInfo(zone)
        start = start_of_day(day, info)
        if day == date(2011, 12, 30) and zone == "Pacific/Apia":
            return  # there was no such day: Samoa crossed the date line
        assert start.astimezone(info).date() == day
        assert (start - timedelta(microseconds=1)).astimezone(info).date() < day

    @given(day=DAYS, zone=st.sampled_from(ZONES))
    def test_days_follow_one_another_without_gap(self, day: date, zone: str) -> None:
        length = start_of_day(day + timedelta(days=1), ZoneInfo(zone)) - start_of_day(day, ZoneInfo(zone))
        assert length in {timedelta(hours=hours) for hours in (0, 23, 24, 25)}


class TestDaysBetween:
    @given(first=DAYS, count=st.integers(0, 400))
    def test_includes_both_ends_once(self, first: date, count: int) -> None:
        days = days_between(first, first + timedelta(days=count))
        assert (days[0], days[-1], len(days)) == (first, first + timedelta(days=count), count + 1)
        assert sorted(set(days)) == days
