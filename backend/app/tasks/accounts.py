"""Tasks that keep accounts connected."""

from __future__ import annotations

from datetime import timedelta

from app.tasks.celery_app import REFRESH, app
from app.tasks.runtime import runtime


@app.task(name=REFRESH)
def refresh() -> None:
    """Renew tokens ahead of expiry. Safe to deliver twice: one refresh at a time per account."""
    runtime().run(lambda c: c.tokens.refresh_due(), timeout=timedelta(minutes=10))
