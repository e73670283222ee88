"""Counters that grow with the age of a post: the same post at the same age always shows the same numbers."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Totals:
    """Lifetime counters of one post; `reach` never exceeds `views`."""

    views: int
    reach: int
    likes: int
    comments: int
    shares: int
    saved: int
    clicks: int
    follows: int
    profile_visits: int


def totals(post_id: str, followers: int, age_seconds: float) -> Totals:
    """Return the counters of a post of this age; each one only ever rises."""
    draw = _draws(post_id)
    age = max(0.0, age_seconds)
    # A quick first hour, a main part over the first two days, and a long tail over a month.
    grown = 0.25 * _share(age, 1_200) + 0.55 * _share(age, 0.6 * _DAY) + 0.20 * _share(age, 10 * _DAY)
    views = int(followers * (0.25 + 0.9 * draw[0]) * grown)
    reach = int(views * (0.62 + 0.2 * draw[1]))
    likes = int(reach * (0.03 + 0.07 * draw[2]))
    return Totals(
        views=views,
        reach=reach,
        likes=likes,
        comments=int(likes * (0.03 + 0.09 * draw[3])),
        shares=int(likes * (0.02 + 0.08 * draw[4])),
        saved=int(likes * (0.04 + 0.08 * draw[5])),
        clicks=int(reach * (0.01 + 0.03 * draw[6])),
        follows=int(reach * 0.004 * draw[7]),
        profile_visits=int(reach * (0.01 + 0.02 * draw[7])),
    )


def followers_at(persona_id: str, start: int, age_seconds: float) -> int:
    """Return the followers of an account that had `start` of them `age_seconds` ago."""
    per_day = 0.001 + 0.003 * _draws(persona_id)[0]
    return int(start * (1 + per_day * max(0.0, age_seconds) / _DAY))


def _share(age: float, scale: float) -> float:
    return 1.0 - math.exp(-age / scale)


def _draws(key: str) -> list[float]:
    return [byte / 255 for byte in hashlib.blake2b(key.encode(), digest_size=8).digest()]
