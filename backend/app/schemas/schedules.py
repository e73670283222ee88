"""What schedule endpoints take and return."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.schemas.common import Body, Read, Storable

LocalTime = time


class SlotBody(Body):
    """A time of every week, or with `until` a window that posts may go out in. Monday is 0."""

    weekday: Annotated[int, Field(ge=0, le=6)]
    time: LocalTime
    until: LocalTime | None = None

    @field_validator("time", "until")
    @classmethod
    def _minutes_of_the_day(cls, value: LocalTime | None) -> LocalTime | None:
        if value is not None and (value.tzinfo is not None or value.second or value.microsecond):
            raise ValueError("A local time of day in hours and minutes, such as 09:30")
        return value

    @model_validator(mode="after")
    def _window_has_an_end(self) -> Self:
        if self.until is not None and self.until < self.time:
            raise ValueError("A window ends on the day it begins: until lies before time. Split it at midnight")
        return self


class PutSchedule(Body):
    """The whole schedule of one account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "timezone": "Europe/Paris",
                    "slots": [{"weekday": 0, "time": "09:00"}],
                    "daily_max": 2,
                    "blackout_dates": ["2030-12-25"],
                }
            ]
        }
    )
    timezone: Annotated[str, StringConstraints(max_length=64), Storable] | None = None
    """Null for the user's own."""
    slots: Annotated[list[SlotBody], Field(max_length=168)] | None = None
    """Null to use suggested times; empty for none."""
    min_spacing_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    daily_max: Annotated[int, Field(ge=1, le=100)] = 3
    blackout_dates: Annotated[list[date], Field(max_length=366)] = Field(default_factory=list)


class SlotRead(Read):
    weekday: int
    time: str
    until: str | None


class ScheduleRead(Read):
    account_id: UUID
    timezone: str
    uses_own_timezone: bool
    slots: list[SlotRead] | None
    min_spacing_minutes: int
    daily_max: int
    blackout_dates: list[date]


class BestTimeRead(Read):
    weekday: int
    time: str
    label: str
    engagement_rate: float | None


class BestTimesRead(Read):
    """`source` is `own` where the account's own posts decided, `default` where there are too few of them."""

    source: str
    posts: int
    posts_needed: int
    timezone: str
    times: list[BestTimeRead]


class FreeSlots(Read):
    timezone: str
    times: list[datetime]
