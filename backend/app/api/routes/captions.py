"""The brand voice, and what writing captions has cost."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import ContainerDep, CurrentUser, VoiceServiceDep
from app.api.problems import problems
from app.domain.brand_voice import TONES, Voice
from app.domain.errors import InvalidRequest, InvalidToken, NotAuthenticated
from app.domain.plans import month_of
from app.schemas.voice import AiUsageRead, AiUsageRow, BudgetBody, VoiceBody, VoiceRead

router = APIRouter(tags=["captions"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.get("/brand-voice", operation_id="brand_voice_get", responses=problems(*SIGNED_IN))
async def get_voice(user: CurrentUser, voices: VoiceServiceDep) -> VoiceRead:
    """Return how captions are to sound; the defaults for a new user."""
    return _shown(await voices.voice(user.id))


@router.put("/brand-voice", operation_id="brand_voice_put", responses=problems(*SIGNED_IN, InvalidRequest))
async def put_voice(body: VoiceBody, user: CurrentUser, voices: VoiceServiceDep) -> VoiceRead:
    """Replace how captions are to sound. Captions that are written already stay as they are."""
    return _shown(await voices.put_voice(user.id, body.model_dump(mode="json")))


def _shown(voice: Voice) -> VoiceRead:
    return VoiceRead.model_validate({**asdict(voice), "tones": TONES})


@router.get("/ai/usage", operation_id="ai_usage_get", responses=problems(*SIGNED_IN, InvalidRequest))
async def get_usage(
    user: CurrentUser,
    voices: VoiceServiceDep,
    container: ContainerDep,
    month: Annotated[str | None, Query(pattern=r"^20\d{2}-(0[1-9]|1[0-2])$", examples=["2026-11"])] = None,
) -> AiUsageRead:
    """Return calls, tokens and cost of a calendar month (UTC), by default this one."""
    first = date.fromisoformat(f"{month}-01") if month else month_of(container.clock())
    usage = await voices.usage(user.id, first)
    model = container.captions.model
    return AiUsageRead(
        month=first.isoformat()[:7],
        writer="template" if model == "template" else "claude",
        model=model,
        calls=sum(row.calls for row in usage.rows),
        input_tokens=sum(row.input_tokens for row in usage.rows),
        output_tokens=sum(row.output_tokens for row in usage.rows),
        cost_micros=sum(row.cost_micros for row in usage.rows),
        unknown_cost_calls=sum(row.unknown_cost_calls for row in usage.rows),
        counted_micros=usage.counted_micros,
        budget_cents=usage.budget_cents,
        items=[AiUsageRow.model_validate(asdict(row)) for row in usage.rows],
    )


@router.put("/ai/budget", operation_id="ai_budget_put", responses=problems(*SIGNED_IN, InvalidRequest))
async def put_budget(
    body: BudgetBody, user: CurrentUser, voices: VoiceServiceDep, container: ContainerDep
) -> AiUsageRead:
    """Set what captions may cost a month at most. Calls that would pass it are not made."""
    await voices.put_budget(user.id, body.monthly_cents)
    return await get_usage(user, voices, container)
