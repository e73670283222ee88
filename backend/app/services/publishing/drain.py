"""Works off what is due: many publications at once in one process, each under its own lease."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.repositories.publication_repository import Claim, Due, PublicationRepository
from app.services.publishing.engine import NotRecordedError, PublishingEngine

log = structlog.get_logger()

CLAIM_PAUSE_SECONDS = 0.05
"""How often a busy drain looks for more work: posts that became due wait no longer than this."""
LINGER_SECONDS = 1.5
"""How long a drain goes on looking after its last work, so that a steady trickle need not wait for the dispatcher."""
DATABASE_AWAY_SECONDS = 1.0
"""How long to wait before claiming again when the database did not answer."""
SHUTDOWN_SECONDS = 8.0
"""How long a shutdown waits for public calls under way; then their lanes are handed back to be reconciled."""


class Drain:
    """At most one per process is running; a second call to `run` returns at once."""

    def __init__(
        self,
        *,
        engine: PublishingEngine,
        sessions: Sessions,
        concurrency: int,
        lease: timedelta,
        owner: str,
        claim_batch: int = 50,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._concurrency = concurrency
        self._lease = lease
        self._owner = owner
        self._claim_batch = claim_batch
        self._monotonic = monotonic
        self._running = False
        self._stopping = asyncio.Event()
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def run(self, *, longest: timedelta) -> None:
        """Claim and advance until nothing is due, or until `longest` has passed.

        What is under way then goes on by itself: one slow upload must not keep the others from being claimed.
        """
        if self._running or self._stopping.is_set():
            return
        self._running = True
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(self._keep_leases())
        try:
            await self._work(self._monotonic() + longest.total_seconds())
        finally:
            self._running = False

    async def stop(self) -> None:
        """Hand everything back at once, but let public calls under way end first, for a few seconds."""
        self._stopping.set()
        leases = list(self._tasks)
        for lease_id, task in list(self._tasks.items()):
            if lease_id not in self._engine.submitting:
                task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=SHUTDOWN_SECONDS)
        for task in list(self._tasks.values()):
            task.cancel()
        if self._keeper is not None:
            self._keeper.cancel()
        await self._hand_back(leases)

    async def _work(self, deadline: float) -> None:
        last_work = self._monotonic()
        while not self._stopping.is_set():
            now = self._monotonic()
            limit = min(self._concurrency - len(self._tasks), self._claim_batch)
            claimed = await self._claim(limit) if limit > 0 else 0
            if self._tasks:
                last_work = now
            if now >= deadline or now - last_work > LINGER_SECONDS:
                return
            await asyncio.sleep(0 if claimed and claimed == limit else CLAIM_PAUSE_SECONDS)

    async def _claim(self, limit: int) -> int:
        try:
            async with unit_of_work(self._sessions) as uow:
                claimed = await PublicationRepository(uow.session).claim(
                    limit=limit, lease=self._lease, owner=self._owner
                )
        except (SQLAlchemyError, OSError) as error:
            log.warning("claim.failed", error=type(error).__name__)
            await asyncio.sleep(DATABASE_AWAY_SECONDS)
            return 0
        for claim, due in claimed:
            self._tasks[claim.lease_id] = asyncio.create_task(self._advance(claim, due))
        return len(claimed)

    async def _advance(self, claim: Claim, due: Due | None) -> None:
        try:
            await self._engine.advance(claim, due)
        except (SQLAlchemyError, OSError, NotRecordedError) as error:
            # The row is the truth and it is not reachable: the lease runs out, and somebody takes it up again.
            log.warning("publication.unrecorded", account_id=str(claim.account_id), error=type(error).__name__)
        except Exception:
            log.exception("publication.defect", account_id=str(claim.account_id))
        finally:
            self._tasks.pop(claim.lease_id, None)

    async def _keep_leases(self) -> None:
        """Renew what we hold; whoever lost a lease stops at once."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            leases = list(self._tasks)
            if not leases:
                continue
            try:
                async with unit_of_work(self._sessions) as uow:
                    ours = await PublicationRepository(uow.session).renew(leases, lease=self._lease)
            except (SQLAlchemyError, OSError) as error:
                log.warning("lease.renewal_failed", error=type(error).__name__)
                continue
            for lease_id in leases:
                task = self._tasks.get(lease_id)
                if lease_id not in ours and task is not None and lease_id not in self._engine.submitting:
                    task.cancel()

    async def _hand_back(self, leases: list[UUID]) -> None:
        if not leases:
            return
        try:
            async with unit_of_work(self._sessions) as uow:
                await PublicationRepository(uow.session).hand_back(leases)
        except (SQLAlchemyError, OSError) as error:
            log.warning("lease.hand_back_failed", error=type(error).__name__)
