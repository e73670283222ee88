"""Captions for a product on its platforms, in its shop's voice, by whichever writer this installation has."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from uuid import UUID

from app.captions.base import Brief, CaptionWriter, Room, Written
from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.brand_voice import Voice, voice_of
from app.domain.products import ProductFacts
from app.platforms.base import PlatformAdapter
from app.platforms.limits import PlatformRules
from app.repositories.voice_repository import VoiceRepository
from app.services.ai_ledger import AiBooks
from app.services.product_photos import ProductPhotos

HASHTAGS_MAX = 30
"""Where a platform names no limit."""
VOICE_KEY = "voice"


class CaptionService:
    """One per process. No transaction is open while a writer works."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        writer: CaptionWriter,
        books: AiBooks,
        photos: ProductPhotos,
        concurrency: int,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._writer = writer
        self._books = books
        self._photos = photos
        self._turns = asyncio.Semaphore(concurrency)

    @property
    def model(self) -> str:
        """Who writes: a model's name, or `template`."""
        return self._writer.model

    async def voice(self, user_id: UUID) -> Voice:
        """Return how a user's captions are to sound; the defaults for somebody who never said."""
        async with unit_of_work(self._sessions) as uow:
            settings = await VoiceRepository(uow.session).settings(user_id)
        return voice_of(settings.get(VOICE_KEY, {}))

    async def write(
        self,
        user_id: UUID,
        facts: ProductFacts,
        platforms: Sequence[str],
        *,
        tone: str | None = None,
        instruction: str | None = None,
        previous: Mapping[str, str] | None = None,
        item_id: UUID | None = None,
        purpose: str,
        variety: int = 0,
    ) -> Written:
        """Write for all platforms at once; `tone` is the voice's own by default. Raises `CaptionError`."""
        ledger = self._books.ledger(user_id, purpose=purpose, item_id=item_id)
        async with self._turns:
            brief = await self._brief(user_id, facts, platforms, tone, instruction, previous or {}, variety)
            return await self._writer.write(brief, ledger)

    async def stream(
        self,
        user_id: UUID,
        facts: ProductFacts,
        platforms: Sequence[str],
        *,
        tone: str | None = None,
        instruction: str | None = None,
        previous: Mapping[str, str] | None = None,
        item_id: UUID | None = None,
        purpose: str,
        variety: int = 0,
    ) -> AsyncGenerator[str | Written]:
        """Give the text as it is written, piece by piece, and what came of it last. Raises `CaptionError`."""
        ledger = self._books.ledger(user_id, purpose=purpose, item_id=item_id)
        async with self._turns:
            brief = await self._brief(user_id, facts, platforms, tone, instruction, previous or {}, variety)
            async with aclosing(self._writer.stream(brief, ledger)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _brief(
        self,
        user_id: UUID,
        facts: ProductFacts,
        platforms: Sequence[str],
        tone: str | None,
        instruction: str | None,
        previous: Mapping[str, str],
        variety: int,
    ) -> Brief:
        voice = await self.voice(user_id)
        photo = await self._photos.photo(user_id, facts) if self._writer.looks_at_photos else None
        return Brief(
            facts=facts,
            rooms=tuple(
                room_of(name, self._adapters[name].publisher.rules)
                for name in dict.fromkeys(platforms)
                if name in self._adapters
            ),
            voice=voice,
            tone=tone or voice.tone,
            instruction=instruction,
            previous=previous,
            photo=photo,
            user_key=hashlib.sha256(f"captions:{user_id}".encode()).hexdigest()[:32],
            variety=variety,
        )

    async def aclose(self) -> None:
        await self._writer.aclose()


def room_of(platform: str, rules: PlatformRules) -> Room:
    """Return what a platform leaves a caption: enough for every one of its post types that shows a text."""
    return Room(
        platform=platform,
        text_max=min(kind.text_max for kind in rules.post_types.values() if kind.text_max),
        text_unit=rules.text_unit,
        hashtags_max=HASHTAGS_MAX if rules.hashtags_max is None else rules.hashtags_max,
        hashtags_inline=rules.hashtags_inline,
    )
