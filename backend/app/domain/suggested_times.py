"""Times at which a post tends to be seen, where an account's own numbers do not say better yet.

Source for every entry: Sprout Social, "Best times to post on social media in 2023", global engagement in local time,
as reported by Social Media Today (2023-05-10) and, for TikTok, by Sprout Social's own page of 2023-05-08. The first
hour of each span is suggested.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = range(5)

_SPANS: dict[str, dict[int, tuple[int, int]]] = {
    "facebook": {MONDAY: (8, 13), TUESDAY: (8, 14), WEDNESDAY: (8, 13), THURSDAY: (8, 12)},
    "instagram": {MONDAY: (10, 12), TUESDAY: (9, 13), WEDNESDAY: (10, 13), FRIDAY: (9, 11)},
    "tiktok": {TUESDAY: (14, 18), WEDNESDAY: (14, 17), THURSDAY: (15, 17)},
}


@dataclass(frozen=True)
class SuggestedTime:
    """A local time of day and why it is suggested."""

    platform: str
    time: str
    label: str


def spans(platform: str) -> dict[int, tuple[int, int]]:
    """Return the busy hours of a platform by weekday: first and last, local time."""
    return _SPANS.get(platform, {})


def suggested_times(day: date, platforms: list[str]) -> list[SuggestedTime]:
    """Return the times worth trying on a day, in the local time of the account."""
    found = []
    for platform in platforms:
        span = spans(platform).get(day.weekday())
        if span is not None:
            first, last = span
            label = f"Usually busy from {first:02d}:00 to {last:02d}:00"
            found.append(SuggestedTime(platform, f"{first:02d}:00", label))
    return sorted(found, key=lambda item: (item.time, item.platform))
