"""What time alone changes: a grace that runs out, a period in test mode that ends, a reading that was missed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, UnitOfWork, unit_of_work
from app.domain.billing import CANCELED, FREE, GRACE, PAST_DUE, TEST, month_later
from app.kit.clock import Clock
from app.payments.base import PaymentError
from app.repositories.billing_repository import BillingRepository
from app.repositories.user_repository import UserRepository
from app.services.billing.sync import BillingSync
from app.services.plan_service import PlanService

log = structlog.get_logger()

LIMIT = 500
AT_ONCE = 4
DAILY, WEEKLY = timedelta(hours=20), timedelta(days=7)


class BillingTending:
    def __init__(
        self, *, sessions: Sessions, sync: BillingSync | None, late_grace: timedelta, clock: Clock, send: Send | None
    ) -> None:
        self._sessions = sessions
        self._sync = sync
        self._late_grace = late_grace
        self._clock = clock
        self._send = send

    async def work(self) -> int:
        """Change what is due and return how many plans were looked at. Twice at once, each is changed once."""
        async with unit_of_work(self._sessions) as uow:
            billing = BillingRepository(uow.session)
            graces = await billing.out_of_grace(limit=LIMIT)
            periods = await billing.ended_test_periods(now=self._clock(), limit=LIMIT)
        for user_id in graces:
            await self._end_grace(user_id)
        for user_id in periods:
            await self._turn_test_period(user_id)
        return len(graces) + len(periods)

    async def reconcile(self) -> int:
        """Read again what has not been read for a day (a week, where nothing is under way), and return how many."""
        if self._sync is None:
            return 0
        async with unit_of_work(self._sessions) as uow:
            due = await BillingRepository(uow.session).to_reconcile(daily=DAILY, weekly=WEEKLY, limit=LIMIT)
        gate = asyncio.Semaphore(AT_ONCE)
        return sum(await asyncio.gather(*(self._reconcile(user_id, gate) for user_id in due)))

    async def _reconcile(self, user_id: UUID, gate: asyncio.Semaphore) -> bool:
        assert self._sync is not None
        async with gate:
            try:
                await self._sync.sync(user_id)
            except PaymentError as error:
                log.warning("billing.not_reconciled", user_id=str(user_id), detail=error.detail)
                return False
            except Exception:  # an answer of a form that nobody has seen yet: the others are read all the same
                log.exception("billing.not_understood", user_id=str(user_id))
                return False
        return True

    async def _end_grace(self, user_id: UUID) -> None:
        async with unit_of_work(self._sessions, self._send) as uow:
            await UserRepository(uow.session).lock(user_id)
            row = await BillingRepository(uow.session).find(user_id, for_update=True)
            if row is None or row.held.status != PAST_DUE or row.held.plan == FREE:
                return
            since = row.held.past_due_since
            if since is None or since + GRACE > self._clock():
                return
            await self._plans(uow).write(user_id, replace(row.held, plan=FREE))
        log.info("subscription.grace_ended", user_id=str(user_id))

    async def _turn_test_period(self, user_id: UUID) -> None:
        """Begin the next month of a subscription in test mode, or end it: when its owner has said so, or when
        payments have been set up meanwhile."""
        now = self._clock()
        async with unit_of_work(self._sessions, self._send) as uow:
            await UserRepository(uow.session).lock(user_id)
            row = await BillingRepository(uow.session).find(user_id, for_update=True)
            end = row.held.current_period_end if row else None
            if row is None or row.held.mode != TEST or row.held.status != "active" or end is None or end > now:
                return
            if row.held.cancels_at is not None or self._sync is not None:
                held = replace(row.held, plan=FREE, status=CANCELED, cancels_at=None)
            else:
                start, day = end, (row.held.current_period_start or end).day
                while end <= now:
                    start, end = end, month_later(end, day=day)
                held = replace(row.held, current_period_start=start, current_period_end=end)
            await self._plans(uow).write(user_id, held)
        log.info("subscription.test_period_ended", user_id=str(user_id), status=held.status)

    def _plans(self, uow: UnitOfWork) -> PlanService:
        return PlanService(uow, self._clock, late_grace=self._late_grace)
