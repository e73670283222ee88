"""Connections to shops and feeds, as their owner sees and changes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import ConnectionNotFound, FieldError, InvalidRequest
from app.domain.vocabulary import SYNC_STORES
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.kit.ids import new_id
from app.repositories.store_repository import ConnectionRow, StoreRepository
from app.services.store_keys import StoreKeys
from app.stores.base import ProductSource, SourceBusy, SourceError, StoreAccess

log = structlog.get_logger()

TEST_SECONDS = 45.0
"""Longest time an owner waits for the shop to be tried."""
CONNECTIONS_MAX = 50
RUNS_SHOWN = 20
TESTED = frozenset({"store_url", "api_key", "api_secret", "options"})
"""A change of one of these is tried at the shop before it is kept."""


@dataclass(frozen=True)
class NewConnection:
    platform: str
    name: str
    store_url: str
    api_key: str
    api_secret: str
    options: Mapping[str, Any]


class StoreService:
    """Calls shops, so it works in steps: no transaction is open meanwhile."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        sources: Mapping[str, ProductSource],
        keys: StoreKeys,
        clock: Clock,
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._sources = sources
        self._keys = keys
        self._clock = clock
        self._send = send

    async def list_all(self, user_id: UUID) -> Sequence[ConnectionRow]:
        async with unit_of_work(self._sessions) as uow:
            return await StoreRepository(uow.session).list_all(user_id)

    async def get(self, user_id: UUID, connection_id: UUID) -> ConnectionRow:
        """Return a connection. Raises `ConnectionNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            row = await StoreRepository(uow.session).find(user_id, connection_id)
        if row is None:
            raise ConnectionNotFound
        return row

    async def runs(self, user_id: UUID, connection_id: UUID) -> Sequence[Any]:
        """Return the latest readings, newest first. Raises `ConnectionNotFound`."""
        await self.get(user_id, connection_id)
        async with unit_of_work(self._sessions) as uow:
            return await StoreRepository(uow.session).runs(connection_id, limit=RUNS_SHOWN)

    async def create(self, user_id: UUID, new: NewConnection) -> ConnectionRow:
        """Ask the shop once, then keep the connection and have it read. Raises `InvalidRequest`.

        One that is away is kept as well, with the sentence that says so."""
        address = clean_address(new.store_url)
        await self._require_room(user_id)
        access = StoreAccess(address, new.api_key, new.api_secret, new.options)
        busy = await self._try(new.platform, access)
        connection_id = new_id()
        is_read = new.platform in self._sources
        async with unit_of_work(self._sessions, self._send) as uow:
            stores = StoreRepository(uow.session)
            await stores.add(
                {
                    "id": connection_id,
                    "user_id": user_id,
                    "platform": new.platform,
                    "name": new.name or urlsplit(address).hostname or new.platform,
                    "store_url": address,
                    "options": dict(new.options),
                    "error_code": busy.code if busy else None,
                    "error_message": busy.sentence if busy else None,
                    **self._keys.seal(connection_id, new.api_key, new.api_secret),
                }
            )
            if is_read:
                await stores.due_now(user_id, connection_id, trouble=busy is not None)
                uow.after_commit(SYNC_STORES)
        return await self.get(user_id, connection_id)

    async def update(self, user_id: UUID, connection_id: UUID, changes: Mapping[str, Any]) -> ConnectionRow:
        """Change a connection; a key that is null is cleared, one left out stays. New access is tried at the shop.

        Raises `ConnectionNotFound`, `InvalidRequest`."""
        row = await self.get(user_id, connection_id)
        values: dict[str, Any] = {name: changes[name] for name in ("name", "is_active") if name in changes}
        if "store_url" in changes:
            values["store_url"] = clean_address(changes["store_url"])
        if "options" in changes:
            values["options"] = {**row.options, **changes["options"]}
            values["options"] = {name: value for name, value in values["options"].items() if value is not None}
        key, secret = self._present_keys(row)
        key = (changes["api_key"] or "") if "api_key" in changes else key
        secret = (changes["api_secret"] or "") if "api_secret" in changes else secret
        if changes.keys() & {"api_key", "api_secret"}:
            values |= self._keys.seal(connection_id, key, secret)
        if changes.keys() & TESTED:
            url, options = values.get("store_url", row.store_url), values.get("options", row.options)
            await self._try(row.platform, StoreAccess(url, key, secret, options))
        async with unit_of_work(self._sessions, self._send) as uow:
            stores = StoreRepository(uow.session)
            if await stores.find(user_id, connection_id, lock=True) is None:
                raise ConnectionNotFound
            if changes.keys() & TESTED:  # what was read of another place is no place here
                values |= {"sync_state": {}, "lease_id": None, "lease_until": None}
            if values:
                await stores.change(user_id, connection_id, values)
            if row.platform in self._sources and changes.keys() & (TESTED | {"is_active"}):
                await stores.due_now(user_id, connection_id)
                uow.after_commit(SYNC_STORES)
        return await self.get(user_id, connection_id)

    async def delete(self, user_id: UUID, connection_id: UUID) -> None:
        """Delete a connection, its keys and its products. Posts and items of the queue stay, without the guard.

        Raises `ConnectionNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            if not await StoreRepository(uow.session).delete(user_id, connection_id):
                raise ConnectionNotFound

    async def sync_now(self, user_id: UUID, connection_id: UUID) -> ConnectionRow:
        """Have a connection read now. Raises `ConnectionNotFound`, `InvalidRequest`."""
        row = await self.get(user_id, connection_id)
        if row.platform not in self._sources or not row.is_active:
            sentence = "This connection is switched off." if row.platform in self._sources else "It sends by itself."
            raise InvalidRequest([FieldError(("path", "connection_id"), sentence, "connection_not_read")])
        async with unit_of_work(self._sessions, self._send) as uow:
            await StoreRepository(uow.session).due_now(user_id, connection_id)
            uow.after_commit(SYNC_STORES)
        return await self.get(user_id, connection_id)

    async def _require_room(self, user_id: UUID) -> None:
        async with unit_of_work(self._sessions) as uow:
            count = await StoreRepository(uow.session).count(user_id)
        if count >= CONNECTIONS_MAX:
            sentence = f"There are {CONNECTIONS_MAX} connections already. Delete one first."
            raise InvalidRequest([FieldError(("body",), sentence, "too_many_connections")])

    async def _try(self, platform: str, access: StoreAccess) -> SourceBusy | None:
        """Ask the shop for its first page; return what says that it is away. Raises `InvalidRequest` that names the
        field and what to do."""
        source = self._sources.get(platform)
        if source is None:
            return None
        try:
            async with asyncio.timeout(TEST_SECONDS):
                await source.page(access, None)
        except TimeoutError:
            return SourceBusy("The shop took too long to answer. We try again by ourselves.")
        except SourceBusy as error:
            return error
        except SourceError as error:
            log.info("store.refused", platform=platform, code=error.code, detail=error.detail)
            raise InvalidRequest([FieldError(("body", error.field), error.sentence, error.code)]) from error
        return None

    def _present_keys(self, row: ConnectionRow) -> tuple[str, str]:
        try:
            return self._keys.open(row.id, row.ciphertext, row.key_version)
        except KeyRingError:
            return "", ""


def clean_address(text: str) -> str:
    """Return a shop's address in one spelling: with a scheme, the host in lower case, no fragment. Raises
    `InvalidRequest` for one with a name and password in it: those belong into the keys."""
    given = text.strip()
    given = given if "://" in given else f"https://{given}"
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or any(c <= " " for c in given):
        sentence = "Enter the address of the shop, such as https://shop.example."
        raise InvalidRequest([FieldError(("body", "store_url"), sentence, "address_invalid")])
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path if parts.path != "/" else "", parts.query, ""))
