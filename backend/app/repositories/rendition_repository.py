"""SQL of renditions and of resumable uploads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import MediaAsset, MediaRendition, MediaUpload

OPEN = ("pending", "running")


async def lock_user(session: AsyncSession, user_id: UUID) -> None:
    """Let what is counted per user be counted by one transaction at a time."""
    await session.execute(text("SELECT id FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})


class RenditionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **values: Any) -> MediaRendition:
        rows = await self._session.execute(insert(MediaRendition).values(values).returning(MediaRendition))
        return rows.scalar_one()

    async def find(self, user_id: UUID, asset_id: UUID, rendition_id: UUID) -> MediaRendition | None:
        rows = await self._session.execute(
            select(MediaRendition).where(
                MediaRendition.user_id == user_id,
                MediaRendition.asset_id == asset_id,
                MediaRendition.id == rendition_id,
            )
        )
        return rows.scalar_one_or_none()

    async def count_open(self, user_id: UUID) -> int:
        """Return how many are being made for a user or wait for it; whoever else asks for one for this user waits."""
        await lock_user(self._session, user_id)
        found = await self._session.scalar(
            select(func.count())
            .select_from(MediaRendition)
            .where(MediaRendition.user_id == user_id, MediaRendition.status.in_(OPEN))
        )
        return found or 0

    async def find_alike(self, user_id: UUID, asset_id: UUID, recipe: dict[str, Any]) -> MediaRendition | None:
        """Return a rendition that is, or will be, what this recipe makes."""
        rows = await self._session.execute(
            select(MediaRendition)
            .where(
                MediaRendition.user_id == user_id,
                MediaRendition.asset_id == asset_id,
                MediaRendition.recipe == recipe,
                MediaRendition.status != "failed",
            )
            .limit(1)
        )
        return rows.scalar_one_or_none()

    async def of_assets(self, user_id: UUID, asset_ids: Sequence[UUID]) -> list[MediaRendition]:
        """Return the renditions of some assets, oldest first."""
        rows = await self._session.execute(
            select(MediaRendition)
            .where(MediaRendition.user_id == user_id, MediaRendition.asset_id.in_(asset_ids))
            .order_by(MediaRendition.created_at, MediaRendition.id)
        )
        return list(rows.scalars())

    async def claim(self, lease_id: UUID, lease: timedelta) -> tuple[MediaRendition, MediaAsset] | None:
        """Take up the oldest rendition that nobody works on, of whichever user has the fewest in the making and was
        last served the longest ago."""
        other = aliased(MediaRendition)
        of_user = select(func.count()).where(other.user_id == MediaRendition.user_id)
        in_the_making = of_user.where(other.status == "running", other.lease_until > func.now()).scalar_subquery()
        last_served = (
            select(func.max(other.lease_until))
            .where(other.user_id == MediaRendition.user_id, other.tries > 0)
            .scalar_subquery()
        )
        rows = await self._session.execute(
            select(MediaRendition, MediaAsset)
            .join(MediaAsset, MediaAsset.id == MediaRendition.asset_id)
            .where(
                MediaRendition.status.in_(OPEN),
                MediaRendition.lease_until <= func.now(),
            )
            .order_by(in_the_making, last_served.nulls_first(), MediaRendition.lease_until)
            .limit(1)
            .with_for_update(of=MediaRendition, skip_locked=True)
        )
        row = rows.first()
        if row is None:
            return None
        rendition, asset = row
        await self._session.execute(
            update(MediaRendition)
            .where(MediaRendition.user_id == rendition.user_id, MediaRendition.id == rendition.id)
            .values(
                status="running", progress=0, lease_id=lease_id, lease_until=func.now() + lease,
                tries=MediaRendition.tries + 1,
            )
        )  # fmt: skip
        await self._session.refresh(rendition)
        return rendition, asset

    async def change_leased(self, rendition_id: UUID, held: UUID, *, lease: timedelta, **values: Any) -> bool:
        """Write to a rendition while it is ours; `False` when somebody else has taken it up, or it is gone."""
        values["lease_until"] = func.now() + lease
        rows = await self._session.execute(
            update(MediaRendition)
            .where(MediaRendition.id == rendition_id, MediaRendition.lease_id == held)
            .values(values)
            .returning(MediaRendition.id)
        )
        return rows.first() is not None

    async def expired(self, *, before: datetime, limit: int) -> list[tuple[UUID, UUID]]:
        """Return `(user, rendition)` of finished ones that nobody has used for long; posts may still name them."""
        rows = await self._session.execute(
            select(MediaRendition.user_id, MediaRendition.id)
            .where(MediaRendition.last_used_at < before, MediaRendition.status.not_in(OPEN))
            .order_by(MediaRendition.last_used_at)
            .limit(limit)
        )
        return [(row.user_id, row.id) for row in rows]

    async def touch(self, user_id: UUID, rendition_id: UUID, now: datetime) -> None:
        await self._session.execute(
            update(MediaRendition)
            .where(MediaRendition.user_id == user_id, MediaRendition.id == rendition_id)
            .values(last_used_at=now)
        )

    async def remove_if_unused(self, user_id: UUID, rendition_id: UUID, *, before: datetime) -> bool:
        rows = await self._session.execute(
            delete(MediaRendition)
            .where(
                MediaRendition.user_id == user_id,
                MediaRendition.id == rendition_id,
                MediaRendition.last_used_at < before,
            )
            .returning(MediaRendition.id)
        )
        return rows.first() is not None


class UploadRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, **values: Any) -> MediaUpload:
        rows = await self._session.execute(insert(MediaUpload).values(values).returning(MediaUpload))
        return rows.scalar_one()

    async def find(self, user_id: UUID, upload_id: UUID) -> MediaUpload | None:
        rows = await self._session.execute(
            select(MediaUpload).where(MediaUpload.user_id == user_id, MediaUpload.id == upload_id)
        )
        return rows.scalar_one_or_none()

    async def count_open(self, user_id: UUID, now: datetime) -> int:
        """Return how many uploads a user has under way; whoever else begins one for this user waits."""
        await lock_user(self._session, user_id)
        found = await self._session.scalar(
            select(func.count())
            .select_from(MediaUpload)
            .where(MediaUpload.user_id == user_id, MediaUpload.asset_id.is_(None), MediaUpload.expires_at > now)
        )
        return found or 0

    async def complete(self, user_id: UUID, upload_id: UUID, asset_id: UUID) -> None:
        await self._session.execute(
            update(MediaUpload)
            .where(MediaUpload.user_id == user_id, MediaUpload.id == upload_id)
            .values(asset_id=asset_id)
        )

    async def remove(self, user_id: UUID, upload_id: UUID) -> None:
        await self._session.execute(
            delete(MediaUpload).where(MediaUpload.user_id == user_id, MediaUpload.id == upload_id)
        )

    async def remove_expired(self, now: datetime) -> list[UUID]:
        rows = await self._session.execute(
            text("DELETE FROM media_uploads WHERE expires_at < :now RETURNING id"), {"now": now}
        )
        return [row.id for row in rows]
