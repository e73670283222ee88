"""Tasks about people: letters about their sign-in, and those who leave."""

from __future__ import annotations

from datetime import timedelta

from app.domain.vocabulary import ERASE_PEOPLE, WRITE_LETTERS
from app.tasks.celery_app import app
from app.tasks.runtime import runtime


@app.task(name=WRITE_LETTERS)
def write_letters() -> None:
    """Write and send letters that are due. Safe to deliver twice: each is leased by one writer."""
    runtime().run(lambda c: c.letters.work(), timeout=timedelta(minutes=5))


@app.task(name=ERASE_PEOPLE)
def erase() -> None:
    """Erase people who asked for it. Safe to deliver twice."""
    runtime().run(lambda c: c.erasure.work(), timeout=timedelta(minutes=5))
