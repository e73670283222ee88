"""Plans and what is paid for them. Money is taken on the payment provider's own pages."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import BillingDeskDep, CheckoutsDep, ContainerDep, SignedInUser
from app.api.problems import problems
from app.api.routes.usage import usage_read
from app.domain.errors import (
    AlreadySubscribed,
    CardRefused,
    CheckoutNotFound,
    InvalidToken,
    NoSubscription,
    NotAuthenticated,
    PaymentsMisconfigured,
    PaymentsUnavailable,
    PlanNotForSale,
)
from app.domain.plans import CURRENCY, PLANS, Plan
from app.schemas.billing import (
    BillingOverviewRead,
    ChangeBody,
    ChangeRead,
    CheckoutBody,
    CheckoutRead,
    ConfirmBody,
    ConfirmRead,
    PlanRead,
    PortalRead,
    SubscriptionRead,
)

router = APIRouter(prefix="/billing", tags=["billing"])
AUTH = (NotAuthenticated, InvalidToken)
PROVIDER = (CardRefused, PaymentsUnavailable, PaymentsMisconfigured)


@router.get("/plans", operation_id="billing_plans")
async def list_plans() -> list[PlanRead]:
    """Return every plan with its limits."""
    return [_plan(plan) for plan in PLANS.values()]


@router.post(
    "/checkout",
    operation_id="billing_checkout",
    status_code=201,
    responses=problems(*AUTH, PlanNotForSale, AlreadySubscribed, *PROVIDER),
)
async def open_checkout(body: CheckoutBody, user: SignedInUser, checkouts: CheckoutsDep) -> CheckoutRead:
    """Begin to buy a plan. Asked again while the page is open, it returns the same page, so that it cannot be paid
    twice. Without a payment provider the plan is active at once (`mode: "test"`)."""
    return CheckoutRead.model_validate(await checkouts.open(user, body.plan))


@router.post(
    "/confirm", operation_id="billing_confirm", responses=problems(*AUTH, CheckoutNotFound, NoSubscription, *PROVIDER)
)
async def confirm_checkout(
    body: ConfirmBody, user: SignedInUser, checkouts: CheckoutsDep, desk: BillingDeskDep
) -> ConfirmRead:
    """Ask the payment provider what became of a checkout, after the return from it. Nothing is granted for returning:
    only what the provider says counts."""
    status = await checkouts.confirm(user, body.session_id)
    return ConfirmRead.model_validate({"status": status, "subscription": await desk.current(user.id)})


@router.post("/portal", operation_id="billing_portal", responses=problems(*AUTH, NoSubscription, *PROVIDER))
async def open_portal(user: SignedInUser, desk: BillingDeskDep) -> PortalRead:
    """Return the page on which plan and card are changed and invoices lie; it works for a few minutes."""
    return PortalRead.model_validate({"portal_url": await desk.portal(user.id), "mode": desk.mode})


@router.get("/current", operation_id="billing_current", responses=problems(*AUTH))
async def get_current(user: SignedInUser, desk: BillingDeskDep) -> SubscriptionRead | None:
    """Return the subscription, or null where there is none (any more)."""
    found = await desk.current(user.id)
    return SubscriptionRead.model_validate(found) if found else None


@router.get("/overview", operation_id="billing_overview", responses=problems(*AUTH))
async def get_overview(user: SignedInUser, desk: BillingDeskDep, container: ContainerDep) -> BillingOverviewRead:
    """Return plan, subscription and what is used up of the plan."""
    found = await desk.overview(user.id)
    return BillingOverviewRead.model_validate(
        {
            "current_plan": found.current_plan,
            "plan_name": found.plan_name,
            "mode": found.mode,
            "is_trial_available": found.is_trial_available,
            "subscription": found.subscription,
            "usage": usage_read(found.current_plan, found.used, container.clock()),
        }
    )


@router.post(
    "/change", operation_id="billing_change", responses=problems(*AUTH, PlanNotForSale, NoSubscription, *PROVIDER)
)
async def change_plan(body: ChangeBody, user: SignedInUser, desk: BillingDeskDep) -> ChangeRead:
    """Move a subscription to another plan. It is confirmed on the payment provider's portal: a larger plan at once, a
    smaller one when the period ends. In test mode it is made at once."""
    portal_url, found = await desk.change(user.id, body.plan)
    return ChangeRead.model_validate({"portal_url": portal_url, "mode": desk.mode, "subscription": found})


@router.post("/cancel", operation_id="billing_cancel", responses=problems(*AUTH, NoSubscription, *PROVIDER))
async def cancel_subscription(user: SignedInUser, desk: BillingDeskDep) -> SubscriptionRead | None:
    """Have the subscription end with its period; until then nothing changes."""
    found = await desk.cancel(user.id)
    return SubscriptionRead.model_validate(found) if found else None


@router.post("/resume", operation_id="billing_resume", responses=problems(*AUTH, NoSubscription, *PROVIDER))
async def resume_subscription(user: SignedInUser, desk: BillingDeskDep) -> SubscriptionRead | None:
    """Take a cancellation back, as long as the subscription has not ended."""
    found = await desk.resume(user.id)
    return SubscriptionRead.model_validate(found) if found else None


def _plan(plan: Plan) -> PlanRead:
    return PlanRead.model_validate(
        {
            "tier": plan.tier,
            "name": plan.name,
            "price_monthly_cents": plan.price_monthly_cents,
            "currency": CURRENCY,
            "trial_days": plan.trial_days,
            "max_items": plan.posts_per_month,
            "max_secondary": plan.accounts_max,
            "posts_per_month": plan.posts_per_month,
            "accounts_max": plan.accounts_max,
            "platforms_max": plan.platforms_max,
            "captions_per_month": plan.captions_per_month,
            "auto_schedule": plan.has_auto_schedule,
            "full_analytics": plan.has_full_analytics,
            "hashtag_research": plan.has_hashtag_research,
            "api_access": plan.has_api_access,
        }
    )
