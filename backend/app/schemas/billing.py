"""What billing endpoints take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.schemas.common import Body, Read, Storable
from app.schemas.usage import UsageRead

Tier = Literal["free", "pro", "enterprise"]
BillingMode = Literal["stripe", "test"]


class PlanRead(Read):
    """A plan that can be had; limits of -1 mean unlimited."""

    tier: Tier
    name: str
    price_monthly_cents: int = Field(examples=[2900])
    currency: str = Field(examples=["usd"])
    trial_days: int = Field(examples=[14])
    max_items: int = Field(examples=[200])
    """Posts a month: the same as `posts_per_month`."""
    max_secondary: int = Field(examples=[10])
    """Connected accounts: the same as `accounts_max`."""
    posts_per_month: int = Field(examples=[200])
    accounts_max: int = Field(examples=[10])
    platforms_max: int = Field(examples=[3])
    captions_per_month: int = Field(examples=[-1])
    """Captions written by AI."""
    auto_schedule: bool
    full_analytics: bool
    """Comparison over time, best times and export."""
    hashtag_research: bool
    api_access: bool


class CheckoutBody(Body):
    plan: Tier = Field(examples=["pro"])


class CheckoutRead(Read):
    """Send the browser to `checkout_url`. In test mode the plan is active already."""

    checkout_url: str = Field(examples=["https://checkout.stripe.com/c/pay/cs_test_a1B2"])
    session_id: str = Field(examples=["cs_test_a1B2"])
    mode: BillingMode


class PortalRead(Read):
    """Send the browser to `portal_url`. In test mode it is the dashboard's own page."""

    portal_url: str = Field(examples=["https://billing.stripe.com/p/session/test_a1B2"])
    mode: BillingMode


class ChangeBody(Body):
    plan: Tier = Field(examples=["enterprise"])


class ConfirmBody(Body):
    session_id: Annotated[str, StringConstraints(min_length=1, max_length=255), Storable] = Field(
        examples=["cs_test_a1B2"]
    )


class SubscriptionRead(Read):
    id: UUID
    plan: Tier
    """The plan in effect: `free` where the status gives none."""
    plan_name: str
    status: str = Field(examples=["active"])
    """As the payment provider says it: `trialing`, `active`, `past_due`, `incomplete`, `unpaid`, `paused`."""
    mode: Literal["stripe", "test", "granted"]
    """`test`: nobody pays for it; `granted`: given by whoever runs this installation."""
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    """Whether it ends instead of being renewed; `cancels_at` says when."""
    cancels_at: datetime | None
    trial_ends_at: datetime | None
    past_due_since: datetime | None
    grace_ends_at: datetime | None
    """Until when the plan is kept although a payment has failed."""
    invoice_url: str | None
    """Where what is owed can be paid."""
    created_at: datetime
    updated_at: datetime


class ChangeRead(Read):
    portal_url: str | None
    """Where the change is confirmed; null in test mode, where it has been made."""
    mode: BillingMode
    subscription: SubscriptionRead | None


class ConfirmRead(Read):
    status: Literal["open", "complete", "expired"]
    """`open`: not paid yet."""
    subscription: SubscriptionRead | None


class BillingOverviewRead(Read):
    current_plan: Tier
    plan_name: str
    mode: BillingMode
    is_trial_available: bool
    """Whether the next purchase begins with a trial: once per user."""
    subscription: SubscriptionRead | None
    usage: UsageRead
