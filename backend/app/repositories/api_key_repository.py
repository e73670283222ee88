"""SQL of API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ApiKey


@dataclass(frozen=True)
class KeyHolder:
    """A key that was presented, and whose it is."""

    id: UUID
    user_id: UUID
    scopes: list[str]
    last_used_at: datetime | None


class ApiKeyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, key: ApiKey) -> None:
        self._session.add(key)
        await self._session.flush()
        await self._session.refresh(key)

    async def list_of(self, user_id: UUID) -> list[ApiKey]:
        """Return a user's keys, the newest first, those that were taken back included."""
        rows = await self._session.scalars(
            select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
        )
        return list(rows)

    async def count_active(self, user_id: UUID) -> int:
        statement = text("SELECT count(*) FROM api_keys WHERE user_id = :user_id AND is_active")
        return int(await self._session.scalar(statement, {"user_id": user_id}) or 0)

    async def find_by_hash(self, key_hash: str, *, now: datetime) -> KeyHolder | None:
        """Return the key that works now, by its digest."""
        row = (
            await self._session.execute(
                select(ApiKey.id, ApiKey.user_id, ApiKey.scopes, ApiKey.last_used_at).where(
                    ApiKey.key_hash == key_hash,
                    ApiKey.is_active,
                    (ApiKey.expires_at.is_(None)) | (ApiKey.expires_at > now),
                )
            )
        ).first()
        return KeyHolder(row.id, row.user_id, list(row.scopes), row.last_used_at) if row else None

    async def note_use(self, key_id: UUID, *, at: datetime) -> None:
        await self._session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=at))

    async def revoke(self, user_id: UUID, key_id: UUID) -> str | None:
        """Take a key back and return its name; `None` for an unknown one. Twice is the same as once."""
        row = await self._session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, ApiKey.user_id == user_id)
            .values(is_active=False)
            .returning(ApiKey.name)
        )
        return row.scalar_one_or_none()

    async def revoke_provisioned(self, user_id: UUID) -> None:
        """Take back the key that the integrating platform holds."""
        await self._session.execute(
            update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.is_provisioned).values(is_active=False)
        )
