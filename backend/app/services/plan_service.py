"""Who has which plan."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.billing import FREE, GRANTED, Held
from app.domain.plans import PLANS
from app.domain.vocabulary import ADVANCE, HOLD_PLAN, AccountStatus
from app.kit.clock import Clock
from app.repositories.account_repository import AccountRepository
from app.repositories.billing_repository import BillingRepository
from app.repositories.hold_repository import HoldRepository
from app.repositories.user_repository import UserRepository
from app.services.entitlements import Entitlements


class UnknownUser(ValueError):
    """There is nobody with this address."""


NO_PLACE = (
    "{name} has no place in your plan any more, so this post waits. Upgrade your plan, or disconnect another account."
)


class PlanService:
    def __init__(self, uow: UnitOfWork, clock: Clock, *, late_grace: timedelta) -> None:
        self._uow = uow
        self._users = UserRepository(uow.session)
        self._accounts = AccountRepository(uow.session)
        self._holds = HoldRepository(uow.session)
        self._billing = BillingRepository(uow.session)
        self._entitlements = Entitlements(uow, clock)
        self._clock = clock
        self._late_grace = late_grace

    async def grant(self, email: str, tier: str) -> None:
        """Give a user a plan for as long as nothing else is said. Raises `UnknownUser`."""
        user = await self._users.find_by_email(email)
        if user is None:
            raise UnknownUser(email)
        await self.grant_to(user.id, tier)

    async def grant_to(self, user_id: UUID, tier: str) -> None:
        """Give a user a plan. One who pays keeps what is paid for."""
        assert tier in PLANS
        await self._users.lock(user_id)
        row = await self._billing.find(user_id, for_update=True)
        if row is None or not row.held.is_bought:
            customer_id = row.held.external_customer_id if row else None
            await self.write(user_id, Held(tier, "active", GRANTED, external_customer_id=customer_id))

    async def write(self, user_id: UUID, held: Held, *, is_reading: bool = False) -> None:
        """Write what a user has. The one way in which a subscription changes: what is planned follows in the same
        transaction. `is_reading` says that it was read from the payment provider just now."""
        before, row = await self._users.lock(user_id), await self._billing.find(user_id)
        await self._billing.put(user_id, held, is_reading=is_reading)
        after = await self._users.identity(user_id)
        # A grace that ran out has changed the plan in effect by time alone: then only the stored one differs.
        stored = row.held.plan if row else FREE
        if before is not None and after is not None and (before.plan != after.plan or stored != held.plan):
            await self.apply(user_id)

    async def apply(self, user_id: UUID) -> None:
        """Bring what is planned in line with the plan: posts of accounts without a place wait, and say why; those of
        accounts that have one again go on. Nothing is deleted."""
        await self._users.lock(user_id)
        over = await self._entitlements.over_plan(user_id)
        not_before = self._clock() - self._late_grace
        for account in sorted(await self._accounts.list_of(user_id), key=lambda one: str(one.id)):
            if account.id in over:
                await self._holds.hold(account.id, code=HOLD_PLAN, sentence=NO_PLACE.format(name=account.account_name))
            elif account.status == AccountStatus.connected:
                await self._holds.resume(account.id, user_id=user_id, not_before=not_before, codes=(HOLD_PLAN,))
        self._uow.after_commit(ADVANCE)
