"""Resumable uploads. The file on disk says how much of an upload is there: nothing else is written while bytes come,
so whatever kills the process, the upload goes on at the last byte that arrived."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import (
    MediaRefused,
    MediaTooLarge,
    TooManyUploads,
    UploadBusy,
    UploadChecksumMismatch,
    UploadNotFound,
    UploadOffsetConflict,
)
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.models import MediaUpload
from app.repositories.rendition_repository import UploadRepository
from app.services.media.taking import MediaTaking

UPLOAD_LIFE = timedelta(hours=24)
WRITE_BYTES = 1_000_000
"""How much is gathered before it is written: the most of an upload that is in memory."""
CHECKSUMS = ("sha1", "sha256", "md5")


@dataclass(frozen=True)
class UploadState:
    """How far an upload is; `asset_id` is what became of it."""

    upload: MediaUpload
    offset: int
    asset_id: UUID | None


class MediaUploads:
    def __init__(self, sessions: Sessions, taking: MediaTaking, clock: Clock, *, open_max: int) -> None:
        self._sessions = sessions
        self._taking = taking
        self._clock = clock
        self._open_max = open_max

    @property
    def max_bytes(self) -> int:
        return self._taking.max_bytes

    def _path(self, upload_id: UUID) -> Path:
        return self._taking.folder / f"{upload_id}.upload"

    async def create(self, user_id: UUID, *, size: int, file_name: str) -> MediaUpload:
        """Begin an upload. Raises `MediaTooLarge`, `MediaRefused`, `StorageFull`, `TooManyUploads`."""
        self._taking.require_size(size)
        await asyncio.to_thread(self._taking.require_room, size)
        upload_id = new_id()
        async with unit_of_work(self._sessions) as uow:
            uploads, now = UploadRepository(uow.session), self._clock()
            if await uploads.count_open(user_id, now) >= self._open_max:
                raise TooManyUploads
            await asyncio.to_thread(self._path(upload_id).touch)
            return await uploads.add(
                id=upload_id,
                user_id=user_id,
                file_name=file_name,
                size_bytes=size,
                expires_at=now + UPLOAD_LIFE,
            )

    async def look(self, user_id: UUID, upload_id: UUID) -> UploadState:
        """Return how far an upload is. One whose last byte arrived before its process was killed is taken now.

        Raises `UploadNotFound`, and what `MediaTaking.take` raises."""
        upload = await self._find(user_id, upload_id)
        if upload.asset_id is not None:
            return UploadState(upload, upload.size_bytes, upload.asset_id)
        path = self._path(upload_id)
        try:
            offset = path.stat().st_size
        except FileNotFoundError as error:
            raise UploadNotFound from error
        if offset < upload.size_bytes:
            return UploadState(upload, offset, None)
        with _alone(path):
            return await self._finish(user_id, upload)

    async def append(
        self,
        user_id: UUID,
        upload_id: UUID,
        *,
        offset: int,
        pieces: AsyncIterator[bytes],
        checksum: tuple[str, bytes] | None = None,
    ) -> UploadState:
        """Add bytes at an offset; what arrived before the sender was lost stays. The last byte makes the asset.

        Raises `UploadNotFound`, `UploadOffsetConflict`, `UploadBusy`, `UploadChecksumMismatch`, `MediaTooLarge`,
        `StorageFull`, and what `MediaTaking.take` raises."""
        upload = await self._find(user_id, upload_id)
        path = self._path(upload_id)
        if upload.asset_id is not None or not path.exists():
            if upload.asset_id is not None and offset == upload.size_bytes:
                return UploadState(upload, offset, upload.asset_id)
            raise UploadOffsetConflict if upload.asset_id is not None else UploadNotFound
        with _alone(path):
            there = path.stat().st_size
            if offset != there:
                raise UploadOffsetConflict(f"The upload continues at byte {there}, not at {offset}.")
            await asyncio.to_thread(self._taking.require_room)
            there = await _write(path, offset, upload.size_bytes, pieces, checksum, self._taking.require_room)
            if there < upload.size_bytes:
                return UploadState(upload, there, None)
            return await self._finish(user_id, upload)

    async def _finish(self, user_id: UUID, upload: MediaUpload) -> UploadState:
        """Make the asset. A file that is refused ends its upload."""
        path = self._path(upload.id)
        try:
            asset = await self._taking.take(user_id, path, file_name=upload.file_name, upload_id=upload.id)
        except (MediaRefused, MediaTooLarge):
            await self._remove(user_id, upload.id)
            raise
        return UploadState(upload, upload.size_bytes, asset.id)

    async def end(self, user_id: UUID, upload_id: UUID) -> None:
        """Give an upload up. Raises `UploadNotFound`."""
        await self._find(user_id, upload_id)
        await self._remove(user_id, upload_id)

    async def _remove(self, user_id: UUID, upload_id: UUID) -> None:
        async with unit_of_work(self._sessions) as uow:
            await UploadRepository(uow.session).remove(user_id, upload_id)
        await asyncio.to_thread(self._path(upload_id).unlink, missing_ok=True)

    async def _find(self, user_id: UUID, upload_id: UUID) -> MediaUpload:
        async with unit_of_work(self._sessions) as uow:
            upload = await UploadRepository(uow.session).find(user_id, upload_id)
        if upload is None or upload.expires_at <= self._clock():
            raise UploadNotFound
        return upload

    async def remove_expired(self) -> int:
        """Remove uploads that nobody finished, and files of uploads that are gone. Returns how many."""
        async with unit_of_work(self._sessions) as uow:
            gone = await UploadRepository(uow.session).remove_expired(self._clock())
        for upload_id in gone:
            await asyncio.to_thread(self._path(upload_id).unlink, missing_ok=True)
        return len(gone)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep every other request, of whatever process, from writing to this file. The lock dies with its process."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise UploadNotFound from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UploadBusy(headers={"Retry-After": "1"}) from error
    finally:
        os.close(descriptor)


async def _write(
    path: Path,
    offset: int,
    size: int,
    pieces: AsyncIterator[bytes],
    checksum: tuple[str, bytes] | None,
    require_room: Callable[[], None],
) -> int:
    """Append what comes, and return the new size of the file: what was written is safe on disk then."""
    digest = hashlib.new(checksum[0], usedforsecurity=False) if checksum else None
    there, waiting = offset, bytearray()
    with await asyncio.to_thread(path.open, "ab") as file:

        def flush(piece: bytearray, *, safe: bool = False) -> None:
            file.write(piece)
            file.flush()
            if safe:
                os.fsync(file.fileno())

        try:
            async for piece in pieces:
                there += len(piece)
                if there > size:
                    raise MediaTooLarge(f"The upload was begun with {size} bytes, and more than that were sent.")
                if digest is not None:
                    digest.update(piece)
                waiting += piece
                if len(waiting) >= WRITE_BYTES:
                    full, waiting = waiting, bytearray()
                    await asyncio.to_thread(flush, full)
                    await asyncio.to_thread(require_room)
        except BaseException:
            if digest is None:
                flush(waiting)
            else:
                file.truncate(offset)
            raise
        await asyncio.to_thread(flush, waiting, safe=True)
        if digest is not None and checksum is not None and digest.digest() != checksum[1]:
            file.truncate(offset)
            raise UploadChecksumMismatch
    return there
