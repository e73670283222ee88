"""Connections to shops and feeds that products are read from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import CurrentUser, StoreServiceDep
from app.api.problems import problems
from app.domain.errors import ConnectionNotFound, InvalidToken, NotAuthenticated
from app.schemas.stores import (
    ConnectionRead,
    CreateConnection,
    RowProblemRead,
    SyncCounts,
    SyncRunRead,
    UpdateConnection,
)
from app.services.store_service import NewConnection

router = APIRouter(prefix="/connections", tags=["connections"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
FOUND = (*SIGNED_IN, ConnectionNotFound)


def read(row: Any) -> ConnectionRead:
    fields = {name: row._mapping[name] for name in ConnectionRead.model_fields if name in row._mapping}
    return ConnectionRead.model_validate(
        {**fields, "has_credentials": row.ciphertext is not None, "is_syncing": bool(row.sync_state)}
    )


def read_run(row: Any) -> SyncRunRead:
    counts = {name: row.counts.get(name, 0) for name in SyncCounts.model_fields}
    return SyncRunRead(
        id=row.id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
        counts=SyncCounts(**{**counts, "kind": row.counts.get("kind", "full")}),
        errors=[RowProblemRead(**error) for error in row.errors],
    )


@router.post("", status_code=status.HTTP_201_CREATED, operation_id="connections_create", responses=problems(*SIGNED_IN))
async def create(body: CreateConnection, user: CurrentUser, stores: StoreServiceDep) -> ConnectionRead:
    """Connect a shop or a feed. It is asked once: what it refuses is refused here, with the field and what to do. One
    that is away at the moment is connected all the same and read as soon as it answers."""
    options = body.options.model_dump(exclude_none=True)
    new = NewConnection(body.platform, body.name, body.store_url, body.api_key or "", body.api_secret or "", options)
    return read(await stores.create(user.id, new))


@router.get("", operation_id="connections_list", responses=problems(*SIGNED_IN))
async def list_connections(user: CurrentUser, stores: StoreServiceDep) -> list[ConnectionRead]:
    """List the connections, oldest first."""
    return [read(row) for row in await stores.list_all(user.id)]


@router.get("/{connection_id}", operation_id="connections_get", responses=problems(*FOUND))
async def get(connection_id: UUID, user: CurrentUser, stores: StoreServiceDep) -> ConnectionRead:
    """Return one connection."""
    return read(await stores.get(user.id, connection_id))


@router.patch("/{connection_id}", operation_id="connections_update", responses=problems(*FOUND))
async def update(
    connection_id: UUID, body: UpdateConnection, user: CurrentUser, stores: StoreServiceDep
) -> ConnectionRead:
    """Change a connection. A field left out is unchanged; a key that is null is erased. It is read anew at once."""
    return read(await stores.update(user.id, connection_id, body.model_dump(exclude_unset=True)))


@router.delete(
    "/{connection_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="connections_delete",
    responses=problems(*FOUND),
)
async def delete(connection_id: UUID, user: CurrentUser, stores: StoreServiceDep) -> None:
    """Delete a connection with its keys and the products read from it. Posts and items of the queue stay; nobody looks
    after their stock and prices any more."""
    await stores.delete(user.id, connection_id)


@router.post("/{connection_id}/sync", operation_id="connections_sync", responses=problems(*FOUND))
async def sync(connection_id: UUID, user: CurrentUser, stores: StoreServiceDep) -> ConnectionRead:
    """Have the connection read now. A reading that is under way goes on."""
    return read(await stores.sync_now(user.id, connection_id))


@router.get("/{connection_id}/runs", operation_id="connections_runs", responses=problems(*FOUND))
async def runs(connection_id: UUID, user: CurrentUser, stores: StoreServiceDep) -> list[SyncRunRead]:
    """Return the latest readings, newest first, with what was wrong with single products."""
    return [read_run(row) for row in await stores.runs(user.id, connection_id)]
