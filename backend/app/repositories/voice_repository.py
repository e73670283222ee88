"""SQL of brand voices. Every query is scoped by `user_id`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import BrandVoice

_PUT = text("""
INSERT INTO brand_voices (user_id, settings)
VALUES (:user_id, jsonb_build_object(CAST(:key AS text), CAST(:value AS jsonb)))
ON CONFLICT (user_id) DO UPDATE
SET settings = brand_voices.settings || EXCLUDED.settings, updated_at = now()
""")


class VoiceRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def settings(self, user_id: UUID) -> dict[str, Any]:
        """Return what a user has set; empty for a new one."""
        row = await self._session.get(BrandVoice, user_id)
        return dict(row.settings) if row else {}

    async def put(self, user_id: UUID, key: str, value: str) -> None:
        """Set one part of a user's settings, given as JSON, and leave the others."""
        await self._session.execute(_PUT, {"user_id": user_id, "key": key, "value": value})
