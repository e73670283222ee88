"""SQL of sign-ins whose owner still has to choose."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ConnectionChoice


class ChoiceRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, choice: ConnectionChoice) -> None:
        self._session.add(choice)
        await self._session.flush()

    async def find(self, user_id: UUID, choice_id: UUID) -> ConnectionChoice | None:
        return await self._session.scalar(
            select(ConnectionChoice).where(ConnectionChoice.id == choice_id, ConnectionChoice.user_id == user_id)
        )

    async def remove(self, user_id: UUID, choice_id: UUID) -> None:
        await self._session.execute(
            delete(ConnectionChoice).where(ConnectionChoice.id == choice_id, ConnectionChoice.user_id == user_id)
        )
