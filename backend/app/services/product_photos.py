"""A product's picture for whoever writes about it: fetched with care, made small by the confined child, or left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from app.captions.base import Photo
from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.products import ProductFacts
from app.repositories.asset_repository import AssetRepository
from app.storage.addresses import referenced
from app.storage.inspection.probe import Probe
from app.storage.own import OwnFiles
from app.storage.refusals import FileRefused
from app.storage.remote import RemoteFileError, RemoteFiles
from app.storage.store import FileMissing, Store, StoreUnavailable, temporary_path

log = structlog.get_logger()

SIDE_PX = 1_280
"""Long side of what is sent: a larger one is made smaller there anyway. Source: claude.md §5."""
PHOTO_MAX_BYTES = 1_500_000
FETCHED_MAX_BYTES = 20_000_000
SECONDS = 20.0


class _Unavailable(Exception):
    pass


class ProductPhotos:
    """One per process."""

    def __init__(
        self, *, sessions: Sessions, own: OwnFiles, remote: RemoteFiles, store: Store, probe: Probe, folder: Path
    ) -> None:
        self._sessions = sessions
        self._own = own
        self._remote = remote
        self._store = store
        self._probe = probe
        self._folder = folder

    async def photo(self, user_id: UUID, facts: ProductFacts) -> Photo | None:
        """Return the product's first picture as a small JPEG without metadata; None where there is none to be had."""
        if not facts.image_urls:
            return None
        try:
            async with asyncio.timeout(SECONDS), self._local(user_id, facts.image_urls[0]) as path:
                return await self._small(path)
        except (RemoteFileError, FileRefused, FileMissing, StoreUnavailable, _Unavailable, OSError) as error:
            reason = getattr(error, "code", type(error).__name__)
            log.info("caption_photo.left_out", user_id=str(user_id), reason=reason)
            return None

    @asynccontextmanager
    async def _local(self, user_id: UUID, url: str) -> AsyncIterator[Path]:
        """Lend the picture as a file: a sample, one of the user's own uploads, or fetched from its shop."""
        if (sample := self._own.find(url)) is not None:
            yield sample
            return
        file_id = referenced(url)
        if file_id is not None:
            async with unit_of_work(self._sessions) as uow:
                file = await AssetRepository(uow.session).find_file(file_id)
            if file is None or file.user_id != user_id:
                raise _Unavailable
            async with self._store.local(file.storage_key) as path:
                yield path
            return
        async with temporary_path(self._folder) as path:
            await self._remote.download(url, path, max_bytes=FETCHED_MAX_BYTES)
            yield path

    async def _small(self, path: Path) -> Photo:
        facts = await self._probe.inspect(path)
        if facts["kind"] != "image":
            raise _Unavailable
        async with temporary_path(self._folder) as target:
            await self._probe.convert(path, target, _recipe(facts))
            return Photo(await asyncio.to_thread(target.read_bytes), "image/jpeg")


def _recipe(facts: dict[str, Any]) -> dict[str, Any]:
    width, height = facts["width_px"], facts["height_px"]
    scale = min(1.0, SIDE_PX / max(width, height))
    return {
        "width_px": max(1, round(width * scale)),
        "height_px": max(1, round(height * scale)),
        "fit": "crop",
        "max_bytes": PHOTO_MAX_BYTES,
    }
