"""Tasks that read shops, and act on what has changed there."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import PRODUCT_RULES, SYNC_STORES
from app.tasks.celery_app import READ_AHEAD, app
from app.tasks.runtime import runtime


@app.task(name=SYNC_STORES)
def sync() -> None:
    """Read shops that are due, page by page. Safe to deliver twice: each is leased by one reader."""
    runtime().run(lambda c: c.product_sync.work(), timeout=timedelta(minutes=12))


@app.task(name=PRODUCT_RULES)
def rules() -> None:
    """Let rules act on what happened to products. Safe to deliver twice."""
    runtime().run(lambda c: c.product_rules.work(), timeout=timedelta(minutes=5))


@app.task(name=READ_AHEAD)
def read_ahead() -> None:
    """Read products whose posts go out soon. Safe to deliver twice."""
    runtime().run(lambda c: c.product_refresh.work(), timeout=timedelta(minutes=2))
