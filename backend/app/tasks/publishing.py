"""Tasks of the publishing engine. Messages carry nothing: what to do stands in the database."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import ADVANCE
from app.tasks.celery_app import DISPATCH, FOLLOW_UP, MAINTAIN, app
from app.tasks.runtime import LONGEST_DRAIN, runtime


@app.task(name=DISPATCH)
def dispatch() -> None:
    """Look what is due and ask workers to do it. Safe to deliver twice."""
    runtime().run(runtime().tick, timeout=timedelta(seconds=30))


@app.task(name=ADVANCE)
def advance() -> None:
    """Work off what is due, in this process. Safe to deliver twice: a second call finds the first one running."""
    runtime().run(lambda c: c.drain.run(longest=LONGEST_DRAIN), timeout=timedelta(minutes=10))


@app.task(name=MAINTAIN)
def maintain() -> None:
    """Mend and tidy. Safe to deliver twice."""
    runtime().run(lambda c: c.dispatcher.maintain(), timeout=timedelta(minutes=5))
    runtime().run(lambda c: c.ai_books.sweep(), timeout=timedelta(minutes=1))


@app.task(name=FOLLOW_UP)
def follow_up() -> None:
    """Write first comments and look at published posts once more. Safe to deliver twice: each is leased."""
    runtime().run(lambda c: c.aftercare.run(), timeout=timedelta(minutes=5))
