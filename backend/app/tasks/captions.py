"""Tasks that write captions."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import WRITE_CAPTIONS
from app.tasks.celery_app import app
from app.tasks.runtime import runtime


@app.task(name=WRITE_CAPTIONS)
def work() -> None:
    """Write the captions that were asked for. Safe to deliver twice: each item is leased by one writer."""
    runtime().run(lambda c: c.queue_writing.work(), timeout=timedelta(minutes=20))
