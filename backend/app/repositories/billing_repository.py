"""SQL of subscriptions, of purchases under way and of what the payment provider reported."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.billing import ENDED, FREE, GRACE, PAST_DUE, STRIPE, TEST, Held
from app.kit.ids import new_id

_COLUMNS = (
    "plan, status, mode, external_customer_id, external_subscription_id, price_id, current_period_start, "
    "current_period_end, cancels_at, trial_ends_at, past_due_since, invoice_url"
)

# A reading is stamped later than every one before it, even within one tick of the clock: the stamp is a version.
_STAMP = "GREATEST(clock_timestamp(), subscriptions.synced_at + interval '1 microsecond')"

_PUT = f"""
INSERT INTO subscriptions (id, user_id, {_COLUMNS}, synced_at)
VALUES (:id, :user_id, :plan, :status, :mode, :external_customer_id, :external_subscription_id, :price_id,
        :current_period_start, :current_period_end, :cancels_at, :trial_ends_at, :past_due_since, :invoice_url,
        CASE WHEN :is_reading THEN clock_timestamp() END)
ON CONFLICT (user_id) DO UPDATE SET
    plan = EXCLUDED.plan, status = EXCLUDED.status, mode = EXCLUDED.mode,
    external_customer_id = EXCLUDED.external_customer_id,
    external_subscription_id = EXCLUDED.external_subscription_id, price_id = EXCLUDED.price_id,
    current_period_start = EXCLUDED.current_period_start, current_period_end = EXCLUDED.current_period_end,
    cancels_at = EXCLUDED.cancels_at, trial_ends_at = EXCLUDED.trial_ends_at,
    past_due_since = EXCLUDED.past_due_since, invoice_url = EXCLUDED.invoice_url,
    synced_at = CASE WHEN :is_reading THEN {_STAMP} ELSE subscriptions.synced_at END, updated_at = now()
"""  # noqa: S608 - nothing from outside


@dataclass(frozen=True)
class SubscriptionRow:
    """A subscription as it is stored; `version` is when the provider was last asked."""

    id: UUID
    user_id: UUID
    version: datetime | None
    created_at: datetime
    updated_at: datetime
    held: Held


@dataclass(frozen=True)
class CheckoutRow:
    id: UUID
    user_id: UUID
    plan: str
    mode: str
    idempotency_key: str
    session_id: str | None
    url: str | None
    status: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True)
class OpenEvent:
    """An event that is leased to one worker until `due_at`."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    tries: int
    due_at: datetime


class BillingRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Subscriptions

    async def find(self, user_id: UUID, *, for_update: bool = False) -> SubscriptionRow | None:
        lock = "FOR UPDATE" if for_update else ""
        rows = await self._session.execute(
            text(
                f"SELECT id, user_id, synced_at, created_at, updated_at, {_COLUMNS} "  # noqa: S608
                f"FROM subscriptions WHERE user_id = :user_id {lock}"
            ),
            {"user_id": user_id},
        )
        row = rows.first()
        if row is None:
            return None
        return SubscriptionRow(row.id, row.user_id, row.synced_at, row.created_at, row.updated_at, Held(*row[5:]))

    async def put(self, user_id: UUID, held: Held, *, is_reading: bool) -> None:
        """Write a user's subscription; `is_reading` says that it was read from the provider just now."""
        values = {"id": new_id(), "user_id": user_id, "is_reading": is_reading, **asdict(held)}
        await self._session.execute(text(_PUT), values)

    async def touch(self, user_id: UUID) -> None:
        """Note that the provider was asked and nothing had changed."""
        await self._session.execute(
            text(f"UPDATE subscriptions SET synced_at = {_STAMP} WHERE user_id = :user_id"),  # noqa: S608
            {"user_id": user_id},
        )

    async def keep_customer(self, user_id: UUID, customer_id: str, *, instead_of: str | None) -> str:
        """Remember who the user is at the provider, unless somebody was quicker; return who it is."""
        await self._session.execute(
            text("""
            INSERT INTO subscriptions (id, user_id, plan, status, mode, external_customer_id)
            VALUES (:id, :user_id, 'free', 'none', 'stripe', :customer_id)
            ON CONFLICT (user_id) DO UPDATE SET external_customer_id = EXCLUDED.external_customer_id
            WHERE subscriptions.external_customer_id IS NOT DISTINCT FROM :instead_of
            """),
            {"id": new_id(), "user_id": user_id, "customer_id": customer_id, "instead_of": instead_of},
        )
        kept = await self._session.execute(
            text("SELECT external_customer_id FROM subscriptions WHERE user_id = :user_id"), {"user_id": user_id}
        )
        return str(kept.scalar_one())

    async def forget_customer(self, customer_id: str) -> None:
        """Drop a customer whom the provider has deleted."""
        await self._session.execute(
            text("UPDATE subscriptions SET external_customer_id = NULL WHERE external_customer_id = :id"),
            {"id": customer_id},
        )

    async def use_trial(self, user_id: UUID) -> None:
        await self._session.execute(
            text("UPDATE users SET trial_used_at = now() WHERE id = :id AND trial_used_at IS NULL"), {"id": user_id}
        )

    async def has_used_trial(self, user_id: UUID) -> bool:
        rows = await self._session.execute(
            text("SELECT trial_used_at IS NOT NULL FROM users WHERE id = :id"), {"id": user_id}
        )
        return bool(rows.scalar())

    async def owner_of(
        self, *, subscription_id: str | None, customer_id: str | None, user_ref: str | None
    ) -> UUID | None:
        """Return whom something of the provider's belongs to: by subscription, by customer, by our own reference."""
        rows = await self._session.execute(
            text("""
            SELECT user_id FROM (
                SELECT user_id, 1 AS place FROM subscriptions WHERE external_subscription_id = :subscription_id
                UNION ALL SELECT user_id, 2 FROM subscriptions WHERE external_customer_id = :customer_id
                UNION ALL SELECT id, 3 FROM users WHERE id = CAST(:user_id AS uuid)
            ) found ORDER BY place LIMIT 1
            """),
            {"subscription_id": subscription_id, "customer_id": customer_id, "user_id": _uuid(user_ref)},
        )
        found: UUID | None = rows.scalar()
        return found

    # What time alone changes

    async def out_of_grace(self, *, limit: int) -> list[UUID]:
        """Return whose payment has failed for longer than their plan is kept."""
        rows = await self._session.execute(
            text("""
            SELECT user_id FROM subscriptions
            WHERE status = :past_due AND plan <> :free AND past_due_since <= now() - CAST(:grace AS interval)
            ORDER BY past_due_since LIMIT :limit
            """),
            {"past_due": PAST_DUE, "free": FREE, "grace": GRACE, "limit": limit},
        )
        return list(rows.scalars())

    async def ended_test_periods(self, *, now: datetime, limit: int) -> list[UUID]:
        """Return whose period of a subscription in test mode is over."""
        rows = await self._session.execute(
            text("""
            SELECT user_id FROM subscriptions
            WHERE mode = :test AND status = 'active' AND current_period_end <= :now
            ORDER BY current_period_end LIMIT :limit
            """),
            {"test": TEST, "now": now, "limit": limit},
        )
        return list(rows.scalars())

    async def to_reconcile(self, *, daily: timedelta, weekly: timedelta, limit: int) -> list[UUID]:
        """Return whose state at the provider is to be read again: those with something under way daily, the others
        whom it knows weekly."""
        rows = await self._session.execute(
            text("""
            SELECT s.user_id FROM subscriptions s WHERE s.external_customer_id IS NOT NULL AND (
                COALESCE(s.synced_at, s.created_at) < now() - CAST(:weekly AS interval)
                OR (COALESCE(s.synced_at, s.created_at) < now() - CAST(:daily AS interval) AND (
                    (s.mode = :stripe AND NOT s.status = ANY(:ended))
                    OR EXISTS (SELECT 1 FROM checkouts c WHERE c.user_id = s.user_id AND c.mode = :stripe
                               AND c.created_at > now() - CAST(:weekly AS interval))
                ))
            ) ORDER BY COALESCE(s.synced_at, s.created_at) LIMIT :limit
            """),
            {"daily": daily, "weekly": weekly, "stripe": STRIPE, "ended": list(ENDED), "limit": limit},
        )
        return list(rows.scalars())

    # Prices

    async def plans_of_prices(self, price_ids: Collection[str]) -> dict[str, str]:
        rows = await self._session.execute(
            text("SELECT id, plan FROM billing_prices WHERE id = ANY(:ids)"), {"ids": list(price_ids)}
        )
        return {row.id: row.plan for row in rows}

    async def keep_price(self, price_id: str, plan: str, lookup_key: str | None) -> None:
        await self._session.execute(
            text("""
            INSERT INTO billing_prices (id, plan, lookup_key) VALUES (:id, :plan, :lookup_key) ON CONFLICT DO NOTHING
            """),
            {"id": price_id, "plan": plan, "lookup_key": lookup_key},
        )

    # Checkouts

    async def open_checkout(self, user_id: UUID) -> CheckoutRow | None:
        """Return the purchase that a user has begun and neither ended nor given up."""
        return await self._checkout("user_id = :user_id AND status = 'open' AND mode = 'stripe'", user_id=user_id)

    async def checkout(self, user_id: UUID, session_id: str) -> CheckoutRow | None:
        return await self._checkout(
            "user_id = :user_id AND session_id = :session_id", user_id=user_id, session_id=session_id
        )

    async def checkout_by_id(self, user_id: UUID, checkout_id: UUID) -> CheckoutRow | None:
        return await self._checkout("user_id = :user_id AND id = :id", user_id=user_id, id=checkout_id)

    async def _checkout(self, condition: str, **values: Any) -> CheckoutRow | None:
        rows = await self._session.execute(
            text(
                "SELECT id, user_id, plan, mode, idempotency_key, session_id, url, status, expires_at, created_at "  # noqa: S608
                f"FROM checkouts WHERE {condition} ORDER BY created_at DESC LIMIT 1"
            ),
            values,
        )
        row = rows.first()
        return CheckoutRow(*row) if row else None

    async def add_checkout(
        self, user_id: UUID, *, plan: str, mode: str, status: str, session_id: str | None, expires_at: datetime
    ) -> CheckoutRow:
        """Begin a purchase; its key is kept before the provider is asked."""
        checkout_id = new_id()
        rows = await self._session.execute(
            text("""
            INSERT INTO checkouts (id, user_id, plan, mode, idempotency_key, session_id, status, expires_at)
            VALUES (:id, :user_id, :plan, :mode, :key, :session_id, :status, :expires_at)
            RETURNING id, user_id, plan, mode, idempotency_key, session_id, url, status, expires_at, created_at
            """),
            {
                "id": checkout_id,
                "user_id": user_id,
                "plan": plan,
                "mode": mode,
                "key": f"checkout:{checkout_id}",
                "session_id": session_id,
                "status": status,
                "expires_at": expires_at,
            },
        )
        return CheckoutRow(*rows.one())

    async def take_checkout(self, checkout_id: UUID, *, seen: datetime, until: datetime) -> bool:
        """Take over a purchase whose asker fell silent; `seen` is until when it had claimed it."""
        rows = await self._session.execute(
            text("""
            UPDATE checkouts SET expires_at = :until
            WHERE id = :id AND session_id IS NULL AND status = 'open' AND expires_at = :seen RETURNING 1
            """),
            {"id": checkout_id, "seen": seen, "until": until},
        )
        return rows.first() is not None

    async def record_checkout(
        self, checkout_id: UUID, *, session_id: str, url: str | None, expires_at: datetime
    ) -> None:
        await self._session.execute(
            text("""
            UPDATE checkouts SET session_id = :session_id, url = :url, expires_at = :expires_at
            WHERE id = :id AND (session_id IS NULL OR session_id = :session_id)
            """),
            {"id": checkout_id, "session_id": session_id, "url": url, "expires_at": expires_at},
        )

    async def release_checkout(self, checkout_id: UUID, *, at: datetime) -> None:
        """Let others ask again, with the same key."""
        await self._session.execute(
            text("UPDATE checkouts SET expires_at = :at WHERE id = :id AND session_id IS NULL"),
            {"id": checkout_id, "at": at},
        )

    async def end_checkout(self, checkout_id: UUID, status: str) -> None:
        await self._session.execute(
            text("UPDATE checkouts SET status = :status WHERE id = :id AND status = 'open'"),
            {"id": checkout_id, "status": status},
        )

    async def end_session(self, session_id: str, status: str) -> None:
        await self._session.execute(
            text("UPDATE checkouts SET status = :status WHERE session_id = :session_id AND status = 'open'"),
            {"session_id": session_id, "status": status},
        )

    # Events

    async def keep_event(
        self,
        event_id: str,
        kind: str,
        payload: Mapping[str, Any],
        *,
        api_version: str | None,
        created_epoch: int | None,
        is_live: bool,
        outcome: str | None,
    ) -> bool:
        """Store an event once; `outcome` says that there is nothing to do about it. `False`: it was here before."""
        rows = await self._session.execute(
            text("""
            INSERT INTO billing_events
                (id, kind, api_version, created_epoch, is_live, payload, due_at, handled_at, outcome)
            VALUES (:id, :kind, :api_version, :created_epoch, :is_live, CAST(:payload AS jsonb), clock_timestamp(),
                    CASE WHEN CAST(:outcome AS text) IS NOT NULL THEN clock_timestamp() END, :outcome)
            ON CONFLICT (id) DO NOTHING RETURNING 1
            """),
            {
                "id": event_id,
                "kind": kind,
                "api_version": api_version,
                "created_epoch": created_epoch,
                "is_live": is_live,
                "payload": json.dumps(payload).replace("\\u0000", ""),
                "outcome": outcome,
            },
        )
        return rows.first() is not None

    async def claim_events(self, *, lease: timedelta, limit: int) -> list[OpenEvent]:
        """Lease events that are due: others leave them alone until the lease runs out."""
        rows = await self._session.execute(
            text("""
            UPDATE billing_events SET due_at = clock_timestamp() + CAST(:lease AS interval), tries = tries + 1
            WHERE id IN (
                SELECT id FROM billing_events WHERE handled_at IS NULL AND due_at <= clock_timestamp()
                ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
            ) RETURNING id, kind, payload, tries, due_at
            """),
            {"lease": lease, "limit": limit},
        )
        return [OpenEvent(*row) for row in rows]

    async def finish_event(self, event: OpenEvent, outcome: str) -> bool:
        """Mark an event as worked off; `False` when somebody else has done so, or works on it now."""
        rows = await self._session.execute(
            text("""
            UPDATE billing_events SET handled_at = clock_timestamp(), outcome = :outcome
            WHERE id = :id AND handled_at IS NULL AND due_at = :due_at RETURNING 1
            """),
            {"id": event.id, "outcome": outcome, "due_at": event.due_at},
        )
        return rows.first() is not None

    async def put_off(self, events: Sequence[OpenEvent], wait: timedelta) -> None:
        """Have events worked off later, if they are still ours."""
        for event in events:
            await self._session.execute(
                text("""
                UPDATE billing_events SET due_at = clock_timestamp() + CAST(:wait AS interval)
                WHERE id = :id AND handled_at IS NULL AND due_at = :due_at
                """),
                {"id": event.id, "wait": wait, "due_at": event.due_at},
            )

    async def tell(self, user_id: UUID, kind: str, facts: Mapping[str, Any]) -> None:
        """Write down what the subscription's own columns do not show."""
        await self._session.execute(
            text("""
            INSERT INTO user_events (user_id, kind, subject_id, facts)
            SELECT user_id, :kind, id, CAST(:facts AS jsonb) FROM subscriptions WHERE user_id = :user_id
            """),
            {"user_id": user_id, "kind": kind, "facts": json.dumps(facts, default=str)},
        )


def _uuid(value: str | None) -> str | None:
    try:
        return str(UUID(value)) if value else None
    except ValueError:
        return None
