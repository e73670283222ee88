"""SQL of what users want done to links and products when posts go out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import PublishingPreferences


class PreferencesRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, user_id: UUID) -> dict[str, Any]:
        """Return what a user has set; empty before the first time."""
        kept = await self._session.scalar(
            select(PublishingPreferences.settings).where(PublishingPreferences.user_id == user_id)
        )
        return kept or {}

    async def put(self, user_id: UUID, kept: dict[str, Any]) -> None:
        statement = insert(PublishingPreferences).values(user_id=user_id, settings=kept)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id"], set_={"settings": kept, "updated_at": func.now()}
            )
        )
