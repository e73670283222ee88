"""What a user sees of their subscription, and what they may do with it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.billing import ENDED, GRACE, STRIPE, TEST, Bought, Held
from app.domain.errors import NoSubscription, PlanNotForSale
from app.domain.plans import PLANS, plan_of
from app.kit.clock import Clock
from app.payments.base import NotThere, Payments
from app.repositories.billing_repository import BillingRepository, SubscriptionRow
from app.repositories.user_repository import UserRepository
from app.services.billing.errors import told
from app.services.billing.sync import BillingSync
from app.services.entitlements import Entitlements, Used
from app.services.plan_service import PlanService


@dataclass(frozen=True)
class Standing:
    """A subscription, as its owner is shown it."""

    id: UUID
    plan: str
    plan_name: str
    status: str
    mode: str
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    cancels_at: datetime | None
    trial_ends_at: datetime | None
    past_due_since: datetime | None
    grace_ends_at: datetime | None
    invoice_url: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Overview:
    current_plan: str
    plan_name: str
    mode: str
    is_trial_available: bool
    subscription: Standing | None
    used: list[Used]


class BillingDesk:
    def __init__(
        self,
        *,
        sessions: Sessions,
        payments: Payments | None,
        sync: BillingSync | None,
        dashboard_base: str,
        late_grace: timedelta,
        clock: Clock,
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._payments = payments
        self._sync = sync
        self._dashboard_base = dashboard_base
        self._late_grace = late_grace
        self._clock = clock
        self._send = send

    @property
    def mode(self) -> str:
        return TEST if self._payments is None else STRIPE

    async def current(self, user_id: UUID) -> Standing | None:
        """Return the subscription that has not ended, if there is one."""
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        return _standing(row)

    async def overview(self, user_id: UUID) -> Overview:
        async with unit_of_work(self._sessions) as uow:
            billing, entitlements = BillingRepository(uow.session), Entitlements(uow, self._clock)
            row = await billing.find(user_id)
            plan = await entitlements.plan(user_id)
            used = await entitlements.used(user_id)
            has_used_trial = await billing.has_used_trial(user_id)
        is_trial_available = self._payments is not None and not has_used_trial
        return Overview(plan.tier, plan.name, self.mode, is_trial_available, _standing(row), used)

    async def portal(self, user_id: UUID) -> str:
        """Return the page on which everything else is done: plan, card, invoices, cancellation.

        Raises `NoSubscription`, `PaymentsUnavailable`, `PaymentsMisconfigured`.
        """
        return_url = f"{self._dashboard_base}/billing"
        if self._payments is None:
            return return_url
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        if row is None or row.held.external_customer_id is None:
            raise NoSubscription
        with told("portal"):
            return await self._payments.open_portal(row.held.external_customer_id, return_url=return_url)

    async def cancel(self, user_id: UUID) -> Standing | None:
        """Have the subscription end with its period; until then it stays as it is. Repeated, it changes nothing.

        Raises `NoSubscription`, `PaymentsUnavailable`."""
        row = await self._required(user_id)
        if row.held.mode == TEST:
            return await self._change_test(user_id, lambda held, end: replace(held, cancels_at=end))
        with told("cancel"):
            payments, found = await self._theirs(user_id, row)
            if found.cancels_at is None:
                await payments.cancel_at_period_end(found.id)
            return await self._read_again(user_id)

    async def resume(self, user_id: UUID) -> Standing | None:
        """Take a cancellation back while the subscription has not ended. Repeated, it changes nothing.

        Raises `NoSubscription`, `PaymentsUnavailable`."""
        row = await self._required(user_id)
        if row.held.mode == TEST:
            return await self._change_test(user_id, lambda held, _end: replace(held, cancels_at=None))
        with told("resume"):
            payments, found = await self._theirs(user_id, row)
            if found.cancels_at is not None:
                await payments.keep(found)
            return await self._read_again(user_id)

    async def change(self, user_id: UUID, plan: str) -> tuple[str | None, Standing | None]:
        """Move to another plan: in test mode at once, else on the portal, whose address is returned.

        Raises `PlanNotForSale`, `NoSubscription`, `PaymentsUnavailable`, `PaymentsMisconfigured`."""
        if not PLANS[plan].price_monthly_cents:
            raise PlanNotForSale("Cancel your subscription to go back to the free plan: POST /api/v1/billing/cancel.")
        row = await self._required(user_id)
        if row.held.mode == TEST:
            return None, await self._change_test(user_id, lambda held, _end: replace(held, plan=plan, cancels_at=None))
        return await self.portal(user_id), _standing(row)

    async def close(self, user_id: UUID) -> None:
        """End everything a user pays for, now: for somebody whose account is about to be deleted.

        Raises `PaymentsUnavailable`; then something may still be paid for, and the account has to stay."""
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        customer_id = row.held.external_customer_id if row else None
        if self._payments is None or self._sync is None or customer_id is None:
            return
        with told("close"):
            for found in await self._payments.subscriptions_of(customer_id):
                if found.status not in ENDED:
                    with suppress(NotThere):
                        await self._payments.cancel_now(found.id)
            await self._sync.sync(user_id)

    async def _required(self, user_id: UUID) -> SubscriptionRow:
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        is_kept_here = row is not None and row.held.mode == TEST and row.held.is_current
        is_kept_there = row is not None and row.held.is_bought and self._payments is not None
        if row is None or not (is_kept_here or is_kept_there):
            raise NoSubscription
        return row

    async def _theirs(self, user_id: UUID, row: SubscriptionRow) -> tuple[Payments, Bought]:
        """Return the subscription as the provider has it now. Raises `NoSubscription` when it has ended there."""
        assert self._payments is not None
        found = await self._payments.subscription(str(row.held.external_subscription_id))
        if found is None or found.status in ENDED:
            await self._read_again(user_id)
            raise NoSubscription
        return self._payments, found

    async def _read_again(self, user_id: UUID) -> Standing | None:
        assert self._sync is not None
        await self._sync.sync(user_id)
        return await self.current(user_id)

    async def _change_test(self, user_id: UUID, change: Callable[[Held, datetime], Held]) -> Standing | None:
        """Change a subscription in test mode, given when its period ends."""
        async with unit_of_work(self._sessions, self._send) as uow:
            billing = BillingRepository(uow.session)
            await UserRepository(uow.session).lock(user_id)
            row = await billing.find(user_id, for_update=True)
            if row is None or row.held.mode != TEST or not row.held.is_current:
                raise NoSubscription
            end = row.held.current_period_end or self._clock()
            held = change(replace(row.held, current_period_end=end), end)
            await PlanService(uow, self._clock, late_grace=self._late_grace).write(user_id, held)
            return _standing(await billing.find(user_id))


def _standing(row: SubscriptionRow | None) -> Standing | None:
    if row is None or not row.held.is_current:
        return None
    held = row.held
    return Standing(
        id=row.id,
        plan=held.plan,
        plan_name=plan_of(held.plan).name,
        status=held.status,
        mode=held.mode,
        current_period_start=held.current_period_start,
        current_period_end=held.current_period_end,
        cancel_at_period_end=held.cancels_at is not None,
        cancels_at=held.cancels_at,
        trial_ends_at=held.trial_ends_at,
        past_due_since=held.past_due_since,
        grace_ends_at=held.past_due_since + GRACE if held.past_due_since else None,
        invoice_url=held.invoice_url,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
