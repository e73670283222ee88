"""Letting go of files that nobody uses: rows first, files after."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.repositories.asset_repository import AssetRepository
from app.repositories.rendition_repository import RenditionRepository
from app.services.media.uploads import MediaUploads
from app.storage.store import Store, StoreUnavailable

log = structlog.get_logger()

BATCH = 100


class MediaExpiry:
    def __init__(
        self, *, sessions: Sessions, store: Store, uploads: MediaUploads, unused_life: timedelta, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._uploads = uploads
        self._unused_life = unused_life
        self._clock = clock

    async def sweep(self) -> None:
        """Remove unfinished uploads and unused files. Safe to run twice at once, and while posts are written: a post
        notes that it uses a file before it is saved, and only files without such a note go."""
        await self._uploads.remove_expired()
        before = self._clock() - self._unused_life
        while await self._sweep_renditions(before):
            pass
        while await self._sweep_assets(before):
            pass
        while await self._remove_files():
            pass

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
            found = await AssetRepository(uow.session).discards(limit=BATCH)
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
