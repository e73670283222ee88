"""How lively a post is."""

from collections.abc import Mapping


def engagement_rate(numbers: Mapping[str, int | None]) -> float:
    """Return (likes + comments + shares) / impressions × 100, rounded to two places; 0 where impressions is 0."""
    impressions = numbers.get("impressions") or 0
    if impressions <= 0:
        return 0.0
    actions = sum(numbers.get(name) or 0 for name in ("likes", "comments", "shares"))
    return round(actions / impressions * 100, 2)


def known_engagement_rate(numbers: Mapping[str, int | None]) -> float | None:
    """Return the same, or `None` where impressions, or all of the actions, are not known or there were none to see."""
    actions = [numbers.get(name) for name in ("likes", "comments", "shares")]
    if not numbers.get("impressions") or all(value is None for value in actions):
        return None
    return engagement_rate(numbers)
