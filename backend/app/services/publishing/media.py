"""A post's media on its way to a platform: as bytes, or under an address lent to one submission."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.platforms.base import FixContent, MediaItem
from app.repositories.media_repository import MediaRepository
from app.storage.own import OwnFiles
from app.storage.remote import RemoteFileError, RemoteFiles


class MediaLender:
    """Makes the `MediaBytes` of publications."""

    def __init__(self, *, sessions: Sessions, own: OwnFiles, remote: RemoteFiles, max_bytes: int) -> None:
        self.sessions = sessions
        self.own = own
        self.remote = remote
        self.max_bytes = max_bytes

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

    async def read(self, item: MediaItem) -> bytes:
        path = await self._local(item)
        return await asyncio.to_thread(path.read_bytes)

    async def _local(self, item: MediaItem) -> Path:
        """Return the file on our disk, fetched once per publication."""
        own = self._lender.own
        path = own.find(item.url) or own.copy_path(self._publication_id, item.url)
        if path.exists():
            return path
        try:
            file = await self._lender.remote.read(item.url, max_bytes=self._lender.max_bytes)
        except RemoteFileError as error:
            raise FixContent(error.sentence, field="media_urls", code=error.code) from error
        return await asyncio.to_thread(own.keep_copy, self._publication_id, item.url, file.content)

    async def lend(self, item: MediaItem, name: str) -> str:
        await self._local(item)
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
