"""Engagement, suggested times, hashtags, and the list of failures."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.api.problems
import app.domain.errors  # noqa: F401 - all failures are defined in these two
from app.domain.engagement import engagement_rate
from app.domain.errors import AppError
from app.domain.hashtags import clean_hashtag
from app.domain.suggested_times import suggested_times

NUMBERS = st.one_of(st.none(), st.integers(0, 10**12))


class TestEngagementRate:
    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [
            ({}, 0.0),
            ({"impressions": 0, "likes": 5}, 0.0),
            ({"impressions": None, "likes": 5}, 0.0),
            ({"impressions": -5, "likes": 5}, 0.0),
            ({"impressions": 1000, "likes": 30, "comments": 5, "shares": 15}, 5.0),
            ({"impressions": 3, "likes": 1}, 33.33),
            ({"impressions": 1, "likes": 2}, 200.0),
            ({"impressions": 200, "likes": 10, "comments": None, "shares": 1, "clicks": 99, "reach": 1}, 5.5),
        ],
    )
    def test_is_actions_by_impressions(self, numbers: dict[str, int | None], expected: float) -> None:
        assert engagement_rate(numbers) == expected

    @given(st.fixed_dictionaries(dict.fromkeys(("impressions", "likes", "comments", "shares"), NUMBERS)))
    def test_is_a_number_that_is_never_negative(self, numbers: dict[str, int | None]) -> None:
        rate = engagement_rate(numbers)
        assert rate >= 0
        assert rate == round(rate, 2)


class TestSuggestedTimes:
    @given(
        day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
        platforms=st.lists(st.sampled_from(["instagram", "facebook", "tiktok", "myspace"]), unique=True),
    )
    def test_are_sorted_local_times_of_the_platforms_asked_for(self, day: date, platforms: list[str]) -> None:
        found = suggested_times(day, platforms)
        assert [item.time for item in found] == sorted(item.time for item in found)
        for item in found:
            assert item.platform in platforms
            assert re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", item.time)
            assert item.label.endswith(".") is False

    def test_are_none_at_the_weekend(self) -> None:
        saturday = date(2030, 1, 5)
        for day in (saturday, saturday + timedelta(days=1)):
            assert suggested_times(day, ["instagram", "facebook", "tiktok"]) == []

    def test_name_every_platform_on_a_wednesday(self) -> None:
        found = suggested_times(date(2030, 1, 9), ["tiktok", "instagram", "facebook"])
        assert [(item.platform, item.time) for item in found] == [
            ("facebook", "08:00"),
            ("instagram", "10:00"),
            ("tiktok", "14:00"),
        ]


class TestHashtags:
    @pytest.mark.parametrize(
        ("given_text", "expected"),
        [
            ("coffee", "coffee"),
            ("#coffee", "coffee"),
            ("  #Coffee ", "Coffee"),
            ("cafe\u0301", "café"),
            ("コーヒー", "コーヒー"),
            ("tea_2", "tea_2"),
            ("##coffee", None),
            ("two words", None),
            ("", None),
            ("#", None),
            ("2030", None),
            ("a-b", None),
            ("tag\n#other", None),
            ("☕", None),
        ],
    )
    def test_are_kept_without_their_mark_or_refused(self, given_text: str, expected: str | None) -> None:
        assert clean_hashtag(given_text) == expected

    @given(st.text(max_size=30))
    def test_once_cleaned_stay_as_they_are(self, given_text: str) -> None:
        cleaned = clean_hashtag(given_text)
        assert cleaned is None or clean_hashtag(cleaned) == cleaned
        assert cleaned is None or not re.search(r"[\s#]", cleaned)


def _all(error: type[AppError]) -> list[type[AppError]]:
    return [error, *(found for child in error.__subclasses__() for found in _all(child))]


class TestAppErrors:
    def test_have_codes_of_their_own(self) -> None:
        codes = [error.code for error in _all(AppError)]
        assert len(codes) > 15
        assert sorted(set(codes)) == sorted(codes)

    @pytest.mark.parametrize("error", _all(AppError), ids=lambda error: error.__name__)
    def test_say_what_happened_in_the_agreed_form(self, error: type[AppError]) -> None:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
        uploads = {412, 413, 415, 423, 460, 507}  # tus and full disks want these
        assert error.status in {400, 401, 402, 403, 404, 405, 409, 422, 429, 500, 503} | uploads
        assert error.title
        assert error.detail
