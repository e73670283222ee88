"""SQL of the content queue. Every query of a request is scoped by `user_id`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, literal_column, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Uuid

from app.domain.vocabulary import QueueStatus
from app.kit.ids import new_id
from app.models import CaptionVersion, QueueItem

_POST_IDS = literal_column(
    "ARRAY(SELECT p.id FROM posts p WHERE p.queue_item_id = content_queue.id ORDER BY p.created_at, p.id)",
    ARRAY(Uuid),
).label("post_ids")
COLUMNS = (*QueueItem.__table__.columns, _POST_IDS)
QueueRow = Row[Any]
WRITABLE = (QueueStatus.pending, QueueStatus.generated)
"""Items whose captions may still be written anew."""

_CLAIM = text("""
WITH due AS (
    SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY generate_due_at, id) AS turn, generate_due_at
    FROM content_queue WHERE generate_due_at <= :now AND batch_id IS NULL
), chosen AS (
    SELECT id FROM content_queue
    WHERE id IN (SELECT id FROM due ORDER BY turn, generate_due_at, id LIMIT :most)
      AND generate_due_at <= :now AND generate_request IS NOT NULL
    FOR UPDATE SKIP LOCKED
)
UPDATE content_queue q
SET generate_lease_id = gen_random_uuid(), generate_lease_until = :until, generate_due_at = :until,
    generate_tries = q.generate_tries + 1
FROM chosen WHERE q.id = chosen.id
RETURNING q.id, q.user_id, q.generate_lease_id, q.generate_tries, q.product_data, q.platforms, q.captions, q.version,
          q.generate_request
""")


@dataclass(frozen=True)
class Writing:
    """An item whose captions somebody is about to write; the lease says who may record them."""

    id: UUID
    user_id: UUID
    lease_id: UUID
    tries: int
    product_data: Mapping[str, Any]
    platforms: tuple[str, ...]
    captions: Mapping[str, Any]
    version: int
    request: Mapping[str, Any]


@dataclass(frozen=True)
class QueueFilter:
    status: str | None = None
    product_id: UUID | None = None
    text: str | None = None
    is_generating: bool | None = None


class QueueRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, user_id: UUID, item_id: UUID) -> QueueRow | None:
        statement = select(*COLUMNS).where(QueueItem.id == item_id, QueueItem.user_id == user_id)
        return (await self._session.execute(statement)).first()

    async def find_many(self, user_id: UUID, item_ids: Sequence[UUID]) -> dict[UUID, QueueRow]:
        statement = select(*COLUMNS).where(QueueItem.id.in_(item_ids), QueueItem.user_id == user_id)
        return {row.id: row for row in (await self._session.execute(statement)).all()}

    async def lock(self, user_id: UUID, item_id: UUID) -> QueueRow | None:
        statement = select(*COLUMNS).where(QueueItem.id == item_id, QueueItem.user_id == user_id)
        return (await self._session.execute(statement.with_for_update(of=QueueItem))).first()

    async def list_page(
        self, user_id: UUID, wanted: QueueFilter, *, page: int, per_page: int, after: tuple[datetime, UUID] | None
    ) -> list[QueueRow]:
        """Return one page, newest first; one item more than asked for says that there is a next page."""
        statement = select(*COLUMNS).where(*_conditions(user_id, wanted))
        if after is not None:
            statement = statement.where(func.row(QueueItem.created_at, QueueItem.id) < func.row(*after))
        else:
            statement = statement.offset((page - 1) * per_page)
        order = (QueueItem.created_at.desc(), QueueItem.id.desc())
        return list((await self._session.execute(statement.order_by(*order).limit(per_page + 1))).all())

    async def count(self, user_id: UUID, wanted: QueueFilter) -> int:
        statement = select(func.count()).select_from(QueueItem).where(*_conditions(user_id, wanted))
        return int(await self._session.scalar(statement) or 0)

    async def count_by_status(self, user_id: UUID) -> dict[str, int]:
        statement = (
            select(QueueItem.status, func.count()).where(QueueItem.user_id == user_id).group_by(QueueItem.status)
        )
        rows = (await self._session.execute(statement)).all()
        return {row[0]: row[1] for row in rows}

    async def ids(self, user_id: UUID, wanted: QueueFilter, *, limit: int) -> list[UUID]:
        """Return the ids of items that match, oldest first."""
        statement = select(QueueItem.id).where(*_conditions(user_id, wanted))
        statement = statement.order_by(QueueItem.created_at, QueueItem.id).limit(limit)
        return list((await self._session.scalars(statement)).all())

    async def change(self, user_id: UUID, item_id: UUID, **values: Any) -> None:
        """Update an item that is locked."""
        await self._session.execute(
            update(QueueItem)
            .where(QueueItem.id == item_id, QueueItem.user_id == user_id)
            .values(**values, updated_at=func.now())
        )

    async def delete(self, user_id: UUID, item_id: UUID) -> None:
        await self._session.execute(
            text("DELETE FROM content_queue WHERE id = :id AND user_id = :user_id"), {"id": item_id, "user_id": user_id}
        )

    async def add_version(self, user_id: UUID, item_id: UUID, version: int, **values: Any) -> None:
        await self._session.execute(
            insert(CaptionVersion).values(id=new_id(), user_id=user_id, item_id=item_id, version=version, **values)
        )

    async def versions(self, user_id: UUID, item_id: UUID) -> list[CaptionVersion]:
        """Return what the captions were, newest first."""
        statement = select(CaptionVersion).where(CaptionVersion.item_id == item_id, CaptionVersion.user_id == user_id)
        return list((await self._session.scalars(statement.order_by(CaptionVersion.version.desc()))).all())

    # Writing captions: one writer per item, by lease

    async def claim(self, *, now: datetime, lease: timedelta, most: int) -> list[Writing]:
        """Take items whose captions are due, users in turn. A lease that runs out makes an item due again."""
        rows = await self._session.execute(_CLAIM, {"now": now, "until": now + lease, "most": most})
        return [_writing(row) for row in rows.all()]

    async def lock_lease(self, writing: Writing) -> QueueRow | None:
        """Return the item if the lease is still ours, locked."""
        statement = (
            select(*COLUMNS)
            .where(QueueItem.id == writing.id, QueueItem.generate_lease_id == writing.lease_id)
            .with_for_update(of=QueueItem)
        )
        return (await self._session.execute(statement)).first()

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
                QueueItem.platforms != [],
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


def _writing(row: Row[Any]) -> Writing:
    return Writing(
        id=row.id,
        user_id=row.user_id,
        lease_id=row.generate_lease_id,
        tries=row.generate_tries,
        product_data=row.product_data,
        platforms=tuple(row.platforms),
        captions=row.captions,
        version=row.version,
        request=row.generate_request,
    )


def _conditions(user_id: UUID, wanted: QueueFilter) -> list[Any]:
    conditions: list[Any] = [QueueItem.user_id == user_id]
    if wanted.status is not None:
        conditions.append(QueueItem.status == wanted.status)
    if wanted.product_id is not None:
        conditions.append(QueueItem.product_id == wanted.product_id)
    if wanted.text is not None:
        conditions.append(QueueItem.product_data["title"].astext.icontains(wanted.text, autoescape=True))
    if wanted.is_generating is not None:
        known = QueueItem.generate_request.is_not(None)
        conditions.append(known if wanted.is_generating else ~known)
    return conditions
