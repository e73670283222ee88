"""How often somebody has tried: counted in Redis for all processes, and by each for itself while Redis is away."""

from __future__ import annotations

import hashlib
import math
import time
from functools import cached_property

import structlog
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from app.domain.errors import TooManyTries
from app.domain.tries import TryLimit

log = structlog.get_logger()

SOCKET_SECONDS = 1.0
AWAY_SECONDS = 10.0
"""How long Redis is left alone after it did not answer."""


class Tries:
    """One per process."""

    def __init__(self, broker_url: str) -> None:
        self._broker_url = broker_url
        self._own_storage = MemoryStorage()
        self._own = MovingWindowRateLimiter(self._own_storage)
        self._away_until = 0.0

    async def take(self, limit: TryLimit, who: str) -> None:
        """Count a try. Raises `TooManyTries`, which says when the next one is looked at."""
        if not await self.may(limit, who):
            item, mark = _item(limit), _mark(who)
            stats = await self._limiter().get_window_stats(item, mark)
            seconds = max(math.ceil(stats.reset_time - time.time()), 1)
            raise TooManyTries(headers={"Retry-After": str(seconds)})

    async def may(self, limit: TryLimit, who: str) -> bool:
        """Count a try, and say whether there was room for it."""
        item, mark = _item(limit), _mark(who)
        if time.monotonic() >= self._away_until:
            try:
                return await self._shared.hit(item, mark)
            except StorageError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("tries.counted_alone", error=type(error.storage_error).__name__)
        return await self._own.hit(item, mark)

    async def forget(self, limit: TryLimit, who: str) -> None:
        """Set a count back to zero."""
        item, mark = _item(limit), _mark(who)
        try:
            await self._limiter().clear(item, mark)
        except StorageError as error:
            log.info("tries.not_forgotten", error=type(error.storage_error).__name__)
        await self._own.clear(item, mark)

    async def forget_own(self) -> None:
        """Forget what this process counted for itself."""
        await self._own_storage.reset()

    def _limiter(self) -> MovingWindowRateLimiter:
        return self._own if time.monotonic() < self._away_until else self._shared

    @cached_property
    def _shared(self) -> MovingWindowRateLimiter:
        """Made when it is first used: workers, which never are asked, need not load it."""
        storage = RedisStorage(
            self._broker_url,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="tries",
            socket_connect_timeout=SOCKET_SECONDS,
            socket_timeout=SOCKET_SECONDS,
        )
        return MovingWindowRateLimiter(storage)


def _item(limit: TryLimit) -> RateLimitItem:
    return RateLimitItemPerSecond(limit.count, limit.seconds, namespace=limit.name)


def _mark(who: str) -> str:
    """Return a mark that stands for somebody: no address is written where everybody's counts are."""
    return hashlib.sha256(who.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:32]
