"""SQL of accounts' followers: when they are counted, and how many they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id


@dataclass(frozen=True)
class DueAccount:
    """An account whose followers we are counting; ours while `due_at` is what it was put off to."""

    id: UUID
    user_id: UUID
    platform: str
    account_id_external: str
    account_name: str
    granted_scopes: list[str]
    due_at: datetime


class FollowerRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> list[DueAccount]:
        """Take connected accounts that are due, and put them off by the lease."""
        rows = await self._session.execute(
            text("""
            WITH due AS (
                SELECT id FROM social_accounts WHERE status = 'connected' AND followers_due_at <= :now
                ORDER BY followers_due_at LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE social_accounts a SET followers_due_at = :until FROM due WHERE a.id = due.id
            RETURNING a.id, a.user_id, a.platform, COALESCE(a.account_id_external, ''), a.account_name,
                      a.granted_scopes, a.followers_due_at
            """),
            {"now": now, "until": now + lease, "limit": limit},
        )
        return [DueAccount(*row) for row in rows]

    async def store(self, account: DueAccount, followers: int | None, *, now: datetime, next_at: datetime) -> bool:
        """Write a snapshot, unless somebody else took the account meanwhile."""
        rows = await self._session.execute(
            text("""
            WITH ours AS (
                UPDATE social_accounts SET followers_due_at = :next_at
                WHERE id = :id AND followers_due_at = :due_at RETURNING id, user_id
            )
            INSERT INTO account_snapshots (id, account_id, user_id, followers, fetched_at)
            SELECT :snapshot_id, id, user_id, CAST(:followers AS bigint), :now FROM ours RETURNING id
            """),
            {
                "id": account.id,
                "due_at": account.due_at,
                "next_at": next_at,
                "snapshot_id": new_id(),
                "followers": followers,
                "now": now,
            },
        )
        return rows.first() is not None

    async def by_day(
        self, user_id: UUID, *, since: datetime, until: datetime, timezone: str, account_id: UUID | None
    ) -> list[Row[Any]]:
        """Return the last snapshot of every local day, by account."""
        rows = await self._session.execute(
            text("""
            SELECT a.id AS account_id, a.platform, a.account_name, s.day, s.followers, s.fetched_at
            FROM social_accounts a LEFT JOIN LATERAL (
                SELECT DISTINCT ON (date(timezone(:timezone, fetched_at)))
                       date(timezone(:timezone, fetched_at)) AS day, followers, fetched_at
                FROM account_snapshots WHERE account_id = a.id AND fetched_at >= :since AND fetched_at < :until
                ORDER BY date(timezone(:timezone, fetched_at)), fetched_at DESC
            ) s ON true
            WHERE a.user_id = :user_id AND (CAST(:account_id AS uuid) IS NULL OR a.id = :account_id)
              AND (a.status <> 'disconnected' OR s.day IS NOT NULL)
            ORDER BY a.created_at, a.id, s.day
            """),
            {"user_id": user_id, "since": since, "until": until, "timezone": timezone, "account_id": account_id},
        )
        return list(rows.all())
