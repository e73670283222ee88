"""SQL of the codes that stand in for a second factor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import RecoveryCode


class RecoveryCodeRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def replace(self, user_id: UUID, hashes: Sequence[str]) -> None:
        """Put new codes in the place of all old ones."""
        await self._session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        if hashes:
            values = [{"code_hash": code_hash, "user_id": user_id} for code_hash in hashes]
            await self._session.execute(insert(RecoveryCode), values)

    async def use(self, user_id: UUID, code_hash: str, *, now: datetime) -> bool:
        """Use a code up; whether it was there and unused."""
        row = await self._session.execute(
            update(RecoveryCode)
            .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_(None))
            .values(used_at=now)
            .returning(RecoveryCode.code_hash)
        )
        return row.first() is not None

    async def left(self, user_id: UUID) -> int:
        """Return how many codes are unused."""
        mine = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        return int(await self._session.scalar(mine) or 0)
