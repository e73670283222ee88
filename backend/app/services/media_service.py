"""Looking at the media of a post before it is saved, so that nothing is discovered at send time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import MediaNotFound
from app.models import SocialAccount
from app.platforms.base import MediaItem
from app.repositories.account_repository import AccountRepository
from app.repositories.media_repository import Loan, MediaRepository
from app.storage.inspect import inspect
from app.storage.own import OwnFiles
from app.storage.remote import RemoteFileError, RemoteFiles

FIRST_BYTES = 256 * 1024
"""Enough for the header of every picture, and of every video whose index comes first."""


class MediaService:
    def __init__(self, sessions: Sessions, own: OwnFiles, remote: RemoteFiles) -> None:
        self._sessions = sessions
        self._own = own
        self._remote = remote

    async def accounts(self, user_id: UUID, account_ids: list[UUID]) -> dict[UUID, SocialAccount]:
        """Return accounts in a transaction of its own, so that none is open while media are fetched."""
        async with unit_of_work(self._sessions) as uow:
            return await AccountRepository(uow.session).find_many(user_id, account_ids)

    async def look_at(self, urls: list[str]) -> tuple[dict[str, MediaItem], dict[str, RemoteFileError]]:
        """Return what each address holds, and why the others cannot be used."""
        results = await asyncio.gather(*(self._look_at(url) for url in urls), return_exceptions=True)
        items: dict[str, MediaItem] = {}
        troubles: dict[str, RemoteFileError] = {}
        for url, result in zip(urls, results, strict=True):
            if isinstance(result, RemoteFileError):
                troubles[url] = result
            elif isinstance(result, BaseException):
                raise result
            else:
                items[url] = result
        return items, troubles

    async def _look_at(self, url: str) -> MediaItem:
        path = self._own.find(url)
        if path is not None:
            return await asyncio.to_thread(_look_at_file, url, str(path))
        if self._own.is_ours(url):
            raise RemoteFileError("media_url_unreachable", "There is no such file here.")
        file = await self._remote.head(url, first_bytes=FIRST_BYTES)
        facts = await asyncio.to_thread(inspect, file.content, size_bytes=file.size_bytes)
        if facts is None:
            raise RemoteFileError("media_not_recognised", "The file is neither a picture nor a video that we know.")
        return MediaItem(url=url, **facts)

    async def find_loan(self, token: str) -> tuple[Loan, Path]:
        """Return a lent file while its loan lasts. Raises `MediaNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            loan = await MediaRepository(uow.session).find_open(token)
        if loan is None:
            raise MediaNotFound
        path = self._own.find(loan.source_url) or self._own.copy_path(loan.publication_id, loan.source_url)
        if not path.is_file():
            raise MediaNotFound
        return loan, path

    async def note_fetched(self, token: str) -> None:
        """Remember that a platform has begun to read a lent file. Written before the first byte is sent."""
        async with unit_of_work(self._sessions) as uow:
            await MediaRepository(uow.session).note_fetched(token)


def _look_at_file(url: str, path: str) -> MediaItem:
    file = Path(path)
    content = file.read_bytes()
    facts = inspect(content, size_bytes=len(content))
    assert facts is not None, f"{file.name} is neither a picture nor a video"
    return MediaItem(url=url, **facts)
