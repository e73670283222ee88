"""What is used up of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time

from fastapi import APIRouter

from app.api.deps import ContainerDep, CurrentUser, ReadingUow
from app.api.problems import problems
from app.domain.errors import InvalidToken, NotAuthenticated
from app.domain.plans import month_after, month_of
from app.schemas.usage import UsageMetricRead, UsageRead
from app.services.entitlements import Entitlements, Used

router = APIRouter(prefix="/usage", tags=["usage"])


@router.get("", operation_id="usage_get", responses=problems(NotAuthenticated, InvalidToken))
async def get_usage(user: CurrentUser, uow: ReadingUow, container: ContainerDep) -> UsageRead:
    """Return what is used up of the plan in this calendar month (UTC)."""
    used = await Entitlements(uow, container.clock).used(user.id)
    return usage_read(user.plan, used, container.clock())


def usage_read(plan: str, used: Sequence[Used], now: datetime) -> UsageRead:
    """Return what is used up of a plan in the month of `now`."""
    month = month_of(now)
    return UsageRead(
        plan=plan,
        period_start=datetime.combine(month, time(), UTC),
        period_end=datetime.combine(month_after(month), time(), UTC),
        metrics=[UsageMetricRead.model_validate(one) for one in used],
    )
