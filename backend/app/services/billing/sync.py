"""Reading a user's subscriptions from the payment provider, and writing what they mean.

No transaction is open while the provider is asked, so two readers may hold answers of different age. The stamp of the
last reading decides: who writes must have begun to read after the last one was written, or reads again (ADR 17).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.billing import Bought, judge
from app.kit.clock import Clock
from app.payments.base import Payments, ProviderAway
from app.repositories.billing_repository import BillingRepository
from app.repositories.user_repository import UserRepository
from app.services.plan_service import PlanService

log = structlog.get_logger()

ROUNDS = 5
"""How often one reading may be overtaken by another before it is put off. Each time, somebody else has written."""


@dataclass(frozen=True)
class _Known:
    """What our row says before the provider is asked."""

    version: datetime | None
    customer_id: str | None
    subscription_id: str | None


class BillingSync:
    def __init__(
        self, *, sessions: Sessions, payments: Payments, late_grace: timedelta, clock: Clock, send: Send | None
    ) -> None:
        self._sessions = sessions
        self._payments = payments
        self._late_grace = late_grace
        self._clock = clock
        self._send = send

    async def sync(
        self, user_id: UUID, *, customers: Collection[str] = (), subscriptions: Collection[str] = ()
    ) -> None:
        """Bring our row in line with the provider; `customers` and `subscriptions` are further places to look.

        Raises `PaymentError`; `ProviderAway` also when others keep writing in between.
        """
        for _ in range(ROUNDS):
            known = await self._known(user_id)
            found = await self._look(
                user_id,
                {known.customer_id, *customers} - {None},  # type: ignore[arg-type]  # the set has lost its None
                {known.subscription_id, *subscriptions} - {None},  # type: ignore[arg-type]
            )
            if await self._write(user_id, known, found):
                return
        raise ProviderAway("overtaken by other readings")

    async def _known(self, user_id: UUID) -> _Known:
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        if row is None:
            return _Known(None, None, None)
        return _Known(row.version, row.held.external_customer_id, row.held.external_subscription_id)

    async def _look(self, user_id: UUID, customers: set[str], subscriptions: set[str]) -> list[Bought]:
        """Return every subscription of a user, each price with its plan."""
        found: dict[str, Bought] = {}
        for customer_id in sorted(customers):
            found |= {one.id: one for one in await self._payments.subscriptions_of(customer_id)}
        for subscription_id in sorted(subscriptions - found.keys()):
            one = await self._payments.subscription(subscription_id)
            if one is not None:
                found[one.id] = one
        ours = [one for one in found.values() if one.user_ref in (None, str(user_id))]
        if len(ours) < len(found):
            log.error("billing.foreign_subscription", user_id=str(user_id))
        return await self._with_plans(ours)

    async def _with_plans(self, found: Sequence[Bought]) -> list[Bought]:
        """Fill in the plans of prices that do not say it themselves: first from what was seen before."""
        unknown = {one.price_id for one in found if one.plan is None and one.price_id}
        plans: dict[str, str] = {}
        if unknown:
            async with unit_of_work(self._sessions) as uow:
                plans = await BillingRepository(uow.session).plans_of_prices(unknown)
        for price_id in sorted(unknown - plans.keys()):
            plan = await self._payments.plan_of_price(price_id)
            if plan is not None:
                plans[price_id] = plan
        return [replace(one, plan=one.plan or plans.get(one.price_id)) for one in found]

    async def _write(self, user_id: UUID, known: _Known, found: list[Bought]) -> bool:
        """Write what was read; `False` when another reading was written since ours began."""
        async with unit_of_work(self._sessions, self._send) as uow:
            billing = BillingRepository(uow.session)
            if await UserRepository(uow.session).lock(user_id) is None:
                return True  # deleted meanwhile
            row = await billing.find(user_id, for_update=True)
            if (row.version if row else None) != known.version:
                return False
            before = row.held if row else None
            verdict = judge(before, found, self._clock())
            for one in found:
                if one.plan is not None:
                    await billing.keep_price(one.price_id, one.plan, None)
            if verdict.has_trial:
                await billing.use_trial(user_id)
            if verdict.held is not None and verdict.held != before:
                plans = PlanService(uow, self._clock, late_grace=self._late_grace)
                await plans.write(user_id, verdict.held, is_reading=True)
                log.info(
                    "subscription.changed",
                    user_id=str(user_id),
                    plan=verdict.held.plan,
                    status=verdict.held.status,
                    subscription_id=verdict.held.external_subscription_id,
                )
            else:
                await billing.touch(user_id)
        for alert in verdict.alerts:
            log.error(
                "billing.alert", reason=alert, user_id=str(user_id), subscriptions=sorted(one.id for one in found)
            )
        return True
