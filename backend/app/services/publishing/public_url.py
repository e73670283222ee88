"""Looks at our own public address before a platform is sent there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from app.platforms.base import RetryLater
from app.storage.public_address import find_trouble

GOOD_SECONDS = 3600.0
BAD_SECONDS = 30.0
RETRY = timedelta(minutes=2)


class PublicUrlCheck:
    """Remembers for an hour that the address serves files, and for half a minute that it does not."""

    def __init__(self, public_base: str, *, is_live: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._public_base = public_base
        self._is_live = is_live
        self._monotonic = monotonic
        self._trouble: str | None = None
        self._until = float("-inf")

    async def require(self) -> None:
        """Raises `RetryLater` when platforms could not fetch from us. Without a live platform there is nobody outside
        who would."""
        if not self._is_live:
            return
        if self._monotonic() >= self._until:
            self._trouble = await find_trouble(self._public_base, is_live=True)
            self._until = self._monotonic() + (BAD_SECONDS if self._trouble else GOOD_SECONDS)
        if self._trouble is not None:
            raise RetryLater(self._trouble, code="public_url_unreachable", after=RETRY)
