"""Tasks that keep plans in line with what is paid."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import BILLING_EVENTS
from app.tasks.celery_app import RECONCILE_BILLING, TEND_BILLING, app
from app.tasks.runtime import runtime


@app.task(name=BILLING_EVENTS)
def work_off_billing_events() -> None:
    """Work off what the payment provider has reported. Safe to deliver twice: each event is leased by one worker."""
    runtime().run(lambda c: c.billing_events.work(), timeout=timedelta(minutes=5))


@app.task(name=TEND_BILLING)
def tend() -> None:
    """End graces and periods in test mode that are over. Safe to deliver twice."""
    runtime().run(lambda c: c.billing_tending.work(), timeout=timedelta(minutes=5))


@app.task(name=RECONCILE_BILLING)
def reconcile() -> None:
    """Read again what has not been read from the payment provider for a day. Safe to deliver twice."""
    runtime().run(lambda c: c.billing_tending.reconcile(), timeout=timedelta(minutes=30))
