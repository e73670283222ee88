"""Pure rules of publishing: backoff, deadlines, and which step follows which answer."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

BACKOFF_FIRST = timedelta(seconds=5)
BACKOFF_LONGEST = timedelta(minutes=15)
RECONCILE_FIRST = timedelta(seconds=10)
"""A platform needs a moment to finish what it may have begun: 10–30 s before the first look (instagram.md §9)."""
UNSENDABLE_RETRY = timedelta(minutes=5)


@dataclass(frozen=True)
class Patience:
    """How long to wait for what."""

    late_grace: timedelta
    give_up: timedelta


def backoff(tries: int, *, after: timedelta | None, chance: random.Random) -> timedelta:
    """Return how long to wait after the n-th failed try: doubling with full jitter on the upper half, never sooner
    than the platform asked for."""
    ceiling = min(BACKOFF_LONGEST, BACKOFF_FIRST * (1 << min(tries, 10)))
    wait = ceiling * chance.uniform(0.5, 1.0)
    if after is None:
        return wait
    return after + min(wait, timedelta(seconds=after.total_seconds() * 0.2 + 1)) * chance.random()


def is_too_late(scheduled_for: datetime, now: datetime, patience: Patience) -> bool:
    """Whether a post that was never begun is so overdue that its owner should decide."""
    return now - scheduled_for > patience.late_grace


def is_hopeless(begun_at: datetime, now: datetime, patience: Patience) -> bool:
    """Whether retries have gone on for so long that they stop."""
    return now - begun_at > patience.give_up
