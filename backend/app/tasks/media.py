"""Tasks that make and let go of files."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import MAKE_MEDIA
from app.tasks.celery_app import SWEEP_MEDIA, app
from app.tasks.runtime import runtime


@app.task(name=MAKE_MEDIA)
def work() -> None:
    """Make the renditions that were asked for. Safe to deliver twice: each is leased by one maker, and one process
    makes one at a time."""
    runtime().run(lambda c: c.media_renditions.work(), timeout=timedelta(hours=2))


@app.task(name=SWEEP_MEDIA)
def sweep() -> None:
    """Remove unfinished uploads and unused files. Safe to deliver twice."""
    runtime().run(lambda c: c.media_expiry.sweep(), timeout=timedelta(minutes=10))
