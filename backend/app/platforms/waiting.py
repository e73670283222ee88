"""Waiting with a purpose: before staging anew, and until the absence of a post proves that it never went out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.platforms.base import Outcome, Phase, PlatformError, Progress, RetryLater, Verdict

CHECKS = 3
RESUBMITS_MAX = 5
"""After so many lost submissions of one post in a row its owner should look."""


@dataclass(frozen=True)
class Search:
    """Counts the looks for a lost post; `visibility_seconds` is how long a platform may take to list a new one."""

    visibility_seconds: float

    @property
    def pause_seconds(self) -> float:
        """Seconds between looks, so that there are at least three in the period."""
        return max(self.visibility_seconds / CHECKS, 0.2)

    def begin(self, done: Progress, submitted_at: datetime) -> Progress:
        """Start counting anew when this is the first look after another submission."""
        mark = submitted_at.isoformat()
        if done.data.get("searched_for") == mark:
            return done
        return done.but(data={"searched_for": mark, "checks": 0})

    def count(self, done: Progress) -> Progress:
        """Note one look that found nothing."""
        return done.but(data={"checks": int(done.data.get("checks", 0)) + 1})

    def is_over(self, done: Progress, submitted_at: datetime, now: datetime) -> bool:
        """Whether enough looks over enough time found nothing; the double time does for a lost count."""
        waited = (now - submitted_at).total_seconds()
        enough = int(done.data.get("checks", 0)) >= CHECKS
        return waited >= self.visibility_seconds * (1 if enough else 2)

    def first_submit(self, done: Progress, submitted_at: datetime) -> datetime:
        """Return when this post was first submitted: an early one may surface late."""
        first = done.data.get("first_submit")
        return min(datetime.fromisoformat(first), submitted_at) if first else submitted_at

    def again(self, done: Progress, start: Progress, submitted_at: datetime) -> Verdict:
        """Return the verdict that it is not out and goes on from `start`, unless that happened too often."""
        lost = int(done.data.get("lost", 0)) + 1
        if lost > RESUBMITS_MAX:
            return Verdict(Outcome.unknown, done)
        first = self.first_submit(done, submitted_at).isoformat()
        return Verdict(Outcome.not_published, start.but(data={"lost": lost, "first_submit": first, "checks": 0}))


class StageAgain(RetryLater):
    """Nothing was made public and what was staged is of no use. After `tries` times it is `final` instead."""

    def __init__(self, sentence: str, *, tries: int, final: PlatformError, after: timedelta | None, code: str) -> None:
        super().__init__(
            sentence, after=after, restage=True, code=code, platform_code=final.platform_code, trace_id=final.trace_id
        )
        self.tries = tries
        self.final = final


def stage_again(done: Progress, error: StageAgain) -> Progress:
    """Forget what was staged and wait before staging anew, or raise what the owner has to know.

    The wait is spent in phase `processing`, whose `look` stages: that way the count of tries is committed, also when it
    was a submitted post that proved not to have gone out.
    """
    tries = int(done.data.get("tries", 0)) + 1
    if tries > error.tries:
        raise error.final from error
    wait = (error.after or timedelta(seconds=5)).total_seconds() * tries
    kept = {key: done.data[key] for key in ("lost", "first_submit") if key in done.data}
    return Progress(Phase.processing, {**kept, "tries": tries, "reason": error.code}, look_after=wait)


def still_staging(staged: Progress) -> Progress:
    """Return what a `look` that staged has reached: more of it is the business of the next look."""
    return staged.but(phase=Phase.processing) if staged.phase is Phase.preparing else staged
