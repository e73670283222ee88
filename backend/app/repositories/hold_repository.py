"""SQL that stops and resumes the posts of a whole account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.vocabulary import HOLD_DISCONNECTED, HOLD_NEEDS_RECONNECT, HOLD_TOO_LATE
from app.repositories.publication_repository import PublicationRepository

WAITED_FOR_ACCOUNT = (HOLD_DISCONNECTED, HOLD_NEEDS_RECONNECT)


class HoldRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._publications = PublicationRepository(session)

    async def hold(self, account_id: UUID, *, code: str, sentence: str) -> None:
        """Put every scheduled post of an account on hold that nobody has begun to publish."""
        await self._publications.lock_lane(account_id)
        await self._session.execute(
            text("""
            WITH dropped AS (
                DELETE FROM publications
                WHERE account_id = :account_id AND finished_at IS NULL AND started_at IS NULL RETURNING post_id
            )
            UPDATE posts SET status = 'on_hold', error_code = :code, error_message = :sentence, updated_at = now()
            FROM dropped WHERE posts.id = dropped.post_id
            """),
            {"account_id": account_id, "code": code, "sentence": sentence},
        )

    async def resume(
        self, account_id: UUID, *, user_id: UUID, not_before: datetime, codes: Sequence[str] = WAITED_FOR_ACCOUNT
    ) -> int:
        """Schedule posts again that were held for these reasons; those due before `not_before` stay with their
        owner."""
        await self._publications.lock_lane(account_id)
        rows = await self._session.execute(
            text("""
            UPDATE posts SET status = 'scheduled', error_code = NULL, error_message = NULL, updated_at = now()
            WHERE account_id = :account_id AND user_id = :user_id AND status = 'on_hold'
              AND error_code = ANY(:codes) AND scheduled_for >= :not_before
            RETURNING id, scheduled_for
            """),
            {
                "account_id": account_id,
                "user_id": user_id,
                "codes": list(codes),
                "not_before": not_before,
            },
        )
        resumed = rows.all()
        await self._session.execute(
            text("""
            UPDATE posts SET error_code = :too_late, updated_at = now(),
                error_message = 'This post may go out again, but its time has passed. '
                                'Publish it now, choose another time, or delete it.'
            WHERE account_id = :account_id AND user_id = :user_id AND status = 'on_hold'
              AND error_code = ANY(:codes)
            """),
            {
                "account_id": account_id,
                "user_id": user_id,
                "codes": list(codes),
                "too_late": HOLD_TOO_LATE,
            },
        )
        await self._session.execute(
            text("UPDATE publishing_lanes SET paused_until = NULL WHERE account_id = :account_id"),
            {"account_id": account_id},
        )
        for row in resumed:
            await self._publications.open_run(row.id, user_id=user_id, account_id=account_id, at=row.scheduled_for)
        return len(resumed)
