"""What can be bought and what it allows: the one place where plans are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

UNLIMITED = -1
CURRENCY = "usd"


@dataclass(frozen=True)
class Plan:
    """One plan. Limits of -1 mean unlimited; prices in US cents a month."""

    tier: str
    name: str
    price_monthly_cents: int
    posts_per_month: int
    platforms_max: int
    accounts_max: int
    captions_per_month: int
    has_auto_schedule: bool
    has_full_analytics: bool
    has_api_access: bool
    has_hashtag_research: bool
    trial_days: int


PLANS = {
    plan.tier: plan
    for plan in (
        Plan("free", "Free", 0, 10, 1, 1, 5, False, False, False, False, 0),
        Plan("pro", "Pro", 2900, 200, 3, 10, UNLIMITED, True, False, False, False, 14),
        Plan("enterprise", "Enterprise", 9900, UNLIMITED, 3, UNLIMITED, UNLIMITED, True, True, True, True, 14),
    )
}


def plan_of(tier: str) -> Plan:
    """Return a plan; an unknown tier gets what everybody has."""
    return PLANS.get(tier, PLANS["free"])


def places(plan: Plan, accounts: Sequence[tuple[UUID, str]]) -> set[UUID]:
    """Return which of a user's accounts (id and platform, the first one first) have no place in a plan."""
    platforms: dict[str, None] = {}
    over: set[UUID] = set()
    kept = 0
    for account_id, platform in accounts:
        has_platform = platform in platforms or len(platforms) < plan.platforms_max
        if has_platform and (plan.accounts_max == UNLIMITED or kept < plan.accounts_max):
            platforms[platform] = None
            kept += 1
        else:
            over.add(account_id)
    return over


def month_after(month: date) -> date:
    """Return the first day of the next month."""
    return (month + timedelta(days=31)).replace(day=1)


def month_of(at: datetime) -> date:
    """Return the first day of the calendar month (UTC) that a moment counts for."""
    return at.astimezone(UTC).date().replace(day=1)
