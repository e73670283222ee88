"""SQL of products and of what happens to them. Every query of a request is scoped by `user_id`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import Product, ProductEvent, QueueItem

COLUMNS = tuple(Product.__table__.columns)
ProductRow = Row[Any]
BATCH = 500


@dataclass(frozen=True)
class ProductFilter:
    text: str | None = None
    connection_id: UUID | None = None
    status: str | None = None
    is_available: bool | None = None
    category: str | None = None
    changed_since: datetime | None = None


@dataclass(frozen=True)
class StoredEvent:
    """Something that happened, with what rules ask about the product."""

    id: UUID
    user_id: UUID
    product_id: UUID
    kind: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class DueProduct:
    """A product whose post goes out soon."""

    user_id: UUID
    connection_id: UUID
    id: UUID
    external_id: str
    url: str | None


class ProductRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Reading

    async def find(self, user_id: UUID, product_id: UUID) -> ProductRow | None:
        rows = await self._session.execute(select(*COLUMNS).where(Product.id == product_id, Product.user_id == user_id))
        return rows.first()

    async def find_by_external(self, user_id: UUID, connection_id: UUID | None, external_id: str) -> ProductRow | None:
        rows = await self._session.execute(
            select(*COLUMNS).where(*_source(user_id, connection_id), Product.external_id == external_id)
        )
        return rows.first()

    async def list_page(
        self, user_id: UUID, wanted: ProductFilter, *, page: int, per_page: int
    ) -> tuple[Sequence[ProductRow], int]:
        """Return one page, newest first, and the exact number of matches."""
        conditions = _conditions(user_id, wanted)
        total = await self._session.scalar(select(func.count()).select_from(Product).where(*conditions))
        rows = await self._session.execute(
            select(*COLUMNS)
            .where(*conditions)
            .order_by(Product.created_at.desc(), Product.id.desc())
            .limit(per_page)
            .offset((page - 1) * per_page)
        )
        return rows.all(), int(total or 0)

    async def ids_matching(self, user_id: UUID, wanted: ProductFilter, *, limit: int) -> list[UUID]:
        rows = await self._session.scalars(
            select(Product.id)
            .where(*_conditions(user_id, wanted))
            .order_by(Product.created_at, Product.id)
            .limit(limit)
        )
        return list(rows)

    async def lock_many(self, user_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, ProductRow]:
        """Return products, locked until the transaction ends in the order in which readings lock them."""
        rows = await self._session.execute(
            select(*COLUMNS)
            .where(Product.user_id == user_id, Product.id.in_(product_ids))
            .order_by(Product.connection_id, Product.external_id)
            .with_for_update()
        )
        return {row.id: row for row in rows}

    async def waiting_in_queue(self, user_id: UUID, product_ids: Sequence[UUID]) -> set[UUID]:
        """Return which of the products have an item in the queue that nobody has decided about."""
        rows = await self._session.scalars(
            select(QueueItem.product_id).where(
                QueueItem.user_id == user_id,
                QueueItem.product_id.in_(product_ids),
                QueueItem.status.in_(("pending", "generated")),
            )
        )
        return {product_id for product_id in rows if product_id is not None}

    # Writing what a source tells

    async def known(
        self, user_id: UUID, connection_id: UUID | None, external_ids: Sequence[str], *, lock: bool = True
    ) -> dict[str, ProductRow]:
        """Return products of a source by their ids there, locked in one order for everybody."""
        statement = (
            select(*COLUMNS)
            .where(*_source(user_id, connection_id), Product.external_id.in_(external_ids))
            .order_by(Product.external_id)
        )
        rows = await self._session.execute(statement.with_for_update() if lock else statement)
        return {row.external_id: row for row in rows}

    async def insert_new(self, values: Sequence[dict[str, Any]]) -> dict[str, UUID]:
        """Insert products and return the ids of those that were not there; somebody else may have been quicker."""
        statement = pg_insert(Product).on_conflict_do_nothing().returning(Product.external_id, Product.id)
        written: dict[str, UUID] = {}
        for start in range(0, len(values), BATCH):
            rows = await self._session.execute(statement, list(values[start : start + BATCH]))
            written.update({row.external_id: row.id for row in rows})
        return written

    async def update_many(self, values: Sequence[dict[str, Any]]) -> None:
        """Write changed products; each of `values` has the `id`."""
        if not values:
            return
        names = [name for name in values[0] if name != "id"]
        statement = (
            update(Product)
            .where(Product.__table__.c.id == bindparam("key"))
            .values({**{name: bindparam(f"new_{name}") for name in names}, "updated_at": func.now()})
        )
        connection = await self._session.connection()
        await connection.execute(
            statement,
            [{"key": row["id"], **{f"new_{name}": row[name] for name in names}} for row in values],
        )

    async def met(self, ids: Sequence[UUID], *, run_id: UUID | None, at: datetime) -> None:
        """Note that products were met unchanged."""
        if ids:
            await self._session.execute(
                update(Product)
                .where(Product.id.in_(ids))
                .values(
                    seen_run_id=run_id if run_id is not None else Product.seen_run_id,
                    checked_at=at,
                    updated_at=Product.updated_at,
                )
            )

    async def note_seen(self, user_id: UUID, connection_id: UUID, external_ids: Sequence[str], run_id: UUID) -> None:
        """Note that products are there although they could not be read: what was known of them stays."""
        if external_ids:
            await self._session.execute(
                update(Product)
                .where(*_source(user_id, connection_id), Product.external_id.in_(external_ids))
                .values(seen_run_id=run_id, updated_at=Product.updated_at)
            )

    async def has_any(self, user_id: UUID, connection_id: UUID) -> bool:
        """Whether anything was ever read from a source."""
        statement = select(Product.id).where(*_source(user_id, connection_id)).limit(1)
        return await self._session.scalar(statement) is not None

    async def presence(self, user_id: UUID, connection_id: UUID, run_id: UUID) -> tuple[int, int]:
        """Return how many products were met in a reading, and how many known ones were not."""
        row = await self._session.execute(
            select(
                func.count().filter(Product.seen_run_id == run_id),
                func.count().filter(
                    or_(Product.seen_run_id.is_(None), Product.seen_run_id != run_id), Product.status == "active"
                ),
            ).where(*_source(user_id, connection_id))
        )
        met, missing = row.one()
        return int(met), int(missing)

    async def remove_unmet(self, user_id: UUID, connection_id: UUID, run_id: UUID, *, at: datetime) -> list[UUID]:
        """Mark every product as removed that a complete reading has not met, and return them."""
        unmet = (
            select(Product.id)
            .where(
                *_source(user_id, connection_id),
                Product.status == "active",
                or_(Product.seen_run_id.is_(None), Product.seen_run_id != run_id),
            )
            .order_by(Product.external_id)
            .with_for_update()
        )
        ids = list(await self._session.scalars(unmet))
        await self._session.execute(
            update(Product)
            .where(Product.id.in_(ids))
            .values(status="removed", removed_at=at, checked_at=at, updated_at=func.now())
        )
        return ids

    async def set_removed(self, user_id: UUID, product_id: UUID, *, at: datetime) -> bool:
        """Mark one product as removed; `False` when it was already."""
        rows = await self._session.scalars(
            update(Product)
            .where(Product.user_id == user_id, Product.id == product_id, Product.status == "active")
            .values(status="removed", removed_at=at, checked_at=at, updated_at=func.now())
            .returning(Product.id)
        )
        return rows.first() is not None

    async def delete(self, user_id: UUID, product_id: UUID) -> bool:
        rows = await self._session.scalars(
            delete(Product).where(Product.user_id == user_id, Product.id == product_id).returning(Product.id)
        )
        return rows.first() is not None

    # What happened

    async def add_events(self, user_id: UUID, events: Sequence[tuple[UUID, str, Mapping[str, Any]]]) -> None:
        """Write `(product, kind, facts)`."""
        if events:
            await self._session.execute(
                insert(ProductEvent),
                [
                    {"id": new_id(), "user_id": user_id, "product_id": product_id, "kind": kind, "facts": dict(facts)}
                    for product_id, kind, facts in events
                ],
            )

    async def events_of(self, user_id: UUID, product_id: UUID, *, limit: int) -> Sequence[Row[Any]]:
        rows = await self._session.execute(
            select(ProductEvent.id, ProductEvent.kind, ProductEvent.facts, ProductEvent.created_at)
            .where(ProductEvent.user_id == user_id, ProductEvent.product_id == product_id)
            .order_by(ProductEvent.created_at.desc(), ProductEvent.id.desc())
            .limit(limit)
        )
        return rows.all()

    async def open_events(self, *, limit: int) -> list[StoredEvent]:
        """Return events that rules have not seen, oldest first, locked until the transaction ends."""
        rows = await self._session.execute(
            select(
                ProductEvent.id, ProductEvent.user_id, ProductEvent.product_id, ProductEvent.kind, ProductEvent.facts
            )
            .where(ProductEvent.handled_at.is_(None))
            .order_by(ProductEvent.created_at, ProductEvent.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [StoredEvent(*row) for row in rows]

    async def handled(self, event_ids: Sequence[UUID]) -> None:
        await self._session.execute(
            update(ProductEvent).where(ProductEvent.id.in_(event_ids)).values(handled_at=func.clock_timestamp())
        )

    # For posts that are about to go out

    async def due_to_be_read_again(self, *, ahead_minutes: int, older_minutes: int, limit: int) -> list[DueProduct]:
        """Return products whose post goes out soon and that were not read lately, connection by connection."""
        rows = await self._session.execute(
            text("""
            SELECT DISTINCT p.user_id, p.connection_id, p.id, p.external_id, p.url
            FROM posts post JOIN products p ON p.id = post.product_id
            JOIN store_connections c ON c.id = p.connection_id
            WHERE post.status = 'scheduled' AND p.status = 'active' AND c.is_active AND c.error_code IS NULL
              AND post.scheduled_for <= clock_timestamp() + make_interval(mins => :ahead)
              AND p.checked_at < clock_timestamp() - make_interval(mins => :older)
            ORDER BY p.connection_id, p.id LIMIT :limit
            """),
            {"ahead": ahead_minutes, "older": older_minutes, "limit": limit},
        )
        return [DueProduct(*row) for row in rows]


def _source(user_id: UUID, connection_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
    return (
        Product.user_id == user_id,
        Product.connection_id.is_(None) if connection_id is None else Product.connection_id == connection_id,
    )


def _conditions(user_id: UUID, wanted: ProductFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Product.user_id == user_id]
    if wanted.text:
        like = "%" + wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        conditions.append(or_(Product.title.ilike(like), Product.external_id.ilike(like), Product.brand.ilike(like)))
    if wanted.connection_id is not None:
        conditions.append(Product.connection_id == wanted.connection_id)
    if wanted.status is not None:
        conditions.append(Product.status == wanted.status)
    if wanted.is_available is not None:
        conditions.append(Product.is_available == wanted.is_available)
    if wanted.category is not None:
        conditions.append(func.lower(Product.category) == wanted.category.lower())
    if wanted.changed_since is not None:
        conditions.append(Product.updated_at >= wanted.changed_since)
    return conditions
