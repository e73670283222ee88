"""The parent of the child that reads files from outside: keeps it warm for a while, and ends it when it misbehaves."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import structlog

from app.storage.refusals import FileRefused

log = structlog.get_logger()

MEMORY_MEGABYTES = 280
"""What the child may take on top of its start: a picture of 60 million pixels fits."""
IDLE_SECONDS = 60.0
CPU_SECONDS = 20.0
WALL_SECONDS = 40.0
BYTES_PER_SECOND = 20_000_000
"""How fast a large file is read at the least."""
BACKEND = Path(__file__).resolve().parents[3]

Facts = dict[str, Any]


class Probe:
    """Asks the child about one file at a time. One per process and purpose."""

    def __init__(self, *, memory_megabytes: int = MEMORY_MEGABYTES, idle_seconds: float = IDLE_SECONDS) -> None:
        self._memory = memory_megabytes
        self._idle_seconds = idle_seconds
        self._turn = asyncio.Lock()
        self._guard = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    @property
    def child_pid(self) -> int | None:
        """The warm child, if there is one."""
        return self._child.pid if self._child else None

    async def inspect(self, path: Path, *, partial: bool = False) -> Facts:
        """Return what a file is; its path is absolute. Raises `FileRefused`."""
        return await self._ask({"op": "inspect", "path": str(path), "partial": partial})

    async def convert(self, path: Path, target: Path, recipe: dict[str, Any]) -> Facts:
        """Make a picture into another one and return that one's facts. Raises `FileRefused`."""
        return await self._ask({"op": "convert", "path": str(path), "target": str(target), "recipe": recipe})

    async def _ask(self, request: dict[str, Any]) -> Facts:
        async with self._turn:
            answer = await asyncio.to_thread(self._exchange, request)
        if "refused" in answer:
            raise FileRefused(answer["refused"])
        facts: Facts = answer["facts"]
        return facts

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        more = os.path.getsize(request["path"]) / BYTES_PER_SECOND
        request["cpu_seconds"] = CPU_SECONDS + more
        with self._guard:
            self._stop_timer()
            child = self._warm()
            answer = _talk(child, json.dumps(request).encode() + b"\n", time.monotonic() + WALL_SECONDS + more)
            if answer is None:
                self._end()
                log.warning("inspection.child_ended", status=child.returncode)
                return {"refused": "media_unreadable"}
            self._timer = threading.Timer(self._idle_seconds, self._cool_down)
            self._timer.daemon = True
            self._timer.start()
            return answer

    def _warm(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end()
        self._child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "app.storage.inspection.child", str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=BACKEND,
            env=_bare_environment(),
        )
        return self._child

    def _cool_down(self) -> None:
        with self._guard:
            self._end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def close(self) -> None:
        """End the child."""
        with self._guard:
            self._stop_timer()
            self._end()


def _bare_environment() -> dict[str, str]:
    """Return the little a child needs: none of the settings and secrets of this process."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV") if name in os.environ}
    return {**kept, "PYTHONPATH": str(BACKEND), "PYTHONWARNINGS": "ignore", "MALLOC_ARENA_MAX": "1"}


def _talk(child: subprocess.Popen[bytes], line: bytes, until: float) -> dict[str, Any] | None:
    """Return the child's answer, or `None` when it died or did not answer in time."""
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(line)
    except OSError:
        return None
    heard = b""
    while not heard.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
            return None
        piece = os.read(child.stdout.fileno(), 65_536)
        if not piece:
            return None
        heard += piece
    try:
        answer: dict[str, Any] = json.loads(heard)
    except ValueError:
        return None
    return answer
