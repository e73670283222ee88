"""A post's media on its way to a platform: as bytes, or under an address lent to one submission."""

from __future__ import annotations

import asyncio
import secrets
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

    def for_publication(self, publication_id: UUID) -> PublicationMedia:
        return PublicationMedia(self, publication_id)


class PublicationMedia:
    """The media of one publication, as `platforms.base.MediaBytes`."""

    def __init__(self, lender: MediaLender, publication_id: UUID) -> None:
        self._lender = lender
        self._publication_id = publication_id

    async def read(self, item: MediaItem) -> bytes:
        own = self._lender.own
        path = own.find(item.url)
        if path is None and own.copy_path(item.url).exists():
            path = own.copy_path(item.url)
        if path is not None:
            return await asyncio.to_thread(path.read_bytes)
        try:
            file = await self._lender.remote.read(item.url, max_bytes=self._lender.max_bytes)
        except RemoteFileError as error:
            raise FixContent(error.sentence, field="media_urls", code=error.code) from error
        return file.content

    async def lend(self, item: MediaItem, name: str) -> str:
        own = self._lender.own
        if own.find(item.url) is None and not own.copy_path(item.url).exists():
            content = await self.read(item)
            await asyncio.to_thread(own.keep_copy, item.url, content)
        token = secrets.token_urlsafe(24)
        async with unit_of_work(self._lender.sessions) as uow:
            await MediaRepository(uow.session).lend(
                token=token,
                publication_id=self._publication_id,
                source_url=item.url,
                file_name=name,
                mime_type=item.mime_type or "application/octet-stream",
            )
        return own.url_of_loan(token, name)

    async def revoke(self) -> None:
        async with unit_of_work(self._lender.sessions) as uow:
            await MediaRepository(uow.session).revoke(self._publication_id)

    async def fetched(self) -> bool:
        async with unit_of_work(self._lender.sessions) as uow:
            return await MediaRepository(uow.session).was_fetched(self._publication_id)
