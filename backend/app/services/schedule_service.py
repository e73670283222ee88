"""Weekly slots of accounts, the hours worth trying, and where the next post finds room."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.unit_of_work import UnitOfWork
from app.domain.best_times import DAYS_BACK, BestTimes, Result, best_times
from app.domain.engagement import engagement_rate
from app.domain.errors import AccountNotFound, FieldError, InvalidRequest
from app.domain.scheduling import Plan, Policy, WeeklySlot, slots_of_times
from app.domain.zones import find_zone
from app.kit.clock import Clock
from app.models import AccountSchedule, SocialAccount
from app.repositories.account_repository import AccountRepository
from app.repositories.schedule_repository import ScheduleRepository
from app.repositories.user_repository import Identity

HORIZON = timedelta(days=60)
"""How far ahead a free slot is looked for unless an end is given."""
PREVIEW_MAX = 50


@dataclass(frozen=True)
class Schedule:
    """How one account posts by itself. `slots` is None where suggested times are used."""

    account_id: UUID
    timezone: str
    own_timezone: str | None
    slots: tuple[WeeklySlot, ...] | None
    min_spacing_minutes: int
    daily_max: int
    blackout_dates: tuple[date, ...]


class ScheduleService:
    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._schedules = ScheduleRepository(uow.session)
        self._accounts = AccountRepository(uow.session)
        self._clock = clock

    async def get(self, user: Identity, account_id: UUID) -> Schedule:
        """Return an account's schedule, the default one before anything was set. Raises `AccountNotFound`."""
        await self._account(user.id, account_id)
        return _read(account_id, user, await self._schedules.find(user.id, account_id))

    async def put(self, user: Identity, account_id: UUID, wanted: Schedule) -> Schedule:
        """Replace an account's schedule. Raises `AccountNotFound`, `InvalidRequest`."""
        await self._account(user.id, account_id)
        if wanted.own_timezone is not None and find_zone(wanted.own_timezone) is None:
            sentence = f"'{wanted.own_timezone}' is not a time zone. Use a name such as Europe/Paris."
            raise InvalidRequest([FieldError(("body", "timezone"), sentence, "unknown_timezone")])
        await self._schedules.put(
            user.id,
            account_id,
            {
                "timezone": wanted.own_timezone,
                "slots": None if wanted.slots is None else [_slot_json(slot) for slot in wanted.slots],
                "min_spacing_minutes": wanted.min_spacing_minutes,
                "daily_max": wanted.daily_max,
                "blackout_dates": sorted(set(wanted.blackout_dates)),
            },
        )
        return await self.get(user, account_id)

    async def best(self, user: Identity, account_id: UUID) -> BestTimes:
        """Return the hours worth trying, and whether the account's own numbers say so. Raises `AccountNotFound`."""
        account = await self._account(user.id, account_id)
        schedule = _read(account_id, user, await self._schedules.find(user.id, account_id))
        return await self._best(user.id, account, zone_named(schedule.timezone))

    async def free(
        self, user: Identity, account_id: UUID, *, after: datetime, until: datetime, count: int
    ) -> list[datetime]:
        """Return the next times at which posts would be put, without taking them. Raises `AccountNotFound`."""
        plan = await self.plan(user, await self._account(user.id, account_id), until=until)
        found: list[datetime] = []
        while len(found) < min(count, PREVIEW_MAX):
            moment = plan.next_free(after=after, until=until)
            if moment is None:
                break
            plan.take(moment)
            found.append(moment)
        return found

    async def plan(self, user: Identity, account: SocialAccount, *, until: datetime) -> Plan:
        """Return where an account has room. Who plans on it holds the account's lane until it is written."""
        schedule = _read(account.id, user, await self._schedules.find(user.id, account.id))
        zone = zone_named(schedule.timezone)
        slots = schedule.slots
        if slots is None:
            best = await self._best(user.id, account, zone)
            slots = slots_of_times([(one.weekday, one.time) for one in best.times])
        spacing = timedelta(minutes=schedule.min_spacing_minutes)
        policy = Policy(slots, zone, spacing, schedule.daily_max, frozenset(schedule.blackout_dates))
        margin = max(spacing, timedelta(days=1))
        taken = await self._schedules.taken(account.id, since=self._clock() - margin, until=until + margin)
        return Plan(policy, taken)

    async def _best(self, user_id: UUID, account: SocialAccount, zone: ZoneInfo) -> BestTimes:
        rows = await self._schedules.results(user_id, account.id, since=self._clock() - timedelta(days=DAYS_BACK))
        results = [Result(row.posted_at, engagement_rate(row._mapping)) for row in rows]
        return best_times(account.platform, results, zone)

    async def _account(self, user_id: UUID, account_id: UUID) -> SocialAccount:
        account = await self._accounts.find(user_id, account_id)
        if account is None:
            raise AccountNotFound
        return account


def zone_named(name: str) -> ZoneInfo:
    """Return a zone, UTC when it is unknown here."""
    return find_zone(name) or ZoneInfo("UTC")


def _read(account_id: UUID, user: Identity, row: AccountSchedule | None) -> Schedule:
    if row is None:
        return Schedule(account_id, user.timezone, None, None, 60, 3, ())
    slots = (
        None
        if row.slots is None
        else tuple(sorted((_slot(slot) for slot in row.slots), key=lambda slot: (slot.weekday, slot.at)))
    )
    return Schedule(
        account_id=account_id,
        timezone=row.timezone or user.timezone,
        own_timezone=row.timezone,
        slots=slots,
        min_spacing_minutes=row.min_spacing_minutes,
        daily_max=row.daily_max,
        blackout_dates=tuple(row.blackout_dates),
    )


def _slot(kept: dict[str, Any]) -> WeeklySlot:
    until = kept.get("until")
    return WeeklySlot(kept["weekday"], time.fromisoformat(kept["time"]), time.fromisoformat(until) if until else None)


def _slot_json(slot: WeeklySlot) -> dict[str, Any]:
    until = {"until": slot.until.isoformat("minutes")} if slot.until else {}
    return {"weekday": slot.weekday, "time": slot.at.isoformat("minutes"), **until}
