"""SQL of the log of what matters for security."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEvent


class AuditRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, user_id: UUID, kind: str, *, ip_address: str | None, user_agent: str | None, **facts: Any
    ) -> None:
        values = {"user_id": user_id, "kind": kind, "ip_address": ip_address, "user_agent": user_agent, "facts": facts}
        await self._session.execute(insert(AuditEvent).values(**values))

    async def list_page(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[AuditEvent], int]:
        mine = select(AuditEvent).where(AuditEvent.user_id == user_id)
        total = await self._session.scalar(select(func.count()).select_from(mine.subquery()))
        rows = await self._session.scalars(
            mine.order_by(AuditEvent.id.desc()).limit(per_page).offset((page - 1) * per_page)
        )
        return list(rows), int(total or 0)
