"""Letting go of files that nobody uses: rows first, files after."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.repositories.asset_repository import AssetRepository
from app.repositories.media_repository import MediaRepository
from app.repositories.rendition_repository import RenditionRepository
from app.services.media.uploads import MediaUploads
from app.storage.own import OwnFiles
from app.storage.store import Store, StoreUnavailable

log = structlog.get_logger()

BATCH = 100
LEFT_BEHIND = timedelta(hours=24)
"""After this time without a byte written, a file that waits to be taken has nobody any more who does that."""


class MediaExpiry:
    def __init__(
        self,
        *,
        sessions: Sessions,
        store: Store,
        own: OwnFiles,
        uploads: MediaUploads,
        folder: Path,
        unused_life: timedelta,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._own = own
        self._uploads = uploads
        self._folder = folder
        self._unused_life = unused_life
        self._clock = clock

    async def sweep(self) -> None:
        """Remove unfinished uploads and unused files. Safe to run twice at once, and while posts are written: a post
        notes that it uses a file before it is saved, and only files without such a note go."""
        await self._uploads.remove_expired()
        await asyncio.to_thread(_remove_left_behind, self._folder, self._clock() - LEFT_BEHIND)
        await self._remove_copies()
        before = self._clock() - self._unused_life
        while await self._sweep_renditions(before):
            pass
        while await self._sweep_assets(before):
            pass
        while await self._remove_files():
            pass

    async def _remove_copies(self) -> None:
        """Remove copies of publications that have ended, or are gone, while no process was there to do it."""
        copied = await asyncio.to_thread(self._own.copied)
        async with unit_of_work(self._sessions) as uow:
            still_open = await MediaRepository(uow.session).open_among(copied)
        for publication_id in copied:
            if publication_id not in still_open:
                await asyncio.to_thread(self._own.forget_copies, publication_id)

    async def _sweep_renditions(self, before: datetime) -> int:
        async with unit_of_work(self._sessions) as uow:
            renditions, assets = RenditionRepository(uow.session), AssetRepository(uow.session)
            found = await renditions.expired(before=before, limit=BATCH)
            for user_id, rendition_id in found:
                if await assets.is_used(user_id, [rendition_id], open_only=False):
                    await renditions.touch(user_id, rendition_id, self._clock())
                else:
                    await renditions.remove_if_unused(user_id, rendition_id, before=before)
        return len(found)

    async def _sweep_assets(self, before: datetime) -> int:
        async with unit_of_work(self._sessions) as uow:
            assets = AssetRepository(uow.session)
            found = await assets.expired(before=before, limit=BATCH)
            for user_id, asset_id in found:
                made = await RenditionRepository(uow.session).of_assets(user_id, [asset_id])
                if await assets.is_used(user_id, [asset_id, *(one.id for one in made)], open_only=False):
                    await assets.change(user_id, asset_id, last_used_at=self._clock())
                else:
                    await assets.remove_if_unused(user_id, asset_id, before=before)
        return len(found)

    async def _remove_files(self) -> bool:
        """Remove files whose rows are gone; those that the store could not remove stay noted. Removing one twice does
        no harm, so nothing is locked meanwhile. Returns whether there may be more."""
        async with unit_of_work(self._sessions) as uow:
            found = await AssetRepository(uow.session).discards(self._clock(), limit=BATCH)
        removed = []
        for number, key in found:
            try:
                await self._store.remove(key)
            except (StoreUnavailable, OSError) as error:
                log.warning("media.not_removed", error=type(error).__name__)
                break
            removed.append(number)
        async with unit_of_work(self._sessions) as uow:
            await AssetRepository(uow.session).forget_discards(removed)
        return len(removed) == BATCH


def _remove_left_behind(folder: Path, before: datetime) -> None:
    """Remove what killed processes left where files wait to be taken. Uploads live no longer than that either."""
    for path in folder.iterdir() if folder.is_dir() else ():
        try:
            if path.is_file() and path.stat().st_mtime < before.timestamp():
                path.unlink()
        except FileNotFoundError:
            continue
