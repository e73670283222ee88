"""Time that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SteerableClock:
    """The real time plus an offset, or one moment that stands still."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._fixed: datetime | None = None

    def __call__(self) -> datetime:
        return (self._fixed or datetime.now(UTC)) + self._offset

    def move(self, by: timedelta) -> None:
        self._offset += by

    def fix(self, at: datetime) -> None:
        self._fixed, self._offset = at, timedelta()

    def reset(self) -> None:
        self._fixed, self._offset = None, timedelta()
