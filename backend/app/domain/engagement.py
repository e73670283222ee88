"""How lively a post is."""

from collections.abc import Mapping


def engagement_rate(numbers: Mapping[str, int | None]) -> float:
    """Return (likes + comments + shares) / impressions × 100, rounded to two places; 0 where impressions is 0."""
    impressions = numbers.get("impressions") or 0
    if impressions <= 0:
        return 0.0
    actions = sum(numbers.get(name) or 0 for name in ("likes", "comments", "shares"))
    return round(actions / impressions * 100, 2)
