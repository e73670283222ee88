"""Connections and products with valid defaults, and time that passes for them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert

from app.kit.ids import new_id
from app.models import Product, StoreConnection
from factories.make import Factory, MadeUser


async def connect(
    rows: Factory, owner: MadeUser, platform: str, url: str, *, key: str = "", secret: str = "", **options: Any
) -> UUID:
    """Insert a connection that is due now."""
    connection_id = new_id()
    sealed = rows.container.store_keys.seal(connection_id, key, secret)
    async with rows.container.sessions() as session:
        await session.execute(
            insert(StoreConnection).values(
                id=connection_id,
                user_id=owner.id,
                platform=platform,
                name="Shop",
                store_url=url,
                options=options,
                **sealed,
            )
        )
        await session.commit()
    await make_due(rows)
    return connection_id


async def make_due(rows: Factory) -> None:
    """Let so much time pass that every connection is to be read again, and leases of dead workers have run out."""
    await rows.execute(
        "UPDATE store_connections SET next_sync_at = clock_timestamp() - interval '1 s', "
        "lease_until = clock_timestamp() - interval '1 s' WHERE is_active"
    )


async def connection(rows: Factory, connection_id: UUID) -> Row[Any]:
    return (await rows.execute("SELECT * FROM store_connections WHERE id = :id", id=connection_id))[0]


async def runs(rows: Factory, connection_id: UUID) -> list[Row[Any]]:
    return await rows.execute(
        "SELECT outcome, counts, errors, finished_at FROM sync_runs WHERE connection_id = :id ORDER BY started_at",
        id=connection_id,
    )


async def stored(rows: Factory, **where: Any) -> dict[str, Row[Any]]:
    """Return products by their id at the source."""
    condition = " AND ".join(f"{name} = :{name}" for name in where) or "true"
    found = await rows.execute(f"SELECT * FROM products WHERE {condition}", **where)  # noqa: S608
    return {row.external_id: row for row in found}


async def happened(rows: Factory) -> list[tuple[str, str]]:
    """Return `(product's id at the source, what happened)`, in order of both."""
    found = await rows.execute(
        "SELECT p.external_id, e.kind FROM product_events e JOIN products p ON p.id = e.product_id "
        "ORDER BY p.external_id, e.kind"
    )
    return [(row.external_id, row.kind) for row in found]


async def product(rows: Factory, owner: MadeUser, **values: Any) -> Row[Any]:
    fields = {
        "id": new_id(),
        "user_id": owner.id,
        "external_id": new_id().hex,
        "title": "Blue cup",
        "description": "A hand-thrown cup.",
        "price_minor": 1250,
        "currency": "EUR",
        "is_available": True,
        "content_hash": "0" * 64,
        "checked_at": rows.container.clock(),
        **values,
    }
    async with rows.container.sessions() as session:
        found = await session.execute(insert(Product).values(fields).returning(*Product.__table__.c))
        row = found.one()
        await session.commit()
    return row
