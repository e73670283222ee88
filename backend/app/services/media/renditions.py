"""The one-call fix: asked for by the API, made by a worker, one at a time in each process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import FieldError, InvalidRequest, MediaNotFound, TooManyFixes
from app.domain.vocabulary import MAKE_MEDIA
from app.kit.ids import new_id
from app.models import MediaAsset, MediaRendition
from app.platforms.base import MediaItem, PlatformAdapter
from app.repositories.asset_repository import AssetRepository
from app.repositories.rendition_repository import RenditionRepository
from app.services.media.recipes import Contradiction, Target, plan, reachable
from app.services.media.taking import kept_facts
from app.services.media.verdicts import takes
from app.storage.addresses import plain_name
from app.storage.inspection.probe import Facts, Probe
from app.storage.refusals import FileRefused
from app.storage.store import FileMissing, Store, StoreUnavailable, temporary_path
from app.storage.transcode import Transcode, TranscodeStopped

log = structlog.get_logger()

LEASE = timedelta(seconds=20)
KEEP_SECONDS = 1.0
"""How often the lease is extended and the progress written."""
PUT_OFF = timedelta(seconds=30)
TRIES_MAX = 4
"""A rendition whose makers died this often is given up: it is what kills them."""
LONGEST_ROUND_SECONDS = 60.0
OPEN_MAX = 10
"""How many one user may have in the making or waiting for it."""
RECORD_SECONDS = 60.0
RECORD_PAUSE_SECONDS = 1.0
"""How long, and how often, it is tried to write down what was made: a database that is away does not undo it."""
NAMING = timedelta(days=3)
"""How long a stored file may be without a row that names it: longer than making one takes."""
AWAY = (SQLAlchemyError, OSError)
"""What a database that is away looks like."""


class MediaRenditions:
    def __init__(
        self,
        *,
        sessions: Sessions,
        send: Send,
        adapters: Mapping[str, PlatformAdapter],
        store: Store,
        probe: Probe,
        folder: Path,
    ) -> None:
        self._sessions = sessions
        self._send = send
        self._adapters = adapters
        self._store = store
        self._probe = probe
        self._folder = folder
        self._is_working = False
        self._is_stopping = False
        self._transcode: Transcode | None = None

    # Asked for

    async def request(
        self, user_id: UUID, asset_id: UUID, *, targets: Sequence[tuple[str, str]] | None, fit: str
    ) -> MediaRendition:
        """Ask for a file that satisfies all targets at once; by default every post type that it can be made to fit.

        Asked for twice, it is made once. Raises `MediaNotFound`, `InvalidRequest`, `TooManyFixes`."""
        async with unit_of_work(self._sessions, self._send) as uow:
            renditions = RenditionRepository(uow.session)
            count = await renditions.count_open(user_id)
            asset = await AssetRepository(uow.session).find(user_id, asset_id, lock=True)
            if asset is None:
                raise MediaNotFound
            item = item_of(asset)
            chosen = self._chosen(targets, item) if targets is not None else self._every(item)
            try:
                recipe = plan(item, [target for _, target in chosen], fit)
            except Contradiction as error:
                raise _wrong(error.field, error.sentence, "targets_contradict") from error
            known = await renditions.find_alike(user_id, asset_id, recipe)
            if known is not None:
                return known
            if count >= OPEN_MAX:
                raise TooManyFixes
            made = await renditions.add(
                id=new_id(),
                asset_id=asset_id,
                user_id=user_id,
                url_name=plain_name(asset.url_name, _type(asset.kind)),
                targets=[{"platform": platform, "post_type": known.name} for platform, (_, known) in chosen],
                fit=fit,
                recipe=recipe,
                status="pending",
                mime_type=_type(asset.kind),
            )
            uow.after_commit(MAKE_MEDIA)
            return made

    def _chosen(self, targets: Sequence[tuple[str, str]], item: MediaItem) -> list[tuple[str, Target]]:
        chosen = []
        for index, (platform, post_type) in enumerate(targets):
            rules = self._adapters[platform].publisher.rules
            known = rules.post_types.get(post_type)
            if known is None:
                sentence = (
                    f"{rules.title} has no post type “{post_type}”. Choose one of: {', '.join(rules.post_types)}."
                )
                raise _wrong(f"targets.{index}.post_type", sentence, "unsupported_post_type")
            if not takes(known, item.kind):
                sentence = f"A {post_type.replace('_', ' ')} post on {rules.title} does not take this kind of file."
                raise _wrong(f"targets.{index}.post_type", sentence, "wrong_media_kind")
            chosen.append((platform, (rules, known)))
        return chosen

    def _every(self, item: MediaItem) -> list[tuple[str, Target]]:
        chosen = [
            (platform, (adapter.publisher.rules, known))
            for platform, adapter in self._adapters.items()
            for known in adapter.publisher.rules.post_types.values()
            if takes(known, item.kind) and reachable(item, known)
        ]
        if not chosen:
            raise _wrong("targets", "No post type takes a video of this length. Cut it.", "targets_contradict")
        return chosen

    async def find(self, user_id: UUID, asset_id: UUID, rendition_id: UUID) -> MediaRendition:
        """Raises `MediaNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            found = await RenditionRepository(uow.session).find(user_id, asset_id, rendition_id)
        if found is None:
            raise MediaNotFound
        return found

    # Made

    async def work(self) -> int:
        """Make what was asked for, one after the other, for a minute or so; returns how many were taken up. A second
        call in the same process finds the first one at work."""
        if self._is_working or self._is_stopping:
            return 0
        self._is_working, taken, until = True, 0, time.monotonic() + LONGEST_ROUND_SECONDS
        try:
            while time.monotonic() < until and not self._is_stopping:
                lease_id = new_id()
                async with unit_of_work(self._sessions) as uow:
                    claimed = await RenditionRepository(uow.session).claim(lease_id, LEASE)
                if claimed is None:
                    break
                taken += 1
                await self._make(lease_id, *claimed)
        finally:
            self._is_working = False
        return taken

    async def _make(self, lease_id: UUID, rendition: MediaRendition, asset: MediaAsset) -> None:
        if rendition.tries > TRIES_MAX:
            refused = FileRefused("media_unreadable")
            await self._record(rendition, lease_id, _failed(refused))
            return
        making = asyncio.create_task(self._made(rendition, asset))
        keeping = asyncio.create_task(self._keep(rendition, lease_id, making))
        try:
            changes = await making
        except asyncio.CancelledError:
            if not making.cancelled() or (task := asyncio.current_task()) is None or task.cancelling():
                raise
            changes = {"lease_id": None}  # taken up by somebody else, or its asset is gone
        finally:
            keeping.cancel()
            making.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        await self._record(rendition, lease_id, changes)

    async def _made(self, rendition: MediaRendition, asset: MediaAsset) -> dict[str, Any]:
        """Return what to write down. The file is noted before it is stored: without its record it goes again."""
        key = f"renditions/{rendition.id.hex[-2:]}/{rendition.id}.{rendition.url_name.rpartition('.')[2]}"
        async with unit_of_work(self._sessions) as uow:
            await AssetRepository(uow.session).note_kept(key, wait=NAMING)
        try:
            async with self._store.local(asset.storage_key) as path, temporary_path(self._folder) as target:
                facts = await self._convert(path, asset, target, rendition.recipe)
                size = target.stat().st_size
                await self._store.keep(key, target)
        except FileRefused as refused:
            return _failed(refused)
        except FileMissing:
            return _failed(FileRefused("media_truncated"))
        except TranscodeStopped:  # this process ends: that is not the file's fault
            return {"status": "pending", "lease_id": None, "tries": rendition.tries - 1}
        except (StoreUnavailable, OSError) as error:
            log.warning("rendition.put_off", rendition_id=str(rendition.id), error=type(error).__name__)
            is_try = isinstance(error, TimeoutError)  # it took too long; all else is not the file's fault
            tries = rendition.tries if is_try else rendition.tries - 1
            return {"status": "pending", "lease_id": None, "lease": PUT_OFF, "tries": tries}
        return {
            "status": "ready", "progress": 100, "storage_key": key, "size_bytes": size, "lease_id": None,
            "mime_type": facts["mime_type"], "facts": kept_facts({**facts, "size_bytes": size}),
        }  # fmt: skip

    async def _convert(self, path: Path, asset: MediaAsset, target: Path, recipe: dict[str, Any]) -> Facts:
        if asset.kind == "image":
            return await self._probe.convert(path, target, recipe)
        transcode = self._transcode = Transcode(path, asset.mime_type, target, recipe)
        try:
            async with asyncio.timeout(transcode.seconds_max):
                await transcode.run()
        finally:
            transcode.stop()
            self._transcode = None
        return await self._probe.inspect(target)

    async def _keep(self, rendition: MediaRendition, lease_id: UUID, making: asyncio.Task[dict[str, Any]]) -> None:
        """Extend the lease and write the progress; end the work when it is no longer ours."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            progress = self._transcode.progress if self._transcode else 0
            try:
                is_ours = await self._write(rendition, lease_id, progress=progress, lease=LEASE)
            except AWAY as error:
                log.warning("rendition.not_kept", rendition_id=str(rendition.id), error=type(error).__name__)
                continue
            if not is_ours:
                making.cancel()
                return

    async def _record(self, rendition: MediaRendition, held: UUID, changes: dict[str, Any]) -> None:
        """Write down what became of it, as soon as the database is there. It is nobody's when it stays away, or when
        somebody else has taken it up, or it is gone."""
        until = time.monotonic() + RECORD_SECONDS
        while True:
            try:
                await self._write(rendition, held, **changes)
            except AWAY as error:
                if time.monotonic() > until or self._is_stopping:
                    raise
                log.warning("rendition.not_recorded", rendition_id=str(rendition.id), error=type(error).__name__)
                await asyncio.sleep(RECORD_PAUSE_SECONDS)
            else:
                return

    async def _write(
        self, rendition: MediaRendition, held: UUID, *, lease: timedelta = timedelta(), **changes: Any
    ) -> bool:
        async with unit_of_work(self._sessions) as uow:
            renditions = RenditionRepository(uow.session)
            is_ours = await renditions.change_leased(rendition.id, held, lease=lease, **changes)
            if is_ours and "storage_key" in changes:
                await AssetRepository(uow.session).note_named(changes["storage_key"])
            return is_ours

    async def stop(self) -> None:
        """Hand back what is being made: another worker begins it anew."""
        self._is_stopping = True
        if self._transcode is not None:
            self._transcode.stop()


def _failed(refused: FileRefused) -> dict[str, Any]:
    return {"status": "failed", "error_code": refused.code, "error_message": refused.sentence, "lease_id": None}


def _type(kind: str) -> str:
    return "image/jpeg" if kind == "image" else "video/mp4"


def _wrong(field: str, sentence: str, code: str) -> InvalidRequest:
    path = [int(part) if part.isdigit() else part for part in field.split(".")]
    return InvalidRequest([FieldError(("body", *path), sentence, code)])


def item_of(asset: MediaAsset, url: str = "") -> MediaItem:
    """Return an asset as platforms know it."""
    return MediaItem(
        url=url, kind=asset.kind, mime_type=asset.mime_type, alt_text=asset.alt_text, **kept_facts(asset.facts)
    )
