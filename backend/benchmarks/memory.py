"""How much memory processes take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import psutil


class MemoryOf:
    """Watches what processes and their children take, in pages of their own or shared ones divided."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._before: dict[int, int] = {}
        self.most = 0
        self._ended = threading.Event()
        self._known: list[int] = []

    def __enter__(self) -> MemoryOf:
        self._known = list(self._pids())
        self.idle = self._now()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.most = max(self.most, self._now())

    def _now(self) -> int:
        total = 0
        if not self._known:
            with suppress(OSError, AssertionError):
                self._known = list(self._pids())
        for pid in self._known:
            try:
                process = psutil.Process(pid)
                for one in [process, *process.children(recursive=True)]:
                    total += one.memory_full_info().pss
            except psutil.Error:  # killed: its successor is watched as soon as it is there
                with suppress(OSError, AssertionError):
                    self._known = list(self._pids())
                break
        return total

    @property
    def more_megabytes(self) -> float:
        return (self.most - self.idle) / 1_000_000
