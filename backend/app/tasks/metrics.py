"""Tasks that read posts' numbers."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import COUNT_FOLLOWERS
from app.tasks.celery_app import COLLECT, app
from app.tasks.runtime import runtime


@app.task(name=COLLECT)
def collect() -> None:
    """Read the numbers that are due. Safe to deliver twice: each post is claimed by one reader."""
    runtime().run(lambda c: c.metrics.collect(), timeout=timedelta(minutes=4))


@app.task(name=COUNT_FOLLOWERS)
def count_followers() -> None:
    """Count the followers of accounts that are due. Safe to deliver twice: each account is taken by one."""
    runtime().run(lambda c: c.followers.collect(), timeout=timedelta(minutes=10))
