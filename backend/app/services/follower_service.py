"""Counts accounts' followers once a day, through the platforms' own profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.platforms.base import PlatformAdapter, PlatformError
from app.repositories.follower_repository import DueAccount, FollowerRepository
from app.services.token_service import TokenService

log = structlog.get_logger()

LEASE = timedelta(hours=1)
"""When an account that could not be asked comes up again."""
EVERY = timedelta(days=1)
AT_ONCE = 10


class FollowerService:
    def __init__(
        self, *, sessions: Sessions, adapters: Mapping[str, PlatformAdapter], tokens: TokenService, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def collect(self, *, limit: int = 200) -> int:
        """Count the followers of accounts that are due and return how many were counted. Safe to call twice at once:
        each account is taken by one."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            async with unit_of_work(self._sessions) as uow:
                due = await FollowerRepository(uow.session).claim(now=self._clock(), lease=LEASE, limit=limit)
            gate = asyncio.Semaphore(AT_ONCE)
            return sum(await asyncio.gather(*(self._count(account, gate) for account in due)))

    async def _count(self, account: DueAccount, gate: asyncio.Semaphore) -> int:
        async with gate:
            try:
                auth = await self._tokens.speak_for(
                    account.id, external=account.account_id_external, name=account.account_name
                )
                metrics = self._adapters[account.platform].metrics
                followers = await metrics.followers(auth, account.granted_scopes)
            except (PlatformError, KeyRingError) as error:
                # The lease is when it comes up again; a day without a number is a day without one.
                log.info("followers.not_counted", account_id=str(account.id), error=type(error).__name__)
                return 0
            now = self._clock()
            async with unit_of_work(self._sessions) as uow:
                kept = await FollowerRepository(uow.session).store(account, followers, now=now, next_at=now + EVERY)
            return int(kept)
