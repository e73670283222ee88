"""Real time plus an offset, so that tests can let 60 days pass."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch as the sandbox sees them."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        """Return the current sandbox time, in seconds since the epoch."""
        return time.time() + self.offset


def graph_time(at: float) -> str:
    """Write a time as the Graph API does: `2026-11-23T09:00:03+0000`."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def iso_time(at: float) -> str:
    """Write a time with milliseconds for the control API: `2026-11-23T09:00:03.250Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
