"""SQL of short links. Following one is not scoped by a user: everybody may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import LinkDay, ShortLink

AGAIN_AFTER = "30 minutes"
"""A visitor who follows a link again within this time is counted once."""
_VISIT = text(f"""
INSERT INTO link_visitors (link_id, visitor_hash, seen_at) VALUES (:link_id, :visitor_hash, :at)
ON CONFLICT (link_id, visitor_hash) DO UPDATE SET seen_at = EXCLUDED.seen_at
WHERE link_visitors.seen_at < CAST(:at AS timestamptz) - interval '{AGAIN_AFTER}'
RETURNING 1
""")  # noqa: S608 - a fixed interval
_CLICK = text("""
WITH day AS (
    INSERT INTO link_days (link_id, day, clicks) VALUES (:link_id, :day, 1)
    ON CONFLICT (link_id, day) DO UPDATE SET clicks = link_days.clicks + 1
)
UPDATE short_links SET clicks = clicks + 1, last_clicked_at = :at WHERE id = :link_id
""")


@dataclass(frozen=True)
class NewLink:
    """A code that leads somewhere, to be kept with the post that shows it."""

    code: str
    target_url: str


class LinkRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add_all(self, user_id: UUID, links: Sequence[NewLink], *, post_id: UUID | None) -> None:
        if links:
            values = [
                {
                    "id": new_id(),
                    "user_id": user_id,
                    "post_id": post_id,
                    "code": link.code,
                    "target_url": link.target_url,
                }
                for link in links
            ]
            await self._session.execute(insert(ShortLink), values)

    async def by_code(self, code: str) -> ShortLink | None:
        return await self._session.scalar(select(ShortLink).where(ShortLink.code == code))

    async def find(self, user_id: UUID, link_id: UUID) -> ShortLink | None:
        return await self._session.scalar(
            select(ShortLink).where(ShortLink.id == link_id, ShortLink.user_id == user_id)
        )

    async def list_page(
        self, user_id: UUID, *, post_id: UUID | None, page: int, per_page: int
    ) -> tuple[list[ShortLink], int]:
        """Return one page, newest first, and the total."""
        conditions = [ShortLink.user_id == user_id]
        if post_id is not None:
            conditions.append(ShortLink.post_id == post_id)
        total = await self._session.scalar(select(func.count()).select_from(ShortLink).where(*conditions))
        rows = await self._session.scalars(
            select(ShortLink)
            .where(*conditions)
            .order_by(ShortLink.created_at.desc(), ShortLink.id.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        return list(rows.all()), int(total or 0)

    async def days(self, link_id: UUID) -> list[LinkDay]:
        """Return the days on which a link was followed, oldest first."""
        rows = await self._session.scalars(select(LinkDay).where(LinkDay.link_id == link_id).order_by(LinkDay.day))
        return list(rows.all())

    async def count_click(self, link_id: UUID, visitor_hash: str, *, at: datetime) -> bool:
        """Count a person, unless the same one came a moment ago; returns whether it counted."""
        values: dict[str, Any] = {"link_id": link_id, "visitor_hash": visitor_hash, "at": at}
        if (await self._session.execute(_VISIT, values)).first() is None:
            return False
        day: date = at.date()
        await self._session.execute(_CLICK, {"link_id": link_id, "day": day, "at": at})
        return True

    async def count_bot(self, link_id: UUID) -> None:
        await self._session.execute(
            text("UPDATE short_links SET bot_hits = bot_hits + 1 WHERE id = :link_id"), {"link_id": link_id}
        )
