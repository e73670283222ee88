"""SQL of what users have used up of their plans."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.plans import UNLIMITED

_TAKE = text("""
INSERT INTO usage_counters (user_id, metric, month, used)
SELECT :user_id, :metric, :month, :count WHERE :limit = -1 OR :count <= :limit
ON CONFLICT (user_id, metric, month) DO UPDATE SET used = usage_counters.used + EXCLUDED.used
WHERE :limit = -1 OR usage_counters.used + EXCLUDED.used <= :limit
RETURNING used
""")
_GIVE_BACK = text("""
UPDATE usage_counters SET used = greatest(used - :count, 0)
WHERE user_id = :user_id AND metric = :metric AND month = :month
""")
_USED = text("SELECT used FROM usage_counters WHERE user_id = :user_id AND metric = :metric AND month = :month")


class UsageRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(self, user_id: UUID, metric: str, month: date, *, count: int, limit: int) -> bool:
        """Count something, unless the limit would be passed; exact however many ask at once."""
        assert limit >= UNLIMITED
        values = {"user_id": user_id, "metric": metric, "month": month, "count": count, "limit": limit}
        return (await self._session.execute(_TAKE, values)).first() is not None

    async def give_back(self, user_id: UUID, metric: str, month: date, *, count: int) -> None:
        """Undo what was counted for something that came to nothing."""
        values = {"user_id": user_id, "metric": metric, "month": month, "count": count}
        await self._session.execute(_GIVE_BACK, values)

    async def used(self, user_id: UUID, metric: str, month: date) -> int:
        values = {"user_id": user_id, "metric": metric, "month": month}
        return int(await self._session.scalar(_USED, values) or 0)
