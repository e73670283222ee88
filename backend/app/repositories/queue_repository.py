"""SQL of the content queue. Every query of a request is scoped by `user_id`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.vocabulary import QueueStatus
from app.models import QueueItem

COLUMNS = tuple(QueueItem.__table__.columns)
QueueRow = Row[Any]
WRITABLE = (QueueStatus.pending, QueueStatus.generated)
"""Items whose captions may still be written anew."""


class QueueRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_all(self, values: Sequence[dict[str, Any]]) -> None:
        if values:
            await self._session.execute(insert(QueueItem), values)

    async def lock_writable(self, user_id: UUID, item_ids: Sequence[UUID]) -> list[UUID]:
        """Lock the items that may be written and that nothing is under way for; return them in the order given."""
        statement = (
            select(QueueItem.id)
            .where(
                QueueItem.user_id == user_id,
                QueueItem.id.in_(item_ids),
                QueueItem.status.in_(WRITABLE),
                QueueItem.generate_request.is_(None),
            )
            .order_by(QueueItem.id)
            .with_for_update()
        )
        free = set((await self._session.scalars(statement)).all())
        return [item_id for item_id in item_ids if item_id in free]

    async def request(self, user_id: UUID, item_ids: Sequence[UUID], wanted: dict[str, Any], *, at: datetime) -> None:
        """Note what is asked for, to be worked off in the background."""
        await self._session.execute(
            update(QueueItem)
            .where(QueueItem.user_id == user_id, QueueItem.id.in_(item_ids))
            .values(
                generate_request=wanted,
                generate_due_at=at,
                generate_tries=0,
                error_code=None,
                error_message=None,
                updated_at=func.now(),
            )
        )
