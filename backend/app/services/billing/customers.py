"""Who a user is at the payment provider."""

from __future__ import annotations

from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.payments.base import Payments
from app.repositories.billing_repository import BillingRepository
from app.repositories.user_repository import Identity


class Customers:
    def __init__(self, sessions: Sessions, payments: Payments) -> None:
        self._sessions = sessions
        self._payments = payments

    async def find(self, user_id: UUID) -> str | None:
        async with unit_of_work(self._sessions) as uow:
            row = await BillingRepository(uow.session).find(user_id)
        return row.held.external_customer_id if row else None

    async def of(self, user: Identity, *, key: str, instead_of: str | None = None) -> str:
        """Return the user's customer id, made at the provider if there is none (or only one that is gone,
        `instead_of`). The key is that of the purchase, so that a repetition after a crash finds the same customer.
        Raises `PaymentError`."""
        known = await self.find(user.id)
        if known is not None and known != instead_of:
            return known
        made = await self._payments.add_customer(str(user.id), user.email, key=f"customer:{key}:{instead_of or ''}")
        async with unit_of_work(self._sessions) as uow:
            return await BillingRepository(uow.session).keep_customer(user.id, made, instead_of=instead_of)
