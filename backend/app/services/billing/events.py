"""What the payment provider reports: kept once, worked off later. A report only says where to look."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import InvalidPayload, WebhookSignatureInvalid
from app.domain.vocabulary import BILLING_EVENTS
from app.payments.base import InvalidSignature, PaymentError, Payments, Report
from app.repositories.billing_repository import BillingRepository, OpenEvent
from app.services.billing.sync import BillingSync

log = structlog.get_logger()

LEASE = timedelta(minutes=3)
BATCH = 20
TRIES_MAX = 40
"""With waits of up to 2 hours about three days; after that the daily reading of everything finds it."""
ORPHAN_TRIES = 8
"""How often the owner of a report is looked for: the row that names them may be on its way. About ten minutes."""
WAIT_MAX = timedelta(hours=2)
TOLD = {
    "customer.subscription.trial_will_end": "subscription.trial_ends_soon",
    "invoice.payment_action_required": "subscription.action_required",
}
"""Reports that their owner is told of, although nothing in the subscription changes."""


class BillingEvents:
    def __init__(
        self,
        *,
        sessions: Sessions,
        payments: Payments | None,
        sync: BillingSync | None,
        kinds: frozenset[str],
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._payments = payments
        self._sync = sync
        self._kinds = kinds
        self._send = send

    async def receive(self, body: bytes, signature: str) -> bool:
        """Keep what is reported; `False` when it is of no use or was here before.

        Raises `WebhookSignatureInvalid`, `InvalidPayload`.
        """
        if self._payments is None:
            raise WebhookSignatureInvalid("This installation takes no payments: STRIPE_SECRET_KEY is not set.")
        try:
            report = await self._payments.read_report(body, signature)
        except InvalidSignature as error:
            raise WebhookSignatureInvalid from error
        except ValueError as error:
            raise InvalidPayload from error
        if report.kind not in self._kinds:
            return False
        is_ours = report.is_live == self._payments.is_live
        async with unit_of_work(self._sessions, self._send) as uow:
            is_new = await BillingRepository(uow.session).keep_event(
                report.id,
                report.kind,
                _hint(report),
                api_version=report.api_version,
                created_epoch=report.created_epoch,
                is_live=report.is_live,
                outcome=None if is_ours else "other_mode",
            )
            if is_new and is_ours:
                uow.after_commit(BILLING_EVENTS)
        return is_new

    async def work(self) -> int:
        """Work off what is due and return how many events were finished. Safe to run twice at once."""
        if self._sync is None:
            return 0
        done = 0
        while True:
            async with unit_of_work(self._sessions) as uow:
                claimed = await BillingRepository(uow.session).claim_events(lease=LEASE, limit=BATCH)
            if not claimed:
                return done
            done += await self._batch(claimed)

    async def _batch(self, claimed: list[OpenEvent]) -> int:
        """Read each owner's state once, however many events are about it."""
        by_owner: dict[UUID | None, list[OpenEvent]] = defaultdict(list)
        for event in claimed:
            by_owner[await self._owner(event)].append(event)
        done = await self._leave(by_owner.pop(None, []))
        for user_id, events in by_owner.items():
            assert user_id is not None
            done += await self._settle(user_id, events)
        return done

    async def _owner(self, event: OpenEvent) -> UUID | None:
        hint = event.payload
        async with unit_of_work(self._sessions) as uow:
            return await BillingRepository(uow.session).owner_of(
                subscription_id=hint.get("subscription"),
                customer_id=hint.get("customer"),
                user_ref=hint.get("user_ref"),
            )

    async def _settle(self, user_id: UUID, events: list[OpenEvent]) -> int:
        assert self._sync is not None
        customers = {str(event.payload["customer"]) for event in events if event.payload.get("customer")}
        subscriptions = {str(event.payload["subscription"]) for event in events if event.payload.get("subscription")}
        try:
            await self._sync.sync(user_id, customers=customers, subscriptions=subscriptions)
        except PaymentError as error:
            return await self._put_off(events, f"{type(error).__name__} {error.detail}")
        except Exception as error:
            # An answer of a form that nobody has seen yet must not keep the events of others waiting.
            log.exception("billing.not_understood", user_id=str(user_id))
            return await self._put_off(events, type(error).__name__)
        done = 0
        for event in events:
            done += await self._finish(user_id, event)
        return done

    async def _finish(self, user_id: UUID, event: OpenEvent) -> bool:
        """Write down that an event is done, together with what it leads to: once, whoever else works on it."""
        async with unit_of_work(self._sessions) as uow:
            billing = BillingRepository(uow.session)
            if not await billing.finish_event(event, "synced"):
                return False
            checkout = event.payload.get("checkout")
            if checkout and event.kind in ("checkout.session.completed", "checkout.session.expired"):
                await billing.end_session(checkout, "expired" if event.kind.endswith("expired") else "complete")
            if event.kind == "customer.deleted" and event.payload.get("customer"):
                await billing.forget_customer(event.payload["customer"])
            if event.kind in TOLD:
                row = await billing.find(user_id)
                facts = {"trial_ends_at": row.held.trial_ends_at, "invoice_url": row.held.invoice_url} if row else {}
                await billing.tell(user_id, TOLD[event.kind], facts)
        return True

    async def _leave(self, events: list[OpenEvent]) -> int:
        """Look again later for owners who are not known; give up in the end."""
        return await self._later(events, tries=ORPHAN_TRIES, outcome="orphan", said="billing.orphan")

    async def _put_off(self, events: list[OpenEvent], reason: str) -> int:
        """Try again later; give up in the end."""
        done = await self._later(events, tries=TRIES_MAX, outcome="given_up", said="billing.given_up")
        log.warning("billing.put_off", reason=reason, events=len(events))
        return done

    async def _later(self, events: list[OpenEvent], *, tries: int, outcome: str, said: str) -> int:
        """Leave events for a later try, and end those that had as many as they may; return how many ended."""
        done = 0
        for event in events:
            async with unit_of_work(self._sessions) as uow:
                billing = BillingRepository(uow.session)
                if event.tries < tries:
                    await billing.put_off([event], wait_after(event.tries))
                    continue
                done += await billing.finish_event(event, outcome)
            log.error(said, event_id=event.id, kind=event.kind)
        return done


def wait_after(tries: int) -> timedelta:
    """Return how long to wait after a number of tries: 5 s, 10 s, 20 s … 2 h."""
    return min(timedelta(seconds=5 * 2 ** min(tries - 1, 16)), WAIT_MAX)


def _hint(report: Report) -> dict[str, Any]:
    """Return the part of a report that is kept: ids, nothing about people."""
    return {
        "customer": report.customer_id,
        "subscription": report.subscription_id,
        "checkout": report.checkout_id,
        "user_ref": report.user_ref,
    }
