"""Tasks that keep accounts connected."""

from __future__ import annotations

from datetime import timedelta

from app.tasks.celery_app import CHECK, EVENTS, REFRESH, app
from app.tasks.runtime import runtime


@app.task(name=REFRESH)
def refresh() -> None:
    """Renew tokens ahead of expiry. Safe to deliver twice: one refresh at a time per account."""
    runtime().run(lambda c: c.tokens.refresh_due(), timeout=timedelta(minutes=10))


@app.task(name=CHECK)
def check() -> None:
    """Ask platforms whether connections still work, once a day each. Safe to deliver twice."""
    runtime().run(lambda c: c.accounts.check_due(), timeout=timedelta(minutes=10))


@app.task(name=EVENTS)
def work_off_events() -> None:
    """Work off what platforms have reported. Safe to deliver twice: an event is locked while it is worked off."""
    runtime().run(lambda c: c.events.work(), timeout=timedelta(minutes=5))
