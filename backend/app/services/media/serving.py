"""Files as they leave: under signed addresses, and lent to one submission."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import MediaNotFound, StoreAway
from app.kit.clock import Clock
from app.repositories.asset_repository import AssetRepository, StoredFile
from app.repositories.media_repository import MediaRepository
from app.storage.addresses import Addresses, referenced
from app.storage.own import OwnFiles
from app.storage.store import FileMissing, Store, StoreUnavailable, stream_path


@dataclass(frozen=True)
class ServedFile:
    """One file, its type, and a way to any part of it."""

    mime_type: str
    size: int
    stream: Callable[[int, int], AsyncIterator[bytes]]


class MediaServing:
    def __init__(self, *, sessions: Sessions, store: Store, own: OwnFiles, addresses: Addresses, clock: Clock) -> None:
        self._sessions = sessions
        self._store = store
        self._own = own
        self._addresses = addresses
        self._clock = clock

    async def signed(self, file_id: UUID, expires: int, signature: str, name: str) -> ServedFile:
        """Return the file of a signed address. Raises `MediaNotFound`, also when it has expired; `StoreAway`."""
        if not self._addresses.is_signed(file_id, expires, signature, name, now=self._clock()):
            raise MediaNotFound
        async with unit_of_work(self._sessions) as uow:
            file = await AssetRepository(uow.session).find_file(file_id)
        if file is None:
            raise MediaNotFound
        return await self._stored(file, file.mime_type)

    async def loan(self, token: str) -> ServedFile:
        """Return a lent file while its loan lasts. Raises `MediaNotFound`, `StoreAway`."""
        async with unit_of_work(self._sessions) as uow:
            loan = await MediaRepository(uow.session).find_open(token)
            file_id = referenced(loan.source_url) if loan else None
            file = await AssetRepository(uow.session).find_file(file_id) if file_id else None
        if loan is None or (file_id is not None and file is None):
            raise MediaNotFound
        if file is not None:
            return await self._stored(file, loan.mime_type)
        path = self._own.find(loan.source_url) or self._own.copy_path(loan.publication_id, loan.source_url)
        if not path.is_file():
            raise MediaNotFound
        size = path.stat().st_size
        return ServedFile(loan.mime_type, size, lambda start, end: stream_path(path, start, end))

    async def _stored(self, file: StoredFile, mime_type: str) -> ServedFile:
        """Return a stored file whose size was asked of the store: what is not there must fail before it is begun."""
        key = file.storage_key
        try:
            size = await self._store.size(key)
        except FileMissing as error:
            raise MediaNotFound from error
        except StoreUnavailable as error:
            raise StoreAway from error
        return ServedFile(mime_type, size, lambda start, end: self._store.stream(key, start, end))

    async def note_fetched(self, token: str) -> None:
        """Remember that a platform has begun to read a lent file. Written before the first byte is sent. Raises
        `MediaNotFound` when the loan was revoked meanwhile."""
        async with unit_of_work(self._sessions) as uow:
            if not await MediaRepository(uow.session).note_fetched(token):
                raise MediaNotFound
