"""Waiting, lateness and the end of patience."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.publishing import (
    BACKOFF_FIRST,
    BACKOFF_LONGEST,
    Patience,
    backoff,
    is_hopeless,
    is_too_late,
)

PATIENCE = Patience(late_grace=timedelta(hours=6), give_up=timedelta(hours=24))
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class TestBackoff:
    @given(tries=st.integers(0, 10_000), seed=st.integers())
    def test_lies_between_half_and_all_of_a_doubling_ceiling(self, tries: int, seed: int) -> None:
        ceiling = min(BACKOFF_LONGEST, BACKOFF_FIRST * 2 ** min(tries, 20))
        wait = backoff(tries, after=None, chance=random.Random(seed))
        assert ceiling / 2 <= wait <= ceiling

    @given(
        tries=st.integers(0, 10_000),
        seed=st.integers(),
        after=st.timedeltas(timedelta(0), timedelta(days=30)),
    )
    def test_is_never_sooner_than_the_platform_asked_and_little_later(
        self, tries: int, seed: int, after: timedelta
    ) -> None:
        wait = backoff(tries, after=after, chance=random.Random(seed))
        assert after <= wait <= after + after * 0.2 + timedelta(seconds=1.001)
        assert wait - after <= BACKOFF_LONGEST

    def test_spreads_those_who_failed_together(self) -> None:
        chance = random.Random(1)
        waits = {backoff(5, after=None, chance=chance) for _ in range(100)}
        assert len(waits) == 100
        assert max(waits) - min(waits) > timedelta(seconds=60)

    def test_begins_with_seconds_and_ends_with_a_quarter_of_an_hour(self) -> None:
        assert backoff(0, after=None, chance=random.Random(1)) <= timedelta(seconds=5)
        assert timedelta(minutes=7.5) <= backoff(99, after=None, chance=random.Random(1)) <= timedelta(minutes=15)


class TestLateness:
    @pytest.mark.parametrize(
        ("late", "expected"),
        [
            (timedelta(hours=6), False),
            (timedelta(hours=6, microseconds=1), True),
            (timedelta(0), False),
            (-timedelta(days=1), False),
            (timedelta(days=30), True),
        ],
    )
    def test_begins_after_the_grace(self, late: timedelta, expected: bool) -> None:
        assert is_too_late(NOW - late, NOW, PATIENCE) is expected


class TestGivingUp:
    @pytest.mark.parametrize(
        ("tried", "expected"),
        [(timedelta(hours=24), False), (timedelta(hours=24, microseconds=1), True), (timedelta(0), False)],
    )
    def test_comes_after_a_day(self, tried: timedelta, expected: bool) -> None:
        assert is_hopeless(NOW - tried, NOW, PATIENCE) is expected
