"""Buying a plan at the provider's cash desk. One purchase at a time per user, however many ask for it at once.

A purchase is a row with an idempotency key before the provider is asked. Until its page is known, `expires_at` is the
lease of whoever asks for it; the others wait for the answer. A row whose asker fell silent is taken over with the same
key, so that the provider makes one page of both calls.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.billing import STRIPE, TEST, Held, month_later
from app.domain.errors import AlreadySubscribed, CheckoutNotFound, PaymentsUnavailable, PlanNotForSale
from app.domain.plans import PLANS
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.payments.base import (
    CallRefused,
    CheckoutOrder,
    CheckoutPage,
    KeyReused,
    Misconfigured,
    NotThere,
    PaymentError,
    Payments,
    ProviderFailed,
)
from app.repositories.billing_repository import BillingRepository, CheckoutRow
from app.repositories.user_repository import Identity, UserRepository
from app.services.billing.customers import Customers
from app.services.billing.errors import RETRY_AFTER, told
from app.services.billing.sync import BillingSync
from app.services.plan_service import PlanService

LEASE = timedelta(seconds=40)
"""Longer than one call with its repetitions takes."""
KEY_LIFE = timedelta(hours=23)
"""The provider may forget an idempotency key after 24 hours. Source: stripe.md §10."""
WAIT_SECONDS = 45.0
POLL_SECONDS = 0.1
ATTEMPTS = 4


@dataclass(frozen=True)
class Opened:
    """Where to send the browser."""

    checkout_url: str
    session_id: str
    mode: str


class Checkouts:
    def __init__(
        self,
        *,
        sessions: Sessions,
        payments: Payments | None,
        sync: BillingSync | None,
        customers: Customers | None,
        dashboard_base: str,
        late_grace: timedelta,
        clock: Clock,
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._payments = payments
        self._sync = sync
        self._customers = customers
        self._dashboard_base = dashboard_base
        self._late_grace = late_grace
        self._clock = clock
        self._send = send

    async def open(self, user: Identity, plan: str) -> Opened:
        """Return the page on which a plan is bought; without a provider the plan is active at once.

        Raises `PlanNotForSale`, `AlreadySubscribed`, `PaymentsUnavailable`, `PaymentsMisconfigured`.
        """
        if not PLANS[plan].price_monthly_cents:
            raise PlanNotForSale
        if self._payments is None:
            return await self._activate(user.id, plan)
        with told("checkout"):
            for _ in range(ATTEMPTS):
                row, is_ours = await self._begin(user.id, plan)
                if row.plan != plan:
                    await self._give_up(row)
                    continue
                if row.session_id is not None:
                    opened = await self._still_open(row)
                elif is_ours:
                    opened = await self._ask(user, row)
                else:
                    opened = await self._wait(row)
                if opened is not None:
                    return opened
        raise PaymentsUnavailable(headers=RETRY_AFTER)

    async def confirm(self, user: Identity, session_id: str) -> str:
        """Look whether a purchase is complete, and bring the plan in line; return its status. The return from the
        cash desk proves nothing: only what the provider says counts. Raises `CheckoutNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).checkout(user.id, session_id)
        if row is None:
            raise CheckoutNotFound
        if self._payments is None or row.mode != STRIPE:
            return row.status
        with told("confirm"):
            try:
                page = await self._payments.checkout(session_id)
            except NotThere:
                raise CheckoutNotFound from None
            if page.user_ref != str(user.id):
                raise CheckoutNotFound
            await self._settle(user.id, page)
        return page.status

    # Test mode

    async def _activate(self, user_id: UUID, plan: str) -> Opened:
        """Give the plan at once: there is nobody who could take money."""
        now = self._clock()
        async with unit_of_work(self._sessions, self._send) as uow:
            billing = BillingRepository(uow.session)
            await UserRepository(uow.session).lock(user_id)
            row = await billing.find(user_id, for_update=True)
            if row is not None and row.held.mode in (TEST, STRIPE) and row.held.is_current and row.held.plan in _SOLD:
                raise AlreadySubscribed
            session_id = f"test_{new_id().hex}"
            await billing.add_checkout(
                user_id, plan=plan, mode=TEST, status="complete", session_id=session_id, expires_at=now
            )
            held = Held(
                plan, "active", TEST, current_period_start=now, current_period_end=month_later(now, day=now.day),
                external_customer_id=row.held.external_customer_id if row else None,
            )  # fmt: skip
            await PlanService(uow, self._clock, late_grace=self._late_grace).write(user_id, held)
        return Opened(f"{self._dashboard_base}/billing?session_id={session_id}", session_id, TEST)

    # At the provider

    async def _begin(self, user_id: UUID, plan: str) -> tuple[CheckoutRow, bool]:
        """Return the purchase under way, begun here if there was none, and whether it is ours to ask for its page.

        Raises `AlreadySubscribed`."""
        now = self._clock()
        async with unit_of_work(self._sessions) as uow:
            billing = BillingRepository(uow.session)
            await UserRepository(uow.session).lock(user_id)
            row = await billing.find(user_id)
            if row is not None and row.held.is_bought:
                raise AlreadySubscribed
            found = await billing.open_checkout(user_id)
            if found is not None:
                is_new = found.session_id is None and now - found.created_at < KEY_LIFE
                if found.session_id is not None or (is_new and found.expires_at > now):
                    return found, False
                if is_new:
                    until = now + LEASE
                    return found, await billing.take_checkout(found.id, seen=found.expires_at, until=until)
                await billing.end_checkout(found.id, "expired")
            return (
                await billing.add_checkout(
                    user_id, plan=plan, mode=STRIPE, status="open", session_id=None, expires_at=now + LEASE
                ),
                True,
            )

    async def _ask(self, user: Identity, row: CheckoutRow) -> Opened | None:
        """Ask for the page of a purchase; `None` when a new one has to be begun."""
        assert self._payments is not None
        assert self._customers is not None
        try:
            prices = await self._payments.prices()
            if row.plan not in prices:
                raise Misconfigured(f"there is no active price for {row.plan}")
            customer_id = await self._customers.of(user, key=row.idempotency_key)
            page = await self._payments.open_checkout(
                CheckoutOrder(
                    user_ref=str(user.id),
                    customer_id=customer_id,
                    price_id=prices[row.plan].id,
                    trial_days=await self._trial_days(user.id, row.plan),
                    success_url=f"{self._dashboard_base}/billing?session_id={{CHECKOUT_SESSION_ID}}",
                    cancel_url=f"{self._dashboard_base}/billing?checkout=canceled",
                ),
                key=row.idempotency_key,
            )
        except KeyReused:
            await self._end(row, "expired")
            return None
        except NotThere as error:
            await self._end(row, "expired")
            if error.param != "customer":
                raise Misconfigured(error.detail) from error
            await self._customers.of(user, key=row.idempotency_key, instead_of=customer_id)
            return None
        except (ProviderFailed, CallRefused, Misconfigured):
            await self._end(row, "expired")  # this key will never give a page
            raise
        except PaymentError:
            await self._release(row)
            raise
        async with unit_of_work(self._sessions) as uow:
            await BillingRepository(uow.session).record_checkout(
                row.id, session_id=page.id, url=page.url, expires_at=page.expires_at
            )
        return _opened(page)

    async def _wait(self, row: CheckoutRow) -> Opened | None:
        """Wait until whoever asks for the page has it; `None` when nobody does any more."""
        loop = asyncio.get_running_loop()
        until = loop.time() + WAIT_SECONDS
        while loop.time() < until:
            await asyncio.sleep(POLL_SECONDS)
            async with unit_of_work(self._sessions) as uow:
                seen = await BillingRepository(uow.session).checkout_by_id(row.user_id, row.id)
            if seen is None or seen.status != "open":
                return None
            if seen.session_id is not None and seen.url is not None:
                return Opened(seen.url, seen.session_id, STRIPE)
            if seen.expires_at <= self._clock():
                return None
        return None

    async def _still_open(self, row: CheckoutRow) -> Opened | None:
        """Return the page of a purchase that was begun before, if it can still be paid. Raises `AlreadySubscribed`."""
        assert self._payments is not None
        assert row.session_id is not None
        try:
            page = await self._payments.checkout(row.session_id)
        except NotThere:
            await self._end(row, "expired")
            return None
        if page.status == "open" and page.url is not None:
            return _opened(page)
        await self._settle(row.user_id, page)
        if page.status == "complete":
            raise AlreadySubscribed
        return None

    async def _give_up(self, row: CheckoutRow) -> None:
        """Close a purchase of another plan, so that it cannot be paid as well. Raises `AlreadySubscribed` when it was
        paid meanwhile."""
        assert self._payments is not None
        if row.session_id is None:
            opened = await self._wait(row)
            if opened is None:
                await self._end(row, "expired")
                return
            row_id = opened.session_id
        else:
            row_id = row.session_id
        try:
            await self._payments.expire_checkout(row_id)
        except CallRefused:
            page = await self._payments.checkout(row_id)
            await self._settle(row.user_id, page)
            if page.status == "complete":
                raise AlreadySubscribed from None
        except NotThere:
            pass
        await self._end(row, "expired")

    async def _settle(self, user_id: UUID, page: CheckoutPage) -> None:
        """Write down what became of a purchase; the plan follows from what the provider says of the subscription."""
        assert self._sync is not None
        if page.status == "open":
            return
        if page.status == "complete":
            customers = [page.customer_id] if page.customer_id else []
            subscriptions = [page.subscription_id] if page.subscription_id else []
            await self._sync.sync(user_id, customers=customers, subscriptions=subscriptions)
        async with unit_of_work(self._sessions) as uow:
            await BillingRepository(uow.session).end_session(page.id, page.status)

    async def _trial_days(self, user_id: UUID, plan: str) -> int:
        async with unit_of_work(self._sessions) as uow:
            has_used = await BillingRepository(uow.session).has_used_trial(user_id)
        return 0 if has_used else PLANS[plan].trial_days

    async def _end(self, row: CheckoutRow, status: str) -> None:
        async with unit_of_work(self._sessions) as uow:
            await BillingRepository(uow.session).end_checkout(row.id, status)

    async def _release(self, row: CheckoutRow) -> None:
        async with unit_of_work(self._sessions) as uow:
            await BillingRepository(uow.session).release_checkout(row.id, at=self._clock())


_SOLD = frozenset(tier for tier, plan in PLANS.items() if plan.price_monthly_cents)


def _opened(page: CheckoutPage) -> Opened:
    assert page.url is not None
    return Opened(page.url, page.id, STRIPE)
