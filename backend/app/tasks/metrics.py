"""Tasks that read posts' numbers."""

from __future__ import annotations

from datetime import timedelta

from app.tasks.celery_app import COLLECT, app
from app.tasks.runtime import runtime


@app.task(name=COLLECT)
def collect() -> None:
    """Read the numbers that are due. Safe to deliver twice: each post is claimed by one reader."""
    runtime().run(lambda c: c.metrics.collect(), timeout=timedelta(minutes=4))
