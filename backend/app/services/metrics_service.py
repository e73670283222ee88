"""Collects the numbers of published posts, at ages when they are worth reading."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.crypto import KeyRingError
from app.platforms.base import Auth, FixContent, MetricValues, Permanent, PlatformAdapter, PlatformError, PostRef
from app.repositories.metrics_repository import DueMetrics, MetricsRepository
from app.services.token_service import TokenService

log = structlog.get_logger()

READ_LEASE = timedelta(minutes=5)


class MetricsService:
    def __init__(
        self,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        tokens: TokenService,
        *,
        ages: Sequence[timedelta],
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._ages = tuple(ages)
        self._one_at_a_time = asyncio.Lock()

    async def collect(self, *, limit: int = 200) -> int:
        """Read the numbers of posts that have reached one of the ages; return how many were read.

        Once at a time in a process: ticks while one runs find nothing to do, and leave the threads to publishing.
        """
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            return await self._collect(limit)

    async def _collect(self, limit: int) -> int:
        async with unit_of_work(self._sessions) as uow:
            due = await MetricsRepository(uow.session).claim_due(limit=limit, lease=READ_LEASE)
        by_account: dict[UUID, list[DueMetrics]] = defaultdict(list)
        for item in due:
            by_account[item.account_id].append(item)
        read = 0
        for account_id, items in by_account.items():
            try:
                read += await self._read_account(account_id, items)
            except (PlatformError, KeyRingError) as error:
                # The lease is when they come up again; a number read late harms nobody.
                log.warning(
                    "metrics.failed",
                    account_id=str(account_id),
                    error=type(error).__name__,
                    platform=items[0].platform,
                )
        return read

    async def _read_account(self, account_id: UUID, items: list[DueMetrics]) -> int:
        adapter = self._adapters[items[0].platform]
        auth = await self._tokens.speak_for(account_id, external=items[0].account_id_external)
        known = [(item, item.platform_post_id) for item in items if item.platform_post_id is not None]
        known += await self._find_ids(auth, adapter, [item for item in items if item.platform_post_id is None])
        size = adapter.metrics.batch_size
        for start in range(0, len(known), size):
            batch = known[start : start + size]
            refs = [PostRef(post_id, item.post_type, item.progress_data) for item, post_id in batch]
            values = await adapter.metrics.read(auth, refs)
            await self._keep([(item, values.get(post_id)) for item, post_id in batch])
        return len(items)

    async def _find_ids(
        self, auth: Auth, adapter: PlatformAdapter, items: list[DueMetrics]
    ) -> list[tuple[DueMetrics, str]]:
        """Ask again for the ids of posts that went out without one; those that have none yet are read later."""
        found = []
        for item in items:
            try:
                public = await adapter.metrics.public_id(auth, item.post_type, item.progress_data)
            except (FixContent, Permanent):  # the platform has forgotten it: no id will come
                public = None
            if public is None:
                await self._keep([(item, None)])
                continue
            async with unit_of_work(self._sessions) as uow:
                await MetricsRepository(uow.session).keep_public_id(
                    item.post_id, platform_post_id=public.platform_post_id, permalink=public.permalink
                )
            found.append((item, public.platform_post_id))
        return found

    async def _keep(self, batch: Sequence[tuple[DueMetrics, MetricValues | None]]) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = MetricsRepository(uow.session)
            for item, found in batch:
                await rows.store(
                    item.post_id,
                    numbers=asdict(found) if found else None,
                    next_age=next_age(self._ages, datetime.now(UTC) - item.posted_at),
                )


def next_age(ages: Sequence[timedelta], age: timedelta) -> timedelta | None:
    """Return the next age at which a post is read, given its present one; `None` when it is done."""
    return next((planned for planned in sorted(ages) if planned > age), None)
