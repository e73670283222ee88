"""SQL of calls to the provider and of what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ALL = "all"
"""The scope of the whole installation."""

_RESERVE = text("""
INSERT INTO ai_spend (scope, month, micros)
SELECT :scope, :month, CAST(:micros AS bigint)
WHERE CAST(:limit AS bigint) = 0 OR CAST(:micros AS bigint) <= CAST(:limit AS bigint)
ON CONFLICT (scope, month) DO UPDATE SET micros = ai_spend.micros + EXCLUDED.micros
WHERE CAST(:limit AS bigint) = 0 OR ai_spend.micros + EXCLUDED.micros <= CAST(:limit AS bigint)
RETURNING micros
""")
_BEGIN = text("""
INSERT INTO ai_calls (id, user_id, item_id, purpose, model, month, reserved_micros, started_at)
VALUES (:id, :user_id, (SELECT id FROM content_queue WHERE id = :item_id), :purpose, :model, :month, :micros, :at)
""")
_SETTLE = text("""
UPDATE ai_calls
SET outcome = :outcome, http_status = :http_status, error_type = :error_type, stop_reason = :stop_reason,
    request_id = :request_id, input_tokens = :input_tokens, output_tokens = :output_tokens,
    cache_creation_input_tokens = :cache_creation_input_tokens, cache_read_input_tokens = :cache_read_input_tokens,
    thinking_tokens = :thinking_tokens, service_tier = :service_tier, cost_micros = :cost, duration_ms = :duration_ms
WHERE id = :id AND (outcome IS NULL OR outcome = 'lost')
RETURNING user_id, month, coalesce(reserved_micros, 0) AS reserved
""")
_CORRECT = text(
    "UPDATE ai_spend SET micros = greatest(micros + CAST(:change AS bigint), 0) WHERE scope = :scope AND month = :month"
)
_MODEL = text("SELECT model FROM ai_calls WHERE id = :id")
_LOSE = text("UPDATE ai_calls SET outcome = 'lost' WHERE outcome IS NULL AND started_at < :before")
_SUMMARY = text("""
SELECT model, coalesce(outcome, 'open') AS outcome, count(*) AS calls,
       sum(input_tokens + cache_creation_input_tokens + cache_read_input_tokens) AS input_tokens,
       sum(output_tokens) AS output_tokens, sum(cache_read_input_tokens) AS cache_read_input_tokens,
       sum(thinking_tokens) AS thinking_tokens, coalesce(sum(cost_micros), 0) AS cost_micros,
       count(*) FILTER (WHERE cost_micros IS NULL) AS unknown_cost_calls
FROM ai_calls WHERE user_id = :user_id AND month = :month
GROUP BY 1, 2 ORDER BY 1, 2
""")
_SPENT = text("SELECT coalesce(max(micros), 0) FROM ai_spend WHERE scope = :scope AND month = :month")


@dataclass(frozen=True)
class UsageRow:
    """What the calls of one model that ended in one way add up to."""

    model: str
    outcome: str
    calls: int
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    thinking_tokens: int
    cost_micros: int
    unknown_cost_calls: int


class AiRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def reserve(self, scope: str, month: date, micros: int, *, limit: int) -> bool:
        """Add to a month's spend unless a limit (0 for none) would be passed; exact however many ask at once."""
        values = {"scope": scope, "month": month, "micros": micros, "limit": limit}
        return (await self._session.execute(_RESERVE, values)).first() is not None

    async def begin(
        self,
        *,
        call_id: UUID,
        user_id: UUID,
        item_id: UUID | None,
        purpose: str,
        model: str,
        month: date,
        micros: int | None,
        at: datetime,
    ) -> None:
        """Note a call before it is made. An item that is gone is left out."""
        values = {"user_id": user_id, "item_id": item_id, "purpose": purpose, "model": model, "month": month}
        await self._session.execute(_BEGIN, {**values, "id": call_id, "micros": micros, "at": at})

    async def model_of(self, call_id: UUID) -> str:
        return str(await self._session.scalar(_MODEL, {"id": call_id}))

    async def settle(self, call_id: UUID, values: Mapping[str, Any], *, keeps_reserved: bool) -> bool:
        """Write down how a call ended and put its cost in the place of what was held back. False when that was done
        before, and then nothing changes. A call given up as lost is still settled when its answer comes."""
        row = (await self._session.execute(_SETTLE, {**values, "id": call_id})).first()
        if row is None:
            return False
        change = 0 if keeps_reserved else (values["cost"] or 0) - row.reserved
        if change:
            for scope in (str(row.user_id), ALL):
                await self._session.execute(_CORRECT, {"scope": scope, "month": row.month, "change": change})
        return True

    async def lose(self, before: datetime) -> int:
        """Give up calls that began before then and never ended; what was held back for them stays counted."""
        result = await self._session.execute(_LOSE, {"before": before})
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def summary(self, user_id: UUID, month: date) -> list[UsageRow]:
        rows = await self._session.execute(_SUMMARY, {"user_id": user_id, "month": month})
        return [UsageRow(*row[:2], *(int(value) for value in row[2:])) for row in rows]

    async def spent(self, scope: str, month: date) -> int:
        """Return a month's spend in millionths of a US dollar, with what is held back for calls under way."""
        return int(await self._session.scalar(_SPENT, {"scope": scope, "month": month}) or 0)
