"""Tasks that tell onwards what happened."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import HAND_ON, SEND_HOOKS, SEND_MAIL
from app.tasks.celery_app import app
from app.tasks.runtime import runtime


@app.task(name=HAND_ON)
def hand_on() -> None:
    """Hand on what happened to notifications and webhooks. Safe to deliver twice: one transaction at a time does it."""
    runtime().run(lambda c: c.hand_on.work(), timeout=timedelta(minutes=5))


@app.task(name=SEND_HOOKS)
def send_hooks() -> None:
    """Deliver webhooks that are due. Safe to deliver twice: each is leased by one worker."""
    runtime().run(lambda c: c.hook_delivery.work(), timeout=timedelta(minutes=10))


@app.task(name=SEND_MAIL)
def send_mail() -> None:
    """Mail notifications that are due. Safe to deliver twice: each is taken by one sender."""
    runtime().run(lambda c: c.notice_mail.work(), timeout=timedelta(minutes=10))
