"""Types that several resources share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


def _with_offset(value: object) -> object:
    """Refuse a time without an offset: it would have to be guessed."""
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("Not a time. Send ISO 8601 with an offset, such as 2026-12-24T09:00:00+01:00") from error
        if parsed.tzinfo is None:
            raise ValueError("The time has no offset. Add one, such as 2026-12-24T09:00:00+01:00 or …Z")
        return parsed
    if isinstance(value, int | float):
        raise ValueError("Not a time. Send ISO 8601 with an offset, such as 2026-12-24T09:00:00+01:00")  # noqa: TRY004
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("This time is out of range") from error


Moment = Annotated[datetime, BeforeValidator(_with_offset), AfterValidator(_to_utc)]
"""A moment sent with its offset, kept in UTC."""


def _storable(value: Any) -> Any:
    """Refuse characters that PostgreSQL cannot keep, however deep they are."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("The text contains a character that cannot be stored")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _storable(name)
            _storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _storable(inner)
    return value


Storable = AfterValidator(_storable)
"""Annotates a text, or JSON with texts in it, that is written to the database or compared there."""


class Body(BaseModel):
    """A request body. Unknown fields are refused, so that a typing mistake is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Read(BaseModel):
    """An answer, read from rows or objects."""

    model_config = ConfigDict(from_attributes=True)
