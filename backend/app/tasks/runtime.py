"""One event loop, one connection pool and one set of adapters per worker process, whatever pool Celery runs."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

import structlog
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from app.composition import Container, build_container
from app.services.health_service import beat, forget
from app.settings import get_settings
from app.tasks.celery_app import send

log = structlog.get_logger()
T = TypeVar("T")

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""After this long without a tick of beat, the worker looks for due posts by itself."""
LONGEST_DRAIN = timedelta(seconds=60)


class Runtime:
    """Runs coroutines of tasks on one loop in a thread of its own."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="runtime", daemon=True)
        self._container: Container | None = None
        self._last_tick = time.monotonic()
        self._last_dispatch_beat = 0.0
        self._watch: asyncio.Future[None] | None = None
        self._own_drain: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Start the loop and the signs of life. A database that is away does not prevent it."""
        if self._thread.is_alive():
            return
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(timeout=30)

    async def _begin(self) -> None:
        self._container = build_container(get_settings(), worker=self.name, send=send)
        self._watch = asyncio.ensure_future(self._keep_watch())

    def run(self, work: Callable[[Container], Coroutine[Any, Any, T]], *, timeout: timedelta) -> T:
        """Run a task's coroutine on the process's loop, cancelled when it takes too long."""
        self.start()
        assert self._container is not None
        return asyncio.run_coroutine_threadsafe(_bounded(work(self._container), timeout), self._loop).result()

    async def tick(self, container: Container) -> None:
        """One tick of beat: say what is due, and that we were asked."""
        self._last_tick = time.monotonic()
        await container.dispatcher.dispatch()
        if self._last_tick - self._last_dispatch_beat > BEAT_SECONDS:
            self._last_dispatch_beat = self._last_tick
            await beat(container.sessions, name="dispatch", kind="dispatch")

    async def _keep_watch(self) -> None:
        """Give signs of life, and go on publishing when beat or the broker are silent."""
        assert self._container is not None
        silent = False
        while True:
            try:
                await beat(self._container.sessions, name=self.name, kind="worker")
                was_silent, silent = silent, time.monotonic() - self._last_tick > SILENCE_SECONDS
                if silent:
                    if not was_silent:
                        log.warning("beat.silent", worker=self.name)
                    self._own_drain = asyncio.ensure_future(self._container.drain.run(longest=LONGEST_DRAIN))
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("database.away", error=type(error).__name__)
            await asyncio.sleep(BEAT_SECONDS)

    def stop_soon(self) -> None:
        """Begin to hand everything back; safe to call from a signal handler."""
        if self._container is not None:
            asyncio.run_coroutine_threadsafe(self._stop(self._container), self._loop)

    async def _stop(self, container: Container) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await container.media_renditions.stop()
        await container.queue_writing.stop()
        await container.drain.stop()
        log.info("worker.handed_back", worker=self.name)

    def close(self) -> None:
        """Close connections at the end of the process."""
        if self._container is None:
            return
        closing = asyncio.run_coroutine_threadsafe(self._close(self._container), self._loop)
        closing.result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _close(self, container: Container) -> None:
        await container.drain.stop()
        try:
            await forget(container.sessions, name=self.name)
        except (SQLAlchemyError, OSError):
            log.warning("worker.not_forgotten", worker=self.name)
        await container.aclose()


async def _bounded(work: Awaitable[T], timeout: timedelta) -> T:
    async with asyncio.timeout(timeout.total_seconds()):
        return await work


@lru_cache
def runtime() -> Runtime:
    """Return the process's runtime."""
    return Runtime()
