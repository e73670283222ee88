"""What will not work later, said while something can still be done about it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def access_forecast(name: str, ends_at: datetime, posts: int, *, now: datetime, zone: ZoneInfo) -> str:
    """Return the sentence for an account whose access ends; the day is that of the owner's time zone."""
    local = ends_at.astimezone(zone)
    day = f"{local:%A}, {local.day} {local:%B %Y}"
    if ends_at <= now:
        return f"Access to {name} has ended. Connect the account again."
    if posts == 0:
        return f"Access to {name} ends on {day} ({zone.key}). Connect the account again before then."
    what = "one scheduled post" if posts == 1 else f"{posts} scheduled posts"
    return f"Access to {name} ends on {day} ({zone.key}): {what} after that cannot go out. Connect the account again."
