"""SQL of addresses lent to platforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class Loan:
    token: str
    publication_id: UUID
    source_url: str
    file_name: str
    mime_type: str
    revoked_at: datetime | None


class MediaRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lend(self, *, token: str, publication_id: UUID, source_url: str, file_name: str, mime_type: str) -> None:
        await self._session.execute(
            text("""
            INSERT INTO media_loans (token, publication_id, source_url, file_name, mime_type)
            VALUES (:token, :publication_id, :source_url, :file_name, :mime_type)
            """),
            {
                "token": token,
                "publication_id": publication_id,
                "source_url": source_url,
                "file_name": file_name,
                "mime_type": mime_type,
            },
        )

    async def find_open(self, token: str) -> Loan | None:
        rows = await self._session.execute(
            text("""
            SELECT token, publication_id, source_url, file_name, mime_type, revoked_at FROM media_loans
            WHERE token = :token AND revoked_at IS NULL
            """),
            {"token": token},
        )
        row = rows.first()
        return Loan(*row) if row else None

    async def owner_of(self, publication_id: UUID) -> UUID | None:
        """Return whose publication it is."""
        rows = await self._session.execute(
            text("SELECT user_id FROM publications WHERE id = :id"), {"id": publication_id}
        )
        row = rows.first()
        return row.user_id if row else None

    async def open_among(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these publications exist and have not ended."""
        rows = await self._session.execute(
            text("SELECT id FROM publications WHERE id = ANY(:ids) AND finished_at IS NULL"), {"ids": list(ids)}
        )
        return {row.id for row in rows}

    async def note_fetched(self, token: str) -> bool:
        """Remember that a file was asked for just now; `False` when its loan was revoked meanwhile. Whoever revokes it
        afterwards sees this note."""
        rows = await self._session.execute(
            text("""
            UPDATE media_loans SET fetched_at = clock_timestamp() WHERE token = :token AND revoked_at IS NULL
            RETURNING token
            """),
            {"token": token},
        )
        return rows.first() is not None

    async def revoke(self, publication_id: UUID) -> None:
        await self._session.execute(
            text("UPDATE media_loans SET revoked_at = now() WHERE publication_id = :id AND revoked_at IS NULL"),
            {"id": publication_id},
        )

    async def was_fetched(self, publication_id: UUID) -> bool:
        """Whether a lent file was asked for since the last submission: what was read before belongs to earlier ones,
        of which it is known that they failed."""
        rows = await self._session.execute(
            text("""
            SELECT 1 FROM media_loans l JOIN publications p ON p.id = l.publication_id
            WHERE p.id = :id AND l.fetched_at >= COALESCE(p.submitted_at, '-infinity') LIMIT 1
            """),
            {"id": publication_id},
        )
        return rows.first() is not None
