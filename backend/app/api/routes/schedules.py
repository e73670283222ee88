"""When accounts post by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.api.deps import ContainerDep, CurrentUser, ScheduleServiceDep
from app.api.problems import problems
from app.domain.errors import AccountNotFound, InvalidRequest, InvalidToken, NotAuthenticated
from app.domain.scheduling import WeeklySlot
from app.schemas.common import Moment
from app.schemas.schedules import BestTimeRead, BestTimesRead, FreeSlots, PutSchedule, ScheduleRead, SlotRead
from app.services.schedule_service import HORIZON, PREVIEW_MAX, Schedule

router = APIRouter(prefix="/accounts/{account_id}", tags=["schedules"])
PROBLEMS = (NotAuthenticated, InvalidToken, AccountNotFound)
LONGEST_LOOK = timedelta(days=366)


@router.get("/schedule", operation_id="schedule_get", responses=problems(*PROBLEMS))
async def get_schedule(account_id: UUID, user: CurrentUser, schedules: ScheduleServiceDep) -> ScheduleRead:
    """Return an account's weekly slots, its spacing, its daily limit and its days off."""
    return _read(await schedules.get(user, account_id))


@router.put("/schedule", operation_id="schedule_put", responses=problems(*PROBLEMS, InvalidRequest))
async def put_schedule(
    account_id: UUID, body: PutSchedule, user: CurrentUser, schedules: ScheduleServiceDep
) -> ScheduleRead:
    """Replace an account's schedule. Posts that are planned already keep their times."""
    slots = None
    if body.slots is not None:
        slots = tuple(
            {(one.weekday, one.time): WeeklySlot(one.weekday, one.time, one.until) for one in body.slots}.values()
        )
    wanted = Schedule(
        account_id=account_id,
        timezone=body.timezone or user.timezone,
        own_timezone=body.timezone,
        slots=slots,
        min_spacing_minutes=body.min_spacing_minutes,
        daily_max=body.daily_max,
        blackout_dates=tuple(body.blackout_dates),
    )
    return _read(await schedules.put(user, account_id, wanted))


@router.get("/suggested-times", operation_id="schedule_suggested_times", responses=problems(*PROBLEMS))
async def suggested_times(account_id: UUID, user: CurrentUser, schedules: ScheduleServiceDep) -> BestTimesRead:
    """Return the hours of the week worth trying: the account's own best ones once it has enough measured posts,
    documented defaults before."""
    schedule = await schedules.get(user, account_id)
    best = await schedules.best(user, account_id)
    return BestTimesRead(
        source=best.source,
        posts=best.posts,
        posts_needed=best.posts_needed,
        timezone=schedule.timezone,
        times=[BestTimeRead.model_validate(one) for one in best.times],
    )


@router.get("/free-slots", operation_id="schedule_free_slots", responses=problems(*PROBLEMS, InvalidRequest))
async def free_slots(
    account_id: UUID,
    user: CurrentUser,
    schedules: ScheduleServiceDep,
    container: ContainerDep,
    after: Moment | None = None,
    until: Moment | None = None,
    count: Annotated[int, Query(ge=1, le=PREVIEW_MAX)] = 5,
) -> FreeSlots:
    """Return the next times at which posts would be put. Nothing is reserved."""
    now = container.clock()
    begin = max(after or now, now)
    end = min(until or begin + HORIZON, begin + LONGEST_LOOK)
    schedule = await schedules.get(user, account_id)
    times = await schedules.free(user, account_id, after=begin, until=end, count=count)
    return FreeSlots(timezone=schedule.timezone, times=times)


def _read(schedule: Schedule) -> ScheduleRead:
    slots = None
    if schedule.slots is not None:
        slots = [
            SlotRead(
                weekday=slot.weekday,
                time=slot.at.isoformat("minutes"),
                until=slot.until.isoformat("minutes") if slot.until else None,
            )
            for slot in schedule.slots
        ]
    return ScheduleRead(
        account_id=schedule.account_id,
        timezone=schedule.timezone,
        uses_own_timezone=schedule.own_timezone is not None,
        slots=slots,
        min_spacing_minutes=schedule.min_spacing_minutes,
        daily_max=schedule.daily_max,
        blackout_dates=list(schedule.blackout_dates),
    )
