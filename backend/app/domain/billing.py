"""What a purchase means for the plan in effect. Pure rules: what the provider says goes in, our row comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.plans import PLANS

STRIPE = "stripe"
"""Mode of a subscription that the payment provider keeps."""
TEST = "test"
"""Mode of a subscription of an installation without a payment provider: nobody pays for it."""
GRANTED = "granted"
"""Mode of a subscription that whoever runs PostPilot gave away: nobody pays for it."""

NONE = "none"
"""Status of somebody whom the payment provider knows, but who has bought nothing."""
CANCELED = "canceled"
PAST_DUE = "past_due"
FREE = "free"

GRANTING = frozenset({"trialing", "active", PAST_DUE})
"""Statuses in which a subscription gives its plan. Source: stripe.md §8."""
NOT_ENDED = GRANTING | {"incomplete", "unpaid", "paused"}
"""Statuses in which there is something to change, to pay or to cancel."""
ENDED = frozenset({CANCELED, "incomplete_expired", NONE})
"""Statuses in which nothing is left to change."""

GRACE = timedelta(days=7)
"""How long a plan is kept after a payment has failed. The same time stands in `user_repository.py`."""

_UNKNOWN = 3
"""Rank of a status that nobody knows yet: more than one that gives nothing, less than one that gives a plan."""
_RANK = {"active": 6, "trialing": 5, PAST_DUE: 4, "unpaid": 2, "paused": 2, "incomplete": 1}
_RANK |= dict.fromkeys(ENDED, 0)


@dataclass(frozen=True)
class Bought:
    """One subscription, as the payment provider tells it."""

    id: str
    customer_id: str
    status: str
    price_id: str
    plan: str | None
    """`None` where the price is not known here."""
    created_at: datetime
    period_start: datetime | None
    period_end: datetime | None
    cancels_at: datetime | None
    trial_ends_at: datetime | None
    unpaid_since: datetime | None
    """When the invoice was made that is not paid yet."""
    invoice_url: str | None
    user_ref: str | None
    """Our id of its owner, as the provider kept it for us."""
    cancels_by_flag: bool = False
    """Whether it is the flag `cancel_at_period_end` that ends it, rather than a date."""


@dataclass(frozen=True)
class Held:
    """What our row says of a user's subscription."""

    plan: str
    """The plan in effect: free where the status gives none."""
    status: str
    mode: str
    external_customer_id: str | None = None
    external_subscription_id: str | None = None
    price_id: str | None = None
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    cancels_at: datetime | None = None
    trial_ends_at: datetime | None = None
    past_due_since: datetime | None = None
    invoice_url: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether it has not ended."""
        return self.status not in ENDED

    @property
    def is_bought(self) -> bool:
        """Whether the payment provider keeps it, and it has not ended."""
        return self.mode == STRIPE and self.is_current


@dataclass(frozen=True)
class Verdict:
    """What to write, `None` for nothing, and what whoever runs PostPilot has to know."""

    held: Held | None
    alerts: tuple[str, ...] = ()
    has_trial: bool = False


def choose(found: Sequence[Bought]) -> Bought | None:
    """Return the subscription that counts: one that is paid before one that is not, then the newest."""
    return max(found, key=lambda one: (_rank(one.status), one.created_at, one.id), default=None)


def _rank(status: str) -> int:
    return _RANK.get(status, _UNKNOWN)


def judge(before: Held | None, found: Sequence[Bought], now: datetime) -> Verdict:
    """Return what our row has to say, given all subscriptions of a user. The same answer however often it is asked.

    A purchase takes the place of a plan that was given away or tried; the end of a purchase leaves such a plan alone.
    """
    best = choose(found)
    live = [one for one in found if one.status in GRANTING]
    alerts = ("two_subscriptions",) if len(live) > 1 else ()
    has_trial = any(one.trial_ends_at is not None for one in found)
    if best is None or _rank(best.status) < _UNKNOWN:
        return Verdict(_without(before, best), alerts, has_trial)
    if _rank(best.status) == _UNKNOWN:  # a status of the future: nothing is taken away
        kept = replace(before, external_subscription_id=best.id, price_id=best.price_id) if before else None
        return Verdict(kept, (*alerts, "unknown_status"), has_trial)
    plan = best.plan
    if plan not in PLANS:
        alerts = (*alerts, "unknown_price")
        plan = before.plan if before else FREE
    since = _past_due_since(before, best, now)
    if since is not None and since + GRACE <= now:
        plan = FREE
    return Verdict(_written(best, plan, since), alerts, has_trial)


def _past_due_since(before: Held | None, best: Bought, now: datetime) -> datetime | None:
    """Return the moment of the first failure: it does not move while the failure lasts."""
    if best.status != PAST_DUE:
        return None
    is_same = before is not None and before.status == PAST_DUE and before.external_subscription_id == best.id
    if is_same and before is not None and before.past_due_since is not None:
        return before.past_due_since
    return min(now, best.unpaid_since or now)


def _without(before: Held | None, best: Bought | None) -> Held | None:
    """Return what to say of somebody who has bought nothing that is in force."""
    if before is not None and before.mode != STRIPE and before.status in GRANTING:
        return None
    if best is not None:
        return _written(best, FREE, None)
    if before is None or before.status in ENDED:
        return None
    return replace(
        before, plan=FREE, status=CANCELED, cancels_at=None, trial_ends_at=None, past_due_since=None, invoice_url=None
    )


def _written(best: Bought, plan: str, past_due_since: datetime | None) -> Held:
    is_over = best.status in ENDED
    return Held(
        plan=plan,
        status=best.status,
        mode=STRIPE,
        external_customer_id=best.customer_id,
        external_subscription_id=best.id,
        price_id=best.price_id,
        current_period_start=best.period_start,
        current_period_end=best.period_end,
        cancels_at=None if is_over else best.cancels_at,
        trial_ends_at=None if is_over else best.trial_ends_at,
        past_due_since=past_due_since,
        invoice_url=None if is_over else best.invoice_url,
    )


def month_later(moment: datetime, *, day: int) -> datetime:
    """Return the same time in the next month, on `day` or the month's last one."""
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    for candidate in (day, 30, 29, 28):
        try:
            return moment.replace(year=year, month=month, day=candidate)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
