"""SQL of what is done for posts that are out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id

_CLAIM = text("""
WITH due AS (
    SELECT id FROM follow_ups
    WHERE done_at IS NULL AND due_at <= clock_timestamp()
      AND (lease_until IS NULL OR lease_until < clock_timestamp())
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE follow_ups f SET lease_until = clock_timestamp() + :lease, tries = f.tries + 1
    FROM due WHERE f.id = due.id RETURNING f.*
)
SELECT claimed.id, claimed.kind, claimed.tries, claimed.missing, claimed.sent_at, claimed.lease_until,
       claimed.created_at, clock_timestamp() AS read_at, post.id AS post_id, post.user_id, post.platform,
       post.post_type, post.platform_post_id, post.permalink,
       post.options, post.hashtags, post.live_status,
       account.id AS account_id, account.account_id_external, account.account_name,
       account.status AS account_status, last.id AS publication_id,
       COALESCE(last.progress -> 'data', '{}') AS progress_data
FROM claimed
JOIN posts post ON post.id = claimed.post_id
JOIN social_accounts account ON account.id = claimed.account_id
LEFT JOIN LATERAL (
    SELECT id, progress FROM publications p WHERE p.post_id = post.id ORDER BY run DESC LIMIT 1
) last ON true
""")


@dataclass(frozen=True)
class FollowUpDue:
    """One thing to do, ours until its lease runs out, with everything needed to do it."""

    id: UUID
    kind: str
    tries: int
    missing: int
    sent_at: datetime | None
    lease_until: datetime
    created_at: datetime
    read_at: datetime
    """When it was claimed, by the database's clock."""
    post_id: UUID
    user_id: UUID
    platform: str
    post_type: str
    platform_post_id: str | None
    permalink: str | None
    options: dict[str, Any]
    hashtags: list[str]
    live_status: str | None
    account_id: UUID
    account_id_external: str
    account_name: str
    account_status: str
    publication_id: UUID | None
    progress_data: dict[str, Any]


class FollowUpRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def claim(self, *, limit: int, lease: timedelta) -> list[FollowUpDue]:
        rows = await self._session.execute(_CLAIM, {"limit": limit, "lease": lease})
        return [FollowUpDue(*row) for row in rows]

    async def begin_call(self, due: FollowUpDue) -> datetime | None:
        """Write down that the one call is about to be made, and return when; `None` when it is not ours any more."""
        rows = await self._session.execute(
            text("""
            UPDATE follow_ups SET sent_at = clock_timestamp()
            WHERE id = :id AND done_at IS NULL AND lease_until = :lease_until RETURNING sent_at
            """),
            {"id": due.id, "lease_until": due.lease_until},
        )
        return rows.scalar_one_or_none()

    async def take_back_call(self, due: FollowUpDue) -> None:
        """Note that the call proved to have done nothing."""
        await self._session.execute(
            text("UPDATE follow_ups SET sent_at = NULL WHERE id = :id AND lease_until = :lease_until"),
            {"id": due.id, "lease_until": due.lease_until},
        )

    async def put_off(self, due: FollowUpDue, *, wait: timedelta, tries: int | None = None, missing: int = 0) -> None:
        """Let go and come back later; `tries` counts anew from there, `missing` how often it was not found in a row."""
        await self._session.execute(
            text("""
            UPDATE follow_ups SET due_at = clock_timestamp() + :wait, lease_until = NULL, missing = :missing,
                tries = COALESCE(CAST(:tries AS smallint), tries)
            WHERE id = :id AND done_at IS NULL AND lease_until = :lease_until
            """),
            {"id": due.id, "wait": wait, "tries": tries, "missing": missing, "lease_until": due.lease_until},
        )

    async def finish(self, due: FollowUpDue, outcome: str) -> bool:
        """End it while it is ours; `False` when it is not any more."""
        rows = await self._session.execute(
            text("""
            UPDATE follow_ups SET done_at = clock_timestamp(), lease_until = NULL, outcome = :outcome
            WHERE id = :id AND done_at IS NULL AND lease_until = :lease_until RETURNING id
            """),
            {"id": due.id, "outcome": outcome, "lease_until": due.lease_until},
        )
        return rows.first() is not None

    async def tell_comment(self, post_id: UUID, *, status: str, error: str | None) -> None:
        await self._session.execute(
            text("""
            UPDATE posts SET first_comment_status = :status, first_comment_error = :error, updated_at = now()
            WHERE id = :post_id
            """),
            {"post_id": post_id, "status": status, "error": error},
        )

    async def tell_live(
        self, post_id: UUID, *, status: str, permalink: str | None, error_code: str | None, error: str | None
    ) -> None:
        """Show what the second look found; what it says of a deleted post does not count any more."""
        await self._session.execute(
            text("""
            UPDATE posts SET live_status = :status, live_checked_at = clock_timestamp(), updated_at = now(),
                permalink = COALESCE(permalink, :permalink), error_code = :error_code, error_message = :error
            WHERE id = :post_id AND status = 'posted' AND live_status IS DISTINCT FROM 'deleted'
            """),
            {
                "post_id": post_id,
                "status": status,
                "permalink": permalink,
                "error_code": error_code,
                "error": error,
            },
        )

    async def look_soon(self, post_id: UUID) -> None:
        """Bring the second look at a post forward, or have another one."""
        await self._session.execute(
            text("""
            INSERT INTO follow_ups (id, post_id, account_id, kind, due_at)
            SELECT :id, post.id, post.account_id, 'live', clock_timestamp() FROM posts post
            WHERE post.id = :post_id AND post.status = 'posted'
            ON CONFLICT (post_id, kind) DO UPDATE SET due_at = clock_timestamp(), done_at = NULL, outcome = NULL,
                lease_until = NULL, tries = 0, missing = 0
            """),
            {"id": new_id(), "post_id": post_id},
        )

    async def mark_deleted(self, user_id: UUID, post_id: UUID) -> None:
        """Note that a post was deleted at its platform: nothing is to be done for it any more."""
        await self._session.execute(
            text("""
            WITH ended AS (
                UPDATE follow_ups SET done_at = clock_timestamp(), outcome = 'deleted'
                WHERE post_id = :post_id AND done_at IS NULL
            ), unread AS (
                UPDATE post_metrics SET next_fetch_at = NULL WHERE post_id = :post_id
            )
            UPDATE posts SET live_status = 'deleted', live_checked_at = clock_timestamp(), error_code = NULL,
                error_message = NULL, updated_at = now()
            WHERE id = :post_id AND user_id = :user_id
            """),
            {"post_id": post_id, "user_id": user_id},
        )
