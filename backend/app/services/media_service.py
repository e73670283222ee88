"""Looking at the media of a post before it is saved, so that nothing is discovered at send time."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.models import SocialAccount
from app.platforms.base import MediaItem
from app.repositories.account_repository import AccountRepository
from app.repositories.asset_repository import AssetRepository
from app.services.media.taking import kept_facts
from app.storage.addresses import referenced
from app.storage.inspection.probe import Probe
from app.storage.own import OwnFiles
from app.storage.refusals import FileRefused
from app.storage.remote import RemoteFileError, RemoteFiles
from app.storage.store import temporary_path

FIRST_BYTES = 256 * 1024
"""Enough for the header of every picture, and of every video whose index comes first."""


class MediaService:
    def __init__(
        self, *, sessions: Sessions, own: OwnFiles, remote: RemoteFiles, probe: Probe, folder: Path, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._own = own
        self._remote = remote
        self._probe = probe
        self._folder = folder
        self._clock = clock
        self._samples: dict[Path, MediaItem] = {}

    async def accounts(self, user_id: UUID, account_ids: list[UUID]) -> dict[UUID, SocialAccount]:
        """Return accounts in a transaction of its own, so that none is open while media are fetched."""
        async with unit_of_work(self._sessions) as uow:
            return await AccountRepository(uow.session).find_many(user_id, account_ids)

    def is_ours(self, url: str) -> bool:
        """Whether an address is one of this installation's, or names an uploaded file."""
        return self._own.is_ours(url) or referenced(url) is not None

    async def look_at(
        self, urls: list[str], *, user_id: UUID | None = None
    ) -> tuple[dict[str, MediaItem], dict[str, RemoteFileError]]:
        """Return what each address holds, and why the others cannot be used. Uploaded files must be the user's own;
        that they are used is noted, so that none of them expires before the post is saved."""
        uploaded = await self._uploaded(urls, user_id)
        results = await asyncio.gather(*(self._look_at(url, uploaded) for url in urls), return_exceptions=True)
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

    async def _uploaded(self, urls: Sequence[str], user_id: UUID | None) -> dict[UUID, MediaItem]:
        ids = [file_id for file_id in map(referenced, urls) if file_id is not None]
        if not ids or user_id is None:
            return {}
        async with unit_of_work(self._sessions) as uow:
            files = await AssetRepository(uow.session).use(user_id, ids, self._clock())
        return {
            file.id: MediaItem(
                url="", kind=file.kind, mime_type=file.mime_type, alt_text=file.alt_text, **kept_facts(file.facts)
            )
            for file in files.values()
        }

    async def _look_at(self, url: str, uploaded: dict[UUID, MediaItem]) -> MediaItem:
        path = self._own.find(url)
        if path is not None:
            return dataclasses.replace(await self._sample(path), url=url)
        file_id = referenced(url)
        if file_id in uploaded:
            return dataclasses.replace(uploaded[file_id], url=url)
        if self._own.is_ours(url) or file_id is not None:
            raise RemoteFileError("media_url_unreachable", "There is no such file here.")
        return await self._remote_item(url)

    async def _sample(self, path: Path) -> MediaItem:
        if path not in self._samples:
            facts = await self._probe.inspect(path)
            size = path.stat().st_size  # noqa: ASYNC240 - once per process
            self._samples[path] = MediaItem(
                url="", kind=facts["kind"], mime_type=facts["mime_type"], **kept_facts({**facts, "size_bytes": size})
            )
        return self._samples[path]

    async def _remote_item(self, url: str) -> MediaItem:
        file = await self._remote.head(url, first_bytes=FIRST_BYTES)
        is_whole = file.size_bytes is not None and len(file.content) == file.size_bytes
        async with temporary_path(self._folder) as path:
            await asyncio.to_thread(path.write_bytes, file.content)
            try:
                facts = await self._probe.inspect(path, partial=not is_whole)
            except FileRefused as refused:
                raise RemoteFileError(refused.code, refused.sentence) from refused
        known = kept_facts({**facts, "size_bytes": file.size_bytes})
        return MediaItem(url=url, kind=facts["kind"], mime_type=facts["mime_type"], **known)
