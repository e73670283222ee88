"""Taking files in: looked at by the child process, put into the store, and written down."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import MediaRefused, MediaTooLarge, StorageFull, StoreAway
from app.kit.ids import new_id
from app.models import MediaAsset
from app.platforms.base import MediaItem
from app.repositories.asset_repository import AssetRepository
from app.repositories.rendition_repository import UploadRepository
from app.storage.addresses import plain_name
from app.storage.inspection.probe import Facts, Probe
from app.storage.refusals import FileRefused
from app.storage.store import Store, StoreUnavailable, discard, second_name

FACTS = frozenset(field.name for field in dataclasses.fields(MediaItem)) - {"url", "kind", "mime_type", "alt_text"}
FILE_NAME_MAX_CHARS = 255
NAMING = timedelta(hours=24)
"""How long a stored file may be without a row: as long as an upload can be finished again."""


class MediaTaking:
    """Makes assets of files that lie on this machine's disk."""

    def __init__(
        self, sessions: Sessions, store: Store, probe: Probe, *, folder: Path, max_bytes: int, free_min_bytes: int
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._probe = probe
        self.folder = folder
        """Where files lie until they are taken."""
        self.max_bytes = max_bytes
        self.free_min_bytes = free_min_bytes

    def require_size(self, size: int) -> None:
        """Raises `MediaTooLarge`, `MediaRefused`."""
        if size > self.max_bytes:
            raise MediaTooLarge(f"The file has {size} bytes, at most {self.max_bytes} are allowed. Make it smaller.")
        if size == 0:
            refused = FileRefused("media_empty")
            raise MediaRefused(refused.code, refused.sentence)

    def require_room(self, size: int = 0) -> None:
        """Raises `StorageFull` when a file of this size would leave too little room on the disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free - size < self.free_min_bytes:
            raise StorageFull

    async def take(self, user_id: UUID, path: Path, *, file_name: str, upload_id: UUID | None = None) -> MediaAsset:
        """Make an asset of a complete file. The file is gone from `path` when it is taken, and not before its row is
        there: after any other failure it can be tried again. An upload's asset has its id, so it is made once.

        Raises `MediaRefused`, `MediaTooLarge`, `StoreAway`."""
        size = (await asyncio.to_thread(path.stat)).st_size
        self.require_size(size)
        facts = await self._inspect(path)
        asset_id = upload_id or new_id()
        url_name = plain_name(file_name, facts["mime_type"])
        key = f"assets/{asset_id.hex[-2:]}/{asset_id}.{url_name.rpartition('.')[2]}"
        async with unit_of_work(self._sessions) as uow:
            await AssetRepository(uow.session).note_kept(key, wait=NAMING)
        try:
            async with second_name(path) as given:
                await self._store.keep(key, given)
        except StoreUnavailable as error:
            raise StoreAway from error
        async with unit_of_work(self._sessions) as uow:
            assets = AssetRepository(uow.session)
            await assets.note_named(key)
            asset = await assets.add(
                id=asset_id,
                user_id=user_id,
                file_name=file_name[:FILE_NAME_MAX_CHARS] or url_name,
                url_name=url_name,
                kind=facts["kind"],
                mime_type=facts["mime_type"],
                size_bytes=size,
                sha256=facts["sha256"],
                storage_key=key,
                facts=kept_facts({**facts, "size_bytes": size}),
            )
            if upload_id is not None:
                await UploadRepository(uow.session).complete(user_id, upload_id, asset_id)
        await asyncio.to_thread(discard, path)
        return asset

    async def _inspect(self, path: Path) -> Facts:
        try:
            return await self._probe.inspect(path)
        except FileRefused as refused:
            raise MediaRefused(refused.code, refused.sentence) from refused


def kept_facts(facts: Facts) -> dict[str, Any]:
    """Return the facts that a `MediaItem` has, beside its kind and type."""
    return {name: value for name, value in facts.items() if name in FACTS}
