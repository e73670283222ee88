"""SQL of posts' numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id

NUMBERS = ("impressions", "reach", "likes", "comments", "shares", "clicks")


@dataclass(frozen=True)
class DueMetrics:
    post_id: UUID
    account_id: UUID
    platform: str
    posted_at: datetime
    platform_post_id: str | None
    post_type: str
    account_id_external: str
    progress_data: dict[str, Any]


class MetricsRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def claim_due(self, *, limit: int, lease: timedelta) -> list[DueMetrics]:
        """Claim posts whose numbers are due, of connected accounts, and put them off by the lease."""
        rows = await self._session.execute(
            text("""
            WITH due AS (
                SELECT id FROM post_metrics WHERE next_fetch_at <= clock_timestamp()
                ORDER BY next_fetch_at LIMIT :limit FOR UPDATE SKIP LOCKED
            ), claimed AS (
                UPDATE post_metrics m SET next_fetch_at = clock_timestamp()
                    + CASE WHEN account.status = 'connected' THEN CAST(:lease AS interval) ELSE interval '6 hours' END
                FROM due, social_accounts account WHERE m.id = due.id AND account.id = m.account_id
                RETURNING m.post_id, m.account_id, m.platform, m.posted_at
            )
            SELECT c.post_id, c.account_id, c.platform, c.posted_at, post.platform_post_id, post.post_type,
                   a.account_id_external, COALESCE(last.progress -> 'data', '{}') AS progress_data
            FROM claimed c
            JOIN posts post ON post.id = c.post_id
            JOIN social_accounts a ON a.id = c.account_id
            LEFT JOIN LATERAL (
                SELECT progress FROM publications p WHERE p.post_id = c.post_id ORDER BY run DESC LIMIT 1
            ) last ON true
            WHERE a.status = 'connected'
            """),
            {"limit": limit, "lease": lease},
        )
        return [DueMetrics(*row) for row in rows]

    async def keep_public_id(self, post_id: UUID, *, platform_post_id: str, permalink: str | None) -> None:
        await self._session.execute(
            text("""
            UPDATE posts SET platform_post_id = :platform_post_id, permalink = COALESCE(:permalink, permalink)
            WHERE id = :post_id
            """),
            {"post_id": post_id, "platform_post_id": platform_post_id, "permalink": permalink},
        )

    async def store(self, post_id: UUID, *, numbers: dict[str, int | None] | None, next_age: timedelta | None) -> None:
        """Write the latest numbers and a snapshot; `None` numbers mean that the platform did not know the post."""
        await self._session.execute(
            text("""
            UPDATE post_metrics SET reads = reads + 1,
                next_fetch_at = GREATEST(posted_at + CAST(:age AS interval), clock_timestamp() + interval '10 seconds')
            WHERE post_id = :post_id
            """)
            if next_age is not None
            else text("UPDATE post_metrics SET reads = reads + 1, next_fetch_at = NULL WHERE post_id = :post_id"),
            {"post_id": post_id, "age": next_age} if next_age is not None else {"post_id": post_id},
        )
        if numbers is None:
            return
        assignments = ", ".join(f"{name} = :{name}" for name in NUMBERS)
        columns, values = ", ".join(NUMBERS), ", ".join(f":{name}" for name in NUMBERS)
        await self._session.execute(
            text(f"UPDATE post_metrics SET {assignments}, fetched_at = clock_timestamp() WHERE post_id = :post_id"),  # noqa: S608
            {"post_id": post_id, **numbers},
        )
        await self._session.execute(
            text(f"""
            INSERT INTO metric_snapshots (id, post_id, fetched_at, {columns})
            VALUES (:id, :post_id, clock_timestamp(), {values})
            """),  # noqa: S608
            {"id": new_id(), "post_id": post_id, **numbers},
        )
