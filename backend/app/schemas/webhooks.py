"""What webhook endpoints answer."""

from __future__ import annotations

from app.schemas.common import Read


class Received(Read):
    """How many events (or accounts) were new."""

    new: int


class DeletionAnswer(Read):
    """Where a person can check that their data was deleted. The form is Meta's."""

    url: str
    confirmation_code: str
