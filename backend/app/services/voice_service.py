"""How a user's captions are to sound, and what they may cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.brand_voice import Voice, voice_of
from app.repositories.ai_repository import AiRepository, UsageRow
from app.repositories.voice_repository import VoiceRepository
from app.services.ai_ledger import BUDGET_KEY
from app.services.caption_service import VOICE_KEY


@dataclass(frozen=True)
class AiUsage:
    """A month's calls, what counts against the budget, and the budget."""

    rows: list[UsageRow]
    counted_micros: int
    budget_cents: int | None


class VoiceService:
    """Works within the caller's unit of work."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._voices = VoiceRepository(uow.session)
        self._calls = AiRepository(uow.session)

    async def voice(self, user_id: UUID) -> Voice:
        """Return the voice; the defaults for somebody who never said."""
        return voice_of((await self._voices.settings(user_id)).get(VOICE_KEY, {}))

    async def put_voice(self, user_id: UUID, values: dict[str, Any]) -> Voice:
        """Replace the voice."""
        voice = voice_of(values)
        await self._voices.put(user_id, VOICE_KEY, json.dumps(asdict(voice)))
        return voice

    async def usage(self, user_id: UUID, month: date) -> AiUsage:
        """Return what a month has used, by model and outcome."""
        return AiUsage(
            rows=await self._calls.summary(user_id, month),
            counted_micros=await self._calls.spent(str(user_id), month),
            budget_cents=(await self._voices.settings(user_id)).get(BUDGET_KEY),
        )

    async def put_budget(self, user_id: UUID, monthly_cents: int | None) -> None:
        """Set the user's own budget in US cents a month; None removes it."""
        await self._voices.put(user_id, BUDGET_KEY, json.dumps(monthly_cents))
