"""Stripe's objects read into ours: the places of 2026 first, the older ones second. Source: stripe.md §7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.domain.billing import Bought
from app.domain.plans import PLANS
from app.payments.base import CheckoutPage, Report

USER_REF = "user_id"
"""Key under which our user's id is kept in Stripe's metadata."""
LOOKUP_PREFIX = "postpilot_"
REF_MAX_CHARS = 255

SUBSCRIPTION_KINDS = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.trial_will_end",
)
CHECKOUT_KINDS = tuple(
    f"checkout.session.{kind}" for kind in ("completed", "expired", "async_payment_succeeded", "async_payment_failed")
)
INVOICE_KINDS = ("invoice.paid", "invoice.payment_failed", "invoice.payment_action_required")
KINDS = (*SUBSCRIPTION_KINDS, *CHECKOUT_KINDS, *INVOICE_KINDS, "customer.deleted")
"""What a webhook endpoint asks for."""
OLDER_KINDS = ("invoice.payment_succeeded",)
"""What other servers send in the place of `invoice.paid`."""


def moment(seconds: Any) -> datetime | None:
    """Return a time of Stripe's, which counts seconds."""
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) and seconds else None


def plan_of_lookup_key(lookup_key: str | None) -> str | None:
    """Return the plan that `postpilot_pro_monthly` and `postpilot_pro_yearly` stand for."""
    tier, _, interval = (lookup_key or "").removeprefix(LOOKUP_PREFIX).partition("_")
    is_ours = (lookup_key or "").startswith(LOOKUP_PREFIX) and interval in ("monthly", "yearly")
    return tier if is_ours and tier in PLANS else None


def plan_of_metadata(thing: Any) -> str | None:
    """Return the plan that a price or product says it stands for."""
    plan = (thing.get("metadata") or {}).get("plan") if isinstance(thing, Mapping) else None
    return plan if plan in PLANS else None


def id_of(value: Any) -> str | None:
    """Return the id of something that may be there as its id or as a whole."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) and 0 < len(found) <= REF_MAX_CHARS else None


def read_subscription(one: Mapping[str, Any]) -> Bought:
    """Return a subscription of the shape of 2026, or of an older one."""
    items = (one.get("items") or {}).get("data") or [{}]
    item = items[0]
    price = item.get("price") or item.get("plan") or one.get("plan") or {}
    period_end = moment(item.get("current_period_end") or one.get("current_period_end"))
    by_flag = bool(one.get("cancel_at_period_end"))
    invoice = one.get("latest_invoice")
    is_unpaid = isinstance(invoice, Mapping) and invoice.get("status") in ("open", "draft", "uncollectible")
    return Bought(
        id=str(one["id"]),
        customer_id=id_of(one.get("customer")) or "",
        status=str(one["status"]),
        price_id=id_of(price) or "",
        plan=plan_of_lookup_key(price.get("lookup_key")) or plan_of_metadata(price),
        created_at=moment(one.get("created")) or datetime.fromtimestamp(0, UTC),
        period_start=moment(item.get("current_period_start") or one.get("current_period_start")),
        period_end=period_end,
        cancels_at=moment(one.get("cancel_at")) or (period_end if by_flag else None),
        trial_ends_at=moment(one.get("trial_end")),
        unpaid_since=moment(invoice.get("created")) if is_unpaid and isinstance(invoice, Mapping) else None,
        invoice_url=invoice.get("hosted_invoice_url") if is_unpaid and isinstance(invoice, Mapping) else None,
        user_ref=(one.get("metadata") or {}).get(USER_REF),
        cancels_by_flag=by_flag,
    )


def read_checkout(one: Mapping[str, Any]) -> CheckoutPage:
    return CheckoutPage(
        id=str(one["id"]),
        url=one.get("url"),
        status=str(one.get("status") or "open"),
        customer_id=id_of(one.get("customer")),
        subscription_id=id_of(one.get("subscription")),
        user_ref=one.get("client_reference_id"),
        expires_at=moment(one.get("expires_at")) or datetime.now(UTC),
    )


def read_report(event: Any) -> Report:
    """Return where an event says to look. Raises `ValueError` for something that is no event."""
    if not isinstance(event, Mapping):
        raise ValueError("this is no event")  # noqa: TRY004 - what was sent is wrong, not who calls
    data = event.get("data")
    thing = data.get("object") if isinstance(data, Mapping) else None
    event_id, kind = id_of(event), event.get("type")
    if not isinstance(thing, Mapping) or event_id is None or not isinstance(kind, str):
        raise ValueError("this is no event")
    metadata = thing.get("metadata")
    reference = thing.get("client_reference_id") or (metadata or {}).get(USER_REF)
    is_subscription, is_checkout = kind.startswith("customer.subscription."), kind.startswith("checkout.session.")
    created = event.get("created")
    return Report(
        id=event_id,
        kind=kind[:128],
        api_version=str(event["api_version"])[:64] if event.get("api_version") else None,
        created_epoch=created if isinstance(created, int) else None,
        is_live=event.get("livemode") is True,
        customer_id=id_of(thing)
        if kind.startswith("customer.") and not is_subscription
        else id_of(thing.get("customer")),
        subscription_id=id_of(thing) if is_subscription else _subscription_of(thing),
        checkout_id=id_of(thing) if is_checkout else None,
        user_ref=id_of(reference),
    )


def _subscription_of(thing: Mapping[str, Any]) -> str | None:
    """Return the subscription of a checkout or an invoice."""
    details = (thing.get("parent") or {}).get("subscription_details") or {}
    return id_of(details.get("subscription")) or id_of(thing.get("subscription"))
