"""An owner's uploaded files: listed, described, let go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import MediaInUse, MediaNotFound
from app.kit.clock import Clock
from app.models import MediaAsset, MediaRendition
from app.platforms.base import PlatformAdapter
from app.repositories.asset_repository import AssetRepository
from app.repositories.rendition_repository import RenditionRepository
from app.services.media.renditions import item_of
from app.services.media.verdicts import FileVerdict, judge
from app.storage.addresses import Addresses


@dataclass(frozen=True)
class AssetPage:
    items: list[dict[str, Any]]
    total: int
    page: int
    per_page: int


class MediaLibrary:
    def __init__(
        self, uow: UnitOfWork, adapters: Mapping[str, PlatformAdapter], addresses: Addresses, clock: Clock
    ) -> None:
        self._assets = AssetRepository(uow.session)
        self._renditions = RenditionRepository(uow.session)
        self._adapters = adapters
        self._addresses = addresses
        self._clock = clock

    async def list_page(self, user_id: UUID, *, kind: str | None, page: int, per_page: int) -> AssetPage:
        """Return a page of files, newest first."""
        assets, total = await self._assets.list_page(user_id, kind=kind, page=page, per_page=per_page)
        renditions = await self._renditions.of_assets(user_id, [asset.id for asset in assets])
        items = [self._view(asset, [one for one in renditions if one.asset_id == asset.id]) for asset in assets]
        return AssetPage(items, total, page, per_page)

    async def get(self, user_id: UUID, asset_id: UUID) -> dict[str, Any]:
        """Raises `MediaNotFound`, also for somebody else's."""
        asset = await self._assets.find(user_id, asset_id)
        if asset is None:
            raise MediaNotFound
        return self._view(asset, await self._renditions.of_assets(user_id, [asset_id]))

    async def update(self, user_id: UUID, asset_id: UUID, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change name or description. Posts keep the description they were written with. Raises `MediaNotFound`."""
        if changes and await self._assets.change(user_id, asset_id, **changes) is None:
            raise MediaNotFound
        return await self.get(user_id, asset_id)

    async def delete(self, user_id: UUID, asset_id: UUID) -> None:
        """Remove a file and what was made of it. Raises `MediaNotFound`, `MediaInUse`."""
        if await self._assets.find(user_id, asset_id, lock=True) is None:
            raise MediaNotFound
        made = await self._renditions.of_assets(user_id, [asset_id])
        if await self._assets.is_used(user_id, [asset_id, *(one.id for one in made)], open_only=True):
            raise MediaInUse
        await self._assets.remove(user_id, asset_id)

    def _view(self, asset: MediaAsset, renditions: Sequence[MediaRendition]) -> dict[str, Any]:
        item = item_of(asset)
        verdicts: list[FileVerdict] = judge(self._adapters, item)
        return {
            **vars(item),
            "id": asset.id,
            "file_name": asset.file_name,
            "sha256": asset.sha256,
            "created_at": asset.created_at,
            "last_used_at": asset.last_used_at,
            "url": self._addresses.reference(asset.id, asset.url_name),
            "preview_url": self._addresses.signed(asset.id, asset.url_name, now=self._clock()),
            "verdicts": verdicts,
            "renditions": [self.view_rendition(one) for one in renditions],
        }

    def view_rendition(self, rendition: MediaRendition) -> dict[str, Any]:
        """Return a rendition as its owner sees it; it has addresses once it is ready."""
        is_ready = rendition.status == "ready"
        names = (rendition.id, rendition.url_name)
        facts = {name: rendition.facts.get(name) for name in SHOWN}
        return {
            **facts,
            "id": rendition.id,
            "asset_id": rendition.asset_id,
            "targets": rendition.targets,
            "fit": rendition.fit,
            "status": rendition.status,
            "progress": rendition.progress,
            "error_code": rendition.error_code,
            "error_message": rendition.error_message,
            "mime_type": rendition.mime_type,
            "size_bytes": rendition.size_bytes,
            "url": self._addresses.reference(*names) if is_ready else None,
            "preview_url": self._addresses.signed(*names, now=self._clock()) if is_ready else None,
            "created_at": rendition.created_at,
        }


SHOWN = ("width_px", "height_px", "duration_seconds", "codec", "frame_rate", "audio_codec", "color_space")
