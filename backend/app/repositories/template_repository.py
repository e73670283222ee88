"""SQL of caption templates and hashtag sets. Every query is scoped by `user_id`."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import CaptionTemplate, HashtagSet

Kept = TypeVar("Kept", CaptionTemplate, HashtagSet)


class TemplateRepository:
    """Both kinds are lists of a user's own, sorted by name."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list_page(self, kind: type[Kept], user_id: UUID, *, page: int, per_page: int) -> tuple[list[Kept], int]:
        total = await self._session.scalar(select(func.count()).select_from(kind).where(kind.user_id == user_id))
        order = (func.lower(kind.name), kind.id)
        statement = select(kind).where(kind.user_id == user_id).order_by(*order)
        rows = await self._session.scalars(statement.offset((page - 1) * per_page).limit(per_page))
        return list(rows.all()), int(total or 0)

    async def find(self, kind: type[Kept], user_id: UUID, row_id: UUID) -> Kept | None:
        return await self._session.scalar(select(kind).where(kind.id == row_id, kind.user_id == user_id))

    async def add(self, kind: type[Kept], user_id: UUID, values: dict[str, Any]) -> Kept:
        row = kind(id=new_id(), user_id=user_id, **values)
        self._session.add(row)
        await self._session.flush()
        await self._session.refresh(row)
        return row

    async def change(self, row: Kept, values: dict[str, Any]) -> Kept:
        for name, value in values.items():
            setattr(row, name, value)
        await self._session.flush()
        await self._session.refresh(row)
        return row

    async def delete(self, kind: type[Kept], user_id: UUID, row_id: UUID) -> bool:
        statement = delete(kind).where(kind.id == row_id, kind.user_id == user_id).returning(kind.id)
        return (await self._session.execute(statement)).first() is not None
