"""SQL of weekly slots, and of the times that accounts have taken."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AccountSchedule

_TAKEN = text("""
SELECT COALESCE(posted_at, scheduled_for) FROM posts
WHERE account_id = :account_id AND COALESCE(posted_at, scheduled_for) BETWEEN :since AND :until
  AND status IN ('scheduled', 'publishing', 'posted', 'on_hold')
""")
_RESULTS = text("""
SELECT posted_at, likes, comments, shares, impressions FROM post_metrics
WHERE user_id = :user_id AND account_id = :account_id AND posted_at >= :since
  AND fetched_at IS NOT NULL AND impressions > 0
""")


class ScheduleRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, user_id: UUID, account_id: UUID) -> AccountSchedule | None:
        return await self._session.scalar(
            select(AccountSchedule).where(AccountSchedule.account_id == account_id, AccountSchedule.user_id == user_id)
        )

    async def put(self, user_id: UUID, account_id: UUID, values: dict[str, Any]) -> None:
        """Insert or replace; the account is known to be the user's."""
        statement = insert(AccountSchedule).values(account_id=account_id, user_id=user_id, **values)
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=["account_id"], set_={**values, "updated_at": func.now()})
        )

    async def taken(self, account_id: UUID, *, since: datetime, until: datetime) -> list[datetime]:
        """Return when posts of an account go or went out."""
        values = {"account_id": account_id, "since": since, "until": until}
        return list((await self._session.scalars(_TAKEN, values)).all())

    async def results(self, user_id: UUID, account_id: UUID, *, since: datetime) -> list[Any]:
        """Return the numbers of posts whose impressions are known."""
        values = {"user_id": user_id, "account_id": account_id, "since": since}
        return list((await self._session.execute(_RESULTS, values)).all())
