"""A post's media on its way to a platform: as bytes in parts, or under an address of ours."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.platforms.base import FixContent, MediaItem, RetryLater
from app.repositories.asset_repository import AssetRepository, StoredFile
from app.repositories.media_repository import MediaRepository
from app.services.publishing.public_url import PublicUrlCheck
from app.storage.addresses import Addresses, referenced
from app.storage.own import OwnFiles
from app.storage.remote import RemoteFileError, RemoteFiles
from app.storage.store import FileMissing, Store, StoreUnavailable, stream_path

STORE_AWAY_RETRY = timedelta(seconds=30)


@dataclass(frozen=True)
class Source:
    """Where the bytes of one file are, whichever way they are kept."""

    size: int
    stream: Callable[[int, int], AsyncIterator[bytes]]


class MediaLender:
    """Makes the `MediaBytes` of publications."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        own: OwnFiles,
        remote: RemoteFiles,
        store: Store,
        addresses: Addresses,
        public_url: PublicUrlCheck,
        max_bytes: int,
        clock: Clock,
    ) -> None:
        self.sessions = sessions
        self.own = own
        self.remote = remote
        self.store = store
        self.addresses = addresses
        self.public_url = public_url
        self.max_bytes = max_bytes
        self.clock = clock

    def forget(self, publication_id: UUID) -> None:
        """Remove what was fetched for a publication that has ended."""
        self.own.forget_copies(publication_id)

    def for_publication(self, publication_id: UUID) -> PublicationMedia:
        return PublicationMedia(self, publication_id)


class PublicationMedia:
    """The media of one publication, as `platforms.base.MediaBytes`."""

    def __init__(self, lender: MediaLender, publication_id: UUID) -> None:
        self._lender = lender
        self._publication_id = publication_id
        self._sources: dict[str, Source] = {}

    async def size(self, item: MediaItem) -> int:
        return (await self._source(item)).size

    async def read(self, item: MediaItem) -> bytes:
        source = await self._source(item)
        return await self.read_part(item, 0, source.size)

    async def read_part(self, item: MediaItem, start: int, end: int) -> bytes:
        return b"".join([piece async for piece in self._pieces(item, start, end)])

    async def stream(self, item: MediaItem, start: int = 0) -> AsyncIterator[bytes]:
        source = await self._source(item)
        async for piece in self._pieces(item, start, source.size):
            yield piece

    async def _pieces(self, item: MediaItem, start: int, end: int) -> AsyncIterator[bytes]:
        source = await self._source(item)
        try:
            async for piece in source.stream(start, min(end, source.size)):
                yield piece
        except FileMissing as error:
            raise _gone() from error
        except StoreUnavailable as error:
            raise _away() from error

    async def address(self, item: MediaItem) -> str:
        await self._lender.public_url.require()
        file_id = referenced(item.url)
        if file_id is None:
            return str(httpx.URL(item.url))  # names in other scripts and letters beyond ASCII become plain ones
        file = await self._stored(file_id)
        return self._lender.addresses.signed(file.id, file.url_name, now=self._lender.clock())

    async def lend(self, item: MediaItem, name: str) -> str:
        await self._lender.public_url.require()
        await self._source(item)
        token = secrets.token_urlsafe(24)
        async with unit_of_work(self._lender.sessions) as uow:
            await MediaRepository(uow.session).lend(
                token=token,
                publication_id=self._publication_id,
                source_url=item.url,
                file_name=name,
                mime_type=item.mime_type or "application/octet-stream",
            )
        return self._lender.own.url_of_loan(token, name)

    async def revoke(self) -> None:
        async with unit_of_work(self._lender.sessions) as uow:
            await MediaRepository(uow.session).revoke(self._publication_id)

    async def fetched(self) -> bool:
        async with unit_of_work(self._lender.sessions) as uow:
            return await MediaRepository(uow.session).was_fetched(self._publication_id)

    # Where the bytes are

    async def _source(self, item: MediaItem) -> Source:
        """Return where the bytes are; a remote file is fetched once per publication, to disk."""
        known = self._sources.get(item.url)
        if known is None:
            file_id = referenced(item.url)
            known = await self._on_disk(item.url) if file_id is None else await self._in_store(file_id)
            self._sources[item.url] = known
        return known

    async def _in_store(self, file_id: UUID) -> Source:
        file, store = await self._stored(file_id), self._lender.store
        return Source(file.size_bytes, lambda start, end: store.stream(file.storage_key, start, end))

    async def _stored(self, file_id: UUID) -> StoredFile:
        """Return one of our user's own files."""
        async with unit_of_work(self._lender.sessions) as uow:
            file = await AssetRepository(uow.session).find_file(file_id)
            owner = await MediaRepository(uow.session).owner_of(self._publication_id)
        if file is None or file.user_id != owner:
            raise _gone()
        return file

    async def _on_disk(self, url: str) -> Source:
        path = await self._local(url)
        size = (await asyncio.to_thread(path.stat)).st_size
        return Source(size, lambda start, end: stream_path(path, start, end))

    async def _local(self, url: str) -> Path:
        own = self._lender.own
        path = own.find(url) or own.copy_path(self._publication_id, url)
        if path.exists():
            return path
        try:
            with own.new_copy(self._publication_id, url) as written:
                await self._lender.remote.download(url, written, max_bytes=self._lender.max_bytes)
        except RemoteFileError as error:
            raise FixContent(error.sentence, field="media_urls", code=error.code) from error
        return path


def _gone() -> FixContent:
    sentence = "The picture or video of this post was deleted. Choose another one."
    return FixContent(sentence, field="media_urls", code="media_gone")


def _away() -> RetryLater:
    sentence = "The place where files are kept does not answer."
    return RetryLater(sentence, code="media_store_away", after=STORE_AWAY_RETRY)
