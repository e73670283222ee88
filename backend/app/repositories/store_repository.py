"""SQL of connections to shops and feeds, and of the readings of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import StoreConnection, SyncRun

COLUMNS = tuple(StoreConnection.__table__.columns)
ConnectionRow = Row[Any]


@dataclass(frozen=True)
class DueStore:
    """A connection that is ours to read until its lease runs out."""

    id: UUID
    user_id: UUID
    platform: str
    store_url: str
    ciphertext: bytes | None
    key_version: str | None
    options: dict[str, Any]
    sync_state: dict[str, Any]
    lease_id: UUID
    tries: int


_CLAIM = text("""
UPDATE store_connections SET lease_id = gen_random_uuid(), lease_until = clock_timestamp() + :lease
WHERE id = (
    SELECT id FROM store_connections
    WHERE is_active AND next_sync_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
    ORDER BY next_sync_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, user_id, platform, store_url, ciphertext, key_version, options, sync_state, lease_id, tries
""")

_HOLDS = text("SELECT 1 FROM store_connections WHERE id = :id AND lease_id = :lease_id AND is_active FOR UPDATE")


class StoreRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # What owners see and change

    async def add(self, values: dict[str, Any]) -> None:
        await self._session.execute(insert(StoreConnection).values(values))

    async def find(self, user_id: UUID, connection_id: UUID, *, lock: bool = False) -> ConnectionRow | None:
        statement = select(*COLUMNS).where(StoreConnection.id == connection_id, StoreConnection.user_id == user_id)
        rows = await self._session.execute(statement.with_for_update() if lock else statement)
        return rows.first()

    async def list_all(self, user_id: UUID) -> Sequence[ConnectionRow]:
        rows = await self._session.execute(
            select(*COLUMNS)
            .where(StoreConnection.user_id == user_id)
            .order_by(StoreConnection.created_at, StoreConnection.id)
        )
        return rows.all()

    async def count(self, user_id: UUID) -> int:
        statement = select(func.count()).select_from(StoreConnection).where(StoreConnection.user_id == user_id)
        return int(await self._session.scalar(statement) or 0)

    async def change(self, user_id: UUID, connection_id: UUID, values: dict[str, Any]) -> None:
        await self._session.execute(
            update(StoreConnection)
            .where(StoreConnection.id == connection_id, StoreConnection.user_id == user_id)
            .values(**values, updated_at=func.now())
        )

    async def due_now(self, user_id: UUID, connection_id: UUID, *, trouble: bool = False) -> None:
        """Have a connection read as soon as somebody is free; `trouble` keeps what its owner is told meanwhile."""
        await self._session.execute(
            text("""
            UPDATE store_connections SET next_sync_at = clock_timestamp(), tries = 0, updated_at = now(),
                error_code = CASE WHEN CAST(:trouble AS boolean) THEN error_code END,
                error_message = CASE WHEN CAST(:trouble AS boolean) THEN error_message END
            WHERE id = :id AND user_id = :user_id
            """),
            {"id": connection_id, "user_id": user_id, "trouble": trouble},
        )

    async def bring_forward(self, connection_id: UUID) -> None:
        """Have a connection read now that would be read later; one that has failed keeps its time."""
        await self._session.execute(
            text("""
            UPDATE store_connections SET next_sync_at = clock_timestamp()
            WHERE id = :id AND is_active AND tries = 0 AND next_sync_at > clock_timestamp()
              AND (last_synced_at IS NULL OR last_synced_at < clock_timestamp() - interval '10 minutes')
            """),
            {"id": connection_id},
        )

    async def delete(self, user_id: UUID, connection_id: UUID) -> bool:
        rows = await self._session.scalars(
            delete(StoreConnection)
            .where(StoreConnection.id == connection_id, StoreConnection.user_id == user_id)
            .returning(StoreConnection.id)
        )
        return rows.first() is not None

    async def runs(self, connection_id: UUID, *, limit: int) -> Sequence[Row[Any]]:
        """Return the latest readings of a connection that the caller has found to be the user's."""
        rows = await self._session.execute(
            select(*SyncRun.__table__.columns)
            .where(SyncRun.connection_id == connection_id)
            .order_by(SyncRun.started_at.desc(), SyncRun.id.desc())
            .limit(limit)
        )
        return rows.all()

    # Reading shops: everything that records asks first whether the lease is still ours

    async def claim(self, *, lease: timedelta) -> DueStore | None:
        """Claim the connection that has waited longest."""
        row = (await self._session.execute(_CLAIM, {"lease": lease})).first()
        return DueStore(*row) if row else None

    async def holds(self, store: DueStore) -> bool:
        """Lock the connection and say whether it is still ours and still wanted."""
        row = await self._session.execute(_HOLDS, {"id": store.id, "lease_id": store.lease_id})
        return row.first() is not None

    async def go_on(self, store: DueStore, state: dict[str, Any], *, lease: timedelta) -> None:
        """Note where a reading stands, and keep the lease."""
        await self._write(
            store, "sync_state = :state, tries = 0, lease_until = clock_timestamp() + :lease", state=state, lease=lease
        )

    async def pause(
        self,
        store: DueStore,
        state: dict[str, Any],
        *,
        wait: timedelta,
        tries: int,
        code: str | None,
        message: str | None,
    ) -> None:
        """Let go in the middle of a reading, to go on later from where it stands."""
        await self._write(
            store,
            "sync_state = :state, tries = :tries, next_sync_at = clock_timestamp() + :wait, lease_id = NULL, "
            "lease_until = NULL, error_code = :code, error_message = :message",
            state=state,
            wait=wait,
            tries=tries,
            code=code,
            message=message,
        )

    async def finish(
        self, store: DueStore, *, wait: timedelta | None, code: str | None, message: str | None, is_done: bool
    ) -> None:
        """End a reading; without `wait` the connection is not read again until its owner does something."""
        await self._write(
            store,
            "sync_state = '{}', tries = 0, next_sync_at = clock_timestamp() + CAST(:wait AS interval), "
            "lease_id = NULL, lease_until = NULL, error_code = :code, error_message = :message, "
            "last_synced_at = CASE WHEN CAST(:is_done AS boolean) THEN clock_timestamp() ELSE last_synced_at END",
            wait=wait,
            code=code,
            message=message,
            is_done=is_done,
        )

    async def _write(self, store: DueStore, changes: str, **values: Any) -> None:
        statement = text(f"UPDATE store_connections SET {changes} WHERE id = :id")  # noqa: S608 - our own words
        if "state" in values:
            statement = statement.bindparams(bindparam("state", type_=JSONB))
        await self._session.execute(statement, {"id": store.id, **values})

    async def begin_run(self, run_id: UUID, store: DueStore) -> None:
        """Begin a reading; one that nobody will go on with, because its place was given up, is closed."""
        await self._session.execute(
            update(SyncRun)
            .where(SyncRun.connection_id == store.id, SyncRun.finished_at.is_(None))
            .values(outcome="broken_off", finished_at=func.clock_timestamp())
        )
        await self._session.execute(
            text(
                "INSERT INTO sync_runs (id, connection_id, started_at) VALUES (:id, :connection_id, clock_timestamp())"
            ),
            {"id": run_id, "connection_id": store.id},
        )

    async def save_run(
        self, run_id: UUID, *, counts: dict[str, Any], errors: list[dict[str, Any]], outcome: str | None
    ) -> None:
        await self._session.execute(
            update(SyncRun)
            .where(SyncRun.id == run_id)
            .values(
                counts=counts,
                errors=errors,
                outcome=outcome,
                finished_at=func.clock_timestamp() if outcome is not None else None,
            )
        )

    async def last_outcome(self, connection_id: UUID) -> tuple[str, dict[str, Any]] | None:
        """Return how the last complete reading ended, and its counts."""
        row = await self._session.execute(
            select(SyncRun.outcome, SyncRun.counts)
            .where(SyncRun.connection_id == connection_id, SyncRun.outcome.in_(("done", "shrunken", "empty")))
            .order_by(SyncRun.started_at.desc())
            .limit(1)
        )
        found = row.first()
        return (found.outcome, found.counts) if found else None

    async def last_complete_at(self, connection_id: UUID, kind: str) -> Any:
        """Return when the last reading of a kind (`full`, `changes`) that came to its end began."""
        return await self._session.scalar(
            text("""
            SELECT max(started_at) FROM sync_runs
            WHERE connection_id = :id AND outcome IN ('done', 'shrunken', 'empty')
              AND (:kind = 'any' OR counts ->> 'kind' = :kind)
            """),
            {"id": connection_id, "kind": kind},
        )
