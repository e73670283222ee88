"""SQL of product rules. Every query of a request is scoped by `user_id`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ProductRule

COLUMNS = tuple(ProductRule.__table__.columns)
RuleRow = Row[Any]


class RuleRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, values: dict[str, Any]) -> None:
        await self._session.execute(insert(ProductRule).values(values))

    async def find(self, user_id: UUID, rule_id: UUID) -> RuleRow | None:
        rows = await self._session.execute(
            select(*COLUMNS).where(ProductRule.id == rule_id, ProductRule.user_id == user_id)
        )
        return rows.first()

    async def list_all(self, user_id: UUID) -> Sequence[RuleRow]:
        """Return a user's rules, oldest first: the first one that fits is the one that acts."""
        rows = await self._session.execute(
            select(*COLUMNS).where(ProductRule.user_id == user_id).order_by(ProductRule.created_at, ProductRule.id)
        )
        return rows.all()

    async def count(self, user_id: UUID) -> int:
        statement = select(func.count()).select_from(ProductRule).where(ProductRule.user_id == user_id)
        return int(await self._session.scalar(statement) or 0)

    async def change(self, user_id: UUID, rule_id: UUID, values: dict[str, Any]) -> None:
        await self._session.execute(
            update(ProductRule)
            .where(ProductRule.id == rule_id, ProductRule.user_id == user_id)
            .values(**values, updated_at=func.now())
        )

    async def delete(self, user_id: UUID, rule_id: UUID) -> bool:
        rows = await self._session.scalars(
            delete(ProductRule)
            .where(ProductRule.id == rule_id, ProductRule.user_id == user_id)
            .returning(ProductRule.id)
        )
        return rows.first() is not None

    async def active_for(self, user_ids: Collection[UUID]) -> dict[UUID, list[RuleRow]]:
        """Return the active rules of several users, oldest first; users without any are missing."""
        rows = await self._session.execute(
            select(*COLUMNS)
            .where(ProductRule.user_id.in_(user_ids), ProductRule.is_active)
            .order_by(ProductRule.created_at, ProductRule.id)
        )
        found: dict[UUID, list[RuleRow]] = {}
        for row in rows:
            found.setdefault(row.user_id, []).append(row)
        return found
