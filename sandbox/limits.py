"""Counts of calls per moving window."""

from __future__ import annotations

from collections import deque


class Windows:
    """Moving windows, one per key."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def count(self, key: str, now: float, seconds: float) -> int:
        """Return how many events of the last `seconds` are known."""
        times = self._times.get(key)
        if not times:
            return 0
        while times and times[0] <= now - seconds:
            times.popleft()
        return len(times)

    def admit(self, key: str, now: float, seconds: float, limit: int) -> bool:
        """Note an event unless `limit` of them already lie in the window; say whether it was noted."""
        if self.count(key, now, seconds) >= limit:
            return False
        self._times.setdefault(key, deque()).append(now)
        return True

    def clear(self) -> None:
        """Forget everything."""
        self._times.clear()


class Usage:
    """Calls per account and day, in fixed windows that start with the first call."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}

    def add(self, key: str, now: float) -> tuple[int, float]:
        """Count a call; return the calls of the window and the seconds until it ends."""
        started, calls = self._windows.get(key, (now, 0))
        if now - started >= 86_400:
            started, calls = now, 0
        self._windows[key] = (started, calls + 1)
        return calls + 1, started + 86_400 - now

    def clear(self) -> None:
        """Forget everything."""
        self._windows.clear()
