"""Which hours of the week an account's own posts did best in, once there are enough of them to say so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain.suggested_times import spans

POSTS_NEEDED = 20
"""Fewer measured posts than this say more about chance than about hours."""
HOURS_NEEDED = 3
"""Posts in at least so many different hours of the week: one hour cannot be better than no other."""
PRIOR_POSTS = 3.0
"""An hour's average counts as if so many posts of average success were among its own: one lucky post proves little."""
TIMES_MAX = 14
"""How many hours are suggested at most: two a day."""
DAYS_BACK = 180
"""How old a post may be to say something about today's followers."""


@dataclass(frozen=True)
class Result:
    """One published post and its engagement rate in per cent."""

    posted_at: datetime
    engagement_rate: float


@dataclass(frozen=True)
class BestTime:
    """An hour of the week in local time, and why."""

    weekday: int
    time: str
    label: str
    engagement_rate: float | None
    """What posts of that hour reached on average, smoothed; None for a documented default."""


@dataclass(frozen=True)
class BestTimes:
    """`source` is "own" where the account's numbers decided, "default" where there are too few of them."""

    source: str
    posts: int
    posts_needed: int
    times: tuple[BestTime, ...]


def best_times(platform: str, results: Sequence[Result], zone: ZoneInfo) -> BestTimes:
    """Return the hours that do better than the account's average, best first; documented defaults before there are
    `POSTS_NEEDED` posts in `HOURS_NEEDED` hours."""
    hours: dict[tuple[int, int], list[float]] = defaultdict(list)
    for result in results:
        local = result.posted_at.astimezone(zone)
        hours[local.weekday(), local.hour].append(result.engagement_rate)
    if len(results) < POSTS_NEEDED or len(hours) < HOURS_NEEDED:
        return BestTimes("default", len(results), POSTS_NEEDED, tuple(_defaults(platform)))
    average = sum(result.engagement_rate for result in results) / len(results)
    scores = {hour: _smoothed(rates, average) for hour, rates in hours.items()}
    good = sorted((hour for hour in scores if scores[hour] >= average), key=lambda hour: (-scores[hour], hour))
    times = [
        BestTime(weekday, f"{hour:02d}:00", _label(hours[weekday, hour]), round(scores[weekday, hour], 2))
        for weekday, hour in good[:TIMES_MAX]
    ]
    return BestTimes("own", len(results), POSTS_NEEDED, tuple(times))


def _smoothed(rates: Sequence[float], average: float) -> float:
    return (sum(rates) + PRIOR_POSTS * average) / (len(rates) + PRIOR_POSTS)


def _label(rates: Sequence[float]) -> str:
    posts = "1 post" if len(rates) == 1 else f"{len(rates)} posts"
    return f"{sum(rates) / len(rates):.1f} % engagement over {posts} of yours"


def _defaults(platform: str) -> Iterable[BestTime]:
    for weekday, (first, last) in spans(platform).items():
        yield BestTime(weekday, f"{first:02d}:00", f"Usually busy from {first:02d}:00 to {last:02d}:00", None)
