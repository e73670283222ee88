"""SQL of uploaded files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import MediaAsset, MediaRendition, MediaUpload

USED = """
SELECT EXISTS (
    SELECT 1 FROM posts, unnest(posts.media_urls || (posts.options->>'cover_url')) AS url
    WHERE posts.user_id = :user_id AND (posts.media_urls <> '{{}}' OR posts.options->>'cover_url' IS NOT NULL) {status}
      AND substring(url FROM '/media/files/([0-9a-f-]{{36}})/') = ANY(:ids)
)
"""
OPEN = "AND posts.status IN ('draft', 'scheduled', 'publishing', 'on_hold')"


@dataclass(frozen=True)
class StoredFile:
    """An asset or a rendition that is ready, as posts and platforms know it."""

    id: UUID
    user_id: UUID
    url_name: str
    kind: str
    mime_type: str
    size_bytes: int
    storage_key: str
    facts: dict[str, Any]
    alt_text: str | None


class AssetRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **values: Any) -> MediaAsset:
        rows = await self._session.execute(insert(MediaAsset).values(values).returning(MediaAsset))
        return rows.scalar_one()

    async def find(self, user_id: UUID, asset_id: UUID, *, lock: bool = False) -> MediaAsset | None:
        query = select(MediaAsset).where(MediaAsset.user_id == user_id, MediaAsset.id == asset_id)
        rows = await self._session.execute(query.with_for_update() if lock else query)
        return rows.scalar_one_or_none()

    async def list_page(
        self, user_id: UUID, *, kind: str | None, page: int, per_page: int
    ) -> tuple[list[MediaAsset], int]:
        """Return one page, newest first, and how many there are in all."""
        wanted = [MediaAsset.user_id == user_id, *([MediaAsset.kind == kind] if kind else [])]
        rows = await self._session.execute(
            select(MediaAsset)
            .where(*wanted)
            .order_by(MediaAsset.created_at.desc(), MediaAsset.id.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        total = await self._session.scalar(select(func.count()).select_from(MediaAsset).where(*wanted))
        return list(rows.scalars()), total or 0

    async def change(self, user_id: UUID, asset_id: UUID, **values: Any) -> MediaAsset | None:
        rows = await self._session.execute(
            update(MediaAsset)
            .where(MediaAsset.user_id == user_id, MediaAsset.id == asset_id)
            .values(values)
            .returning(MediaAsset)
            .execution_options(populate_existing=True)
        )
        return rows.scalar_one_or_none()

    async def remove(self, user_id: UUID, asset_id: UUID) -> None:
        """Remove an asset, and the upload that it came by."""
        await self._session.execute(
            delete(MediaUpload).where(MediaUpload.user_id == user_id, MediaUpload.asset_id == asset_id)
        )
        await self._session.execute(delete(MediaAsset).where(MediaAsset.user_id == user_id, MediaAsset.id == asset_id))

    async def is_used(self, user_id: UUID, ids: Sequence[UUID], *, open_only: bool) -> bool:
        """Whether posts name one of these files; with `open_only`, posts that are still to go out."""
        statement = USED.format(status=OPEN if open_only else "")
        found = await self._session.scalar(text(statement), {"user_id": user_id, "ids": [str(one) for one in ids]})
        return bool(found)

    async def use(self, user_id: UUID, ids: Sequence[UUID], now: datetime) -> dict[UUID, StoredFile]:
        """Return an owner's files and note that they are used: from now on they do not expire for a while."""
        found: dict[UUID, StoredFile] = {}
        touched = await self._session.execute(
            update(MediaAsset)
            .where(MediaAsset.user_id == user_id, MediaAsset.id.in_(ids))
            .values(last_used_at=now)
            .returning(*_ASSET)
        )
        found |= {row.id: StoredFile(*row) for row in touched}
        rest = [one for one in ids if one not in found]
        if rest:
            made = await self._session.execute(
                update(MediaRendition)
                .where(
                    MediaRendition.user_id == user_id,
                    MediaRendition.id.in_(rest),
                    MediaRendition.status == "ready",
                    MediaAsset.id == MediaRendition.asset_id,
                )
                .values(last_used_at=now)
                .returning(*_RENDITION)
            )
            found |= {row.id: StoredFile(*row) for row in made}
            of_them = select(MediaRendition.asset_id).where(MediaRendition.id.in_(rest))
            await self._session.execute(
                update(MediaAsset)
                .where(MediaAsset.user_id == user_id, MediaAsset.id.in_(of_them))
                .values(last_used_at=now)
            )
        return found

    async def find_file(self, file_id: UUID) -> StoredFile | None:
        """Return an asset or a finished rendition, whoever owns it: for addresses that were signed."""
        row = (await self._session.execute(select(*_ASSET).where(MediaAsset.id == file_id))).first()
        if row is None:
            made = select(*_RENDITION).join(MediaAsset, MediaAsset.id == MediaRendition.asset_id)
            ready = made.where(MediaRendition.id == file_id, MediaRendition.status == "ready")
            row = (await self._session.execute(ready)).first()
        return StoredFile(*row) if row else None

    # Expiry

    async def expired(self, *, before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
        """Return `(user, asset)` of assets that nobody has used for long; posts may still name them."""
        rows = await self._session.execute(
            select(MediaAsset.user_id, MediaAsset.id)
            .where(MediaAsset.last_used_at < before)
            .order_by(MediaAsset.last_used_at)
            .limit(limit)
        )
        return [(row.user_id, row.id) for row in rows]

    async def remove_if_unused(self, user_id: UUID, asset_id: UUID, *, before: datetime) -> bool:
        """Remove an asset unless it was used meanwhile: a post being written notes that before it is saved."""
        rows = await self._session.execute(
            delete(MediaAsset)
            .where(MediaAsset.user_id == user_id, MediaAsset.id == asset_id, MediaAsset.last_used_at < before)
            .returning(MediaAsset.id)
        )
        return rows.first() is not None

    async def note_kept(self, storage_key: str, *, wait: timedelta) -> None:
        """Note a file before it is stored, so that it goes after a while unless a row names it."""
        await self.note_named(storage_key)
        await self._session.execute(
            text("INSERT INTO media_discards (storage_key, created_at) VALUES (:key, now() + :wait)"),
            {"key": storage_key, "wait": wait},
        )

    async def note_named(self, storage_key: str) -> None:
        """Remove the notes of a file that has its row now."""
        await self._session.execute(text("DELETE FROM media_discards WHERE storage_key = :key"), {"key": storage_key})

    async def discards(self, now: datetime, *, limit: int) -> list[tuple[int, str]]:
        """Return files that have no row, the oldest first."""
        rows = await self._session.execute(
            text("SELECT id, storage_key FROM media_discards WHERE created_at <= :now ORDER BY id LIMIT :limit"),
            {"now": now, "limit": limit},
        )
        return [(row.id, row.storage_key) for row in rows]

    async def forget_discards(self, ids: Sequence[int]) -> None:
        await self._session.execute(text("DELETE FROM media_discards WHERE id = ANY(:ids)"), {"ids": list(ids)})


_ASSET = (
    MediaAsset.id,
    MediaAsset.user_id,
    MediaAsset.url_name,
    MediaAsset.kind,
    MediaAsset.mime_type,
    MediaAsset.size_bytes,
    MediaAsset.storage_key,
    MediaAsset.facts,
    MediaAsset.alt_text,
)
_RENDITION = (
    MediaRendition.id,
    MediaRendition.user_id,
    MediaRendition.url_name,
    MediaAsset.kind,
    MediaRendition.mime_type,
    MediaRendition.size_bytes,
    MediaRendition.storage_key,
    MediaRendition.facts,
    MediaAsset.alt_text,
)
