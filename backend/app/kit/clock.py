"""Time as a collaborator, so that rules about time can be tested."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current moment as an aware UTC datetime."""


def utc_now() -> datetime:
    """Return the current moment in UTC."""
    return datetime.now(UTC)
