"""When the next post of an account may go out: weekly slots in local time, spacing, daily caps, days off."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

STEP = timedelta(minutes=5)
"""Within a window, times are multiples of this after its beginning."""


@dataclass(frozen=True, order=True)
class WeeklySlot:
    """A time of every week, or a window that a post may go out in. Local wall time; Monday is 0."""

    weekday: int
    at: time
    until: time | None = None
    """Last moment of the window, on the same day; None for one exact time."""


@dataclass(frozen=True)
class Policy:
    """How an account wants its posts spread."""

    slots: tuple[WeeklySlot, ...]
    zone: ZoneInfo
    min_spacing: timedelta = timedelta(hours=1)
    daily_max: int = 3
    days_off: frozenset[date] = field(default_factory=frozenset)


def moment_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return a local time of a day in UTC. One that daylight saving skips moves forward by the hour that is missing;
    of one that comes twice, it is the first."""
    local = datetime.combine(day, at, tzinfo=zone)
    return local.astimezone(UTC)


def windows(policy: Policy, *, after: datetime, until: datetime) -> Iterator[tuple[date, datetime, datetime]]:
    """Give every slot that ends after `after` and begins by `until`: its local day, first and last moment, in order."""
    day = after.astimezone(policy.zone).date()
    last = until.astimezone(policy.zone).date()
    while day <= last:
        if day not in policy.days_off:
            found = [
                (moment_of(day, slot.at, policy.zone), moment_of(day, slot.until or slot.at, policy.zone))
                for slot in policy.slots
                if slot.weekday == day.weekday()
            ]
            for first, end in sorted(found):
                if end > after and first <= until:
                    yield day, first, max(first, end)
        day += timedelta(days=1)


class Plan:
    """The times an account's posts have, and where there is room for another."""

    def __init__(self, policy: Policy, taken: Iterable[datetime]) -> None:
        self._policy = policy
        self._taken = sorted(moment.astimezone(UTC) for moment in taken)
        self._per_day = Counter(self._day_of(moment) for moment in self._taken)

    def _day_of(self, moment: datetime) -> date:
        return moment.astimezone(self._policy.zone).date()

    def next_free(self, *, after: datetime, until: datetime) -> datetime | None:
        """Return the first moment later than `after`, at the latest `until`, that lies in a slot, keeps its distance
        from every other post and does not make the day too full; None when there is none."""
        for day, first, end in windows(self._policy, after=after, until=until):
            if self._per_day[day] >= self._policy.daily_max:
                continue
            moment = self._within(first, min(end, until), after)
            if moment is not None and self._day_of(moment) == day:
                return moment
        return None

    def _within(self, first: datetime, end: datetime, after: datetime) -> datetime | None:
        moment = first
        while moment <= end:
            clash = self._clash(moment)
            if moment > after and clash is None:
                return moment
            earliest = after + timedelta(microseconds=1) if clash is None else clash + self._policy.min_spacing
            steps = max(1, -(-(earliest - first) // STEP) - (moment - first) // STEP)
            moment += steps * STEP
        return None

    def _clash(self, moment: datetime) -> datetime | None:
        """Return the latest post that is too near."""
        spacing = self._policy.min_spacing
        index = bisect_left(self._taken, moment + spacing)
        if index and self._taken[index - 1] > moment - spacing:
            return self._taken[index - 1]
        return None

    def take(self, moment: datetime) -> None:
        """Note a post at a moment."""
        insort(self._taken, moment)
        self._per_day[self._day_of(moment)] += 1


def slots_of_times(times: Sequence[tuple[int, str]]) -> tuple[WeeklySlot, ...]:
    """Make exact weekly slots of (weekday, "HH:MM")."""
    return tuple(sorted(WeeklySlot(weekday, time.fromisoformat(at)) for weekday, at in times))
