"""SQL of outgoing webhooks: endpoints, and events on their way to them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import WebhookDelivery, WebhookEndpoint

PER_ENDPOINT = 5
"""How many deliveries one endpoint gets at a time: a slow one does not keep the others waiting."""


@dataclass(frozen=True)
class Listener:
    """An endpoint that is switched on; no events means all of them."""

    id: UUID
    events: tuple[str, ...]


@dataclass(frozen=True)
class NewDelivery:
    endpoint_id: UUID
    user_id: UUID
    event_id: int
    lane: UUID
    kind: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Claimed:
    """A delivery that is ours until `lease_until`."""

    id: UUID
    endpoint_id: UUID
    user_id: UUID
    event_id: int
    lane: UUID
    kind: str
    payload: dict[str, Any]
    tries: int
    """This one included."""
    created_at: datetime
    lease_until: datetime
    url: str
    secret_ciphertext: bytes
    key_version: str


_CLAIM = """
WITH ready AS (
    SELECT d.id, row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.due_at, d.position) AS place
    FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.ended_at IS NULL AND d.due_at <= :now AND (d.lease_until IS NULL OR d.lease_until <= :now)
      AND {which}
      AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries earlier
        WHERE earlier.endpoint_id = d.endpoint_id AND earlier.lane = d.lane AND earlier.ended_at IS NULL
          AND earlier.position < d.position
      )
), claimed AS (
    SELECT d.id FROM webhook_deliveries d JOIN ready ON ready.id = d.id AND ready.place <= :per_endpoint
    WHERE d.ended_at IS NULL AND (d.lease_until IS NULL OR d.lease_until <= :now)
    ORDER BY d.due_at LIMIT :limit FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_deliveries d SET lease_until = :lease_until, tries = d.tries + 1
FROM claimed, webhook_endpoints e WHERE d.id = claimed.id AND e.id = d.endpoint_id
RETURNING d.id, d.endpoint_id, d.user_id, d.event_id, d.lane, d.kind, d.payload, d.tries, d.created_at, d.lease_until,
          e.url, e.secret_ciphertext, e.key_version
"""


class HookRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Endpoints

    async def listening(self, user_ids: Collection[UUID]) -> dict[UUID, list[Listener]]:
        """Return the endpoints of users that are switched on; they stay until the transaction ends."""
        rows = await self._session.execute(
            text("""
            SELECT id, user_id, events FROM webhook_endpoints WHERE user_id = ANY(:ids) AND is_active
            ORDER BY id FOR KEY SHARE
            """),
            {"ids": list(user_ids)},
        )
        found: dict[UUID, list[Listener]] = {}
        for row in rows:
            found.setdefault(row.user_id, []).append(Listener(row.id, tuple(row.events)))
        return found

    async def count_endpoints(self, user_id: UUID) -> int:
        found = await self._session.scalar(
            select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id)
        )
        return int(found or 0)

    async def add_endpoint(self, endpoint: WebhookEndpoint) -> None:
        self._session.add(endpoint)
        await self._session.flush()
        await self._session.refresh(endpoint)

    async def list_endpoints(self, user_id: UUID) -> list[WebhookEndpoint]:
        rows = await self._session.scalars(
            select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id).order_by(WebhookEndpoint.created_at)
        )
        return list(rows)

    async def find_endpoint(self, user_id: UUID, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint | None:
        query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.user_id == user_id)
        return await self._session.scalar(query.with_for_update(key_share=True) if lock else query)

    async def change_endpoint(self, user_id: UUID, endpoint_id: UUID, values: dict[str, Any]) -> None:
        await self._session.execute(
            update(WebhookEndpoint)
            .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.user_id == user_id)
            .values(**values, updated_at=func.now())
            .execution_options(synchronize_session=False)
        )

    async def delete_endpoint(self, user_id: UUID, endpoint_id: UUID) -> bool:
        """Delete an endpoint with its log; `False` when there is none."""
        rows = await self._session.execute(
            text("DELETE FROM webhook_endpoints WHERE id = :id AND user_id = :user_id RETURNING id"),
            {"id": endpoint_id, "user_id": user_id},
        )
        return rows.first() is not None

    async def hurry(self, endpoint_id: UUID, *, now: datetime) -> None:
        """Have everything that waits for an endpoint tried now: something about it has changed."""
        await self._session.execute(
            text("""
            UPDATE webhook_deliveries SET due_at = :now
            WHERE endpoint_id = :id AND ended_at IS NULL AND due_at > :now
            """),
            {"id": endpoint_id, "now": now},
        )

    # Deliveries

    async def add_deliveries(self, new: Sequence[NewDelivery], *, due_at: datetime) -> None:
        """Write deliveries in this order, each event once for an endpoint."""
        await self._session.execute(
            text("""
            INSERT INTO webhook_deliveries (id, endpoint_id, user_id, event_id, lane, kind, payload, due_at, created_at)
            SELECT new.id, new.endpoint_id, new.user_id, new.event_id, new.lane, new.kind, CAST(new.payload AS jsonb),
                   :due_at, :due_at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:endpoints AS uuid[]), CAST(:users AS uuid[]),
                        CAST(:events AS bigint[]), CAST(:lanes AS uuid[]), CAST(:kinds AS text[]),
                        CAST(:payloads AS text[]))
                WITH ORDINALITY AS new (id, endpoint_id, user_id, event_id, lane, kind, payload, place)
            ORDER BY new.place
            ON CONFLICT (endpoint_id, event_id, replay) DO NOTHING
            """),
            {
                "due_at": due_at,
                "ids": [new_id() for _ in new],
                "endpoints": [one.endpoint_id for one in new],
                "users": [one.user_id for one in new],
                "events": [one.event_id for one in new],
                "lanes": [one.lane for one in new],
                "kinds": [one.kind for one in new],
                "payloads": [json.dumps(one.payload) for one in new],
            },
        )

    async def add_replay(self, original: WebhookDelivery, *, now: datetime) -> WebhookDelivery:
        """Write an event down once more, as the last of its lane. Replays of one event get numbers one after the other:
        the endpoint's row must be locked."""
        last = await self._session.scalar(
            select(func.max(WebhookDelivery.replay)).where(
                WebhookDelivery.endpoint_id == original.endpoint_id, WebhookDelivery.event_id == original.event_id
            )
        )
        replay = WebhookDelivery(
            id=new_id(),
            endpoint_id=original.endpoint_id,
            user_id=original.user_id,
            event_id=original.event_id,
            replay=(last or 0) + 1,
            lane=original.lane,
            kind=original.kind,
            payload=original.payload,
            due_at=now,
            created_at=now,
        )
        self._session.add(replay)
        await self._session.flush()
        return replay

    async def find_delivery(self, user_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        return await self._session.scalar(
            select(WebhookDelivery).where(
                WebhookDelivery.id == delivery_id,
                WebhookDelivery.endpoint_id == endpoint_id,
                WebhookDelivery.user_id == user_id,
            ),
            execution_options={"populate_existing": True},
        )

    async def delivery_of(self, endpoint_id: UUID, event_id: int) -> WebhookDelivery | None:
        return await self._session.scalar(
            select(WebhookDelivery).where(
                WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.event_id == event_id
            )
        )

    async def page(
        self, user_id: UUID, endpoint_id: UUID, *, outcome: str | None, page: int, per_page: int
    ) -> tuple[list[WebhookDelivery], int]:
        conditions = [WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.user_id == user_id]
        if outcome == "open":
            conditions.append(WebhookDelivery.ended_at.is_(None))
        elif outcome is not None:
            conditions.append(WebhookDelivery.outcome == outcome)
        total = await self._session.scalar(select(func.count()).select_from(WebhookDelivery).where(*conditions))
        rows = await self._session.scalars(
            select(WebhookDelivery)
            .where(*conditions)
            .order_by(WebhookDelivery.position.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        return list(rows), int(total or 0)

    async def claim(self, *, now: datetime, lease: timedelta, limit: int, only: UUID | None = None) -> list[Claimed]:
        """Take deliveries that are due and whose lane has none before them. `only` takes that one, even of an endpoint
        that is switched off."""
        which = "d.id = :only" if only is not None else "e.is_active"
        parameters: dict[str, Any] = {
            "now": now,
            "lease_until": now + lease,
            "limit": limit,
            "per_endpoint": PER_ENDPOINT,
        }
        if only is not None:
            parameters["only"] = only
        rows = await self._session.execute(text(_CLAIM.format(which=which)), parameters)
        return sorted((Claimed(*row) for row in rows), key=lambda one: one.event_id)

    async def end(
        self, claimed: Claimed, *, outcome: str, status: int | None, error: str | None, now: datetime
    ) -> bool:
        """Close a delivery and let the next of its lane go at once; `False` when it is not ours any more."""
        rows = await self._session.execute(
            text("""
            UPDATE webhook_deliveries SET ended_at = :now, outcome = :outcome, last_status = :status,
                last_error = :error, lease_until = NULL
            WHERE id = :id AND lease_until = :lease AND ended_at IS NULL RETURNING id
            """),
            {
                "id": claimed.id,
                "lease": claimed.lease_until,
                "now": now,
                "outcome": outcome,
                "status": status,
                "error": error,
            },
        )
        if rows.first() is None:
            return False
        await self._move_lane(claimed, due_at=now)
        return True

    async def put_off(self, claimed: Claimed, *, due_at: datetime, status: int | None, error: str | None) -> bool:
        """Note a failed try; `False` when the delivery is not ours any more. What waits behind it is not looked at
        before it is due again."""
        rows = await self._session.execute(
            text("""
            UPDATE webhook_deliveries SET due_at = :due_at, last_status = :status, last_error = :error,
                lease_until = NULL
            WHERE id = :id AND lease_until = :lease AND ended_at IS NULL RETURNING id
            """),
            {"id": claimed.id, "lease": claimed.lease_until, "due_at": due_at, "status": status, "error": error},
        )
        if rows.first() is None:
            return False
        await self._move_lane(claimed, due_at=due_at)
        return True

    async def _move_lane(self, claimed: Claimed, *, due_at: datetime) -> None:
        await self._session.execute(
            text("""
            UPDATE webhook_deliveries SET due_at = :due_at
            WHERE endpoint_id = :endpoint_id AND lane = :lane AND ended_at IS NULL AND id <> :id
            """),
            {"endpoint_id": claimed.endpoint_id, "lane": claimed.lane, "id": claimed.id, "due_at": due_at},
        )

    async def note_success(self, endpoint_id: UUID) -> None:
        await self._session.execute(
            text("""
            UPDATE webhook_endpoints SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL
            """),
            {"id": endpoint_id},
        )

    async def note_failure(self, endpoint_id: UUID, *, now: datetime, switch_off: bool) -> datetime:
        """Note since when an endpoint takes nothing, and return it; switch it off if it asked for that. Nothing is
        written where nothing changes: many deliveries fail at once."""
        await self._session.execute(
            text("""
            UPDATE webhook_endpoints SET failing_since = COALESCE(failing_since, :now),
                is_active = is_active AND NOT :off
            WHERE id = :id AND (failing_since IS NULL OR (:off AND is_active))
            """),
            {"id": endpoint_id, "now": now, "off": switch_off},
        )
        found = await self._session.execute(
            text("SELECT failing_since FROM webhook_endpoints WHERE id = :id"), {"id": endpoint_id}
        )
        return found.scalar() or now
