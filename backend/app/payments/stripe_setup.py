"""What has to exist in a Stripe account before plans can be sold there: made once, found again every other time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.domain.plans import CURRENCY, PLANS, Plan
from app.payments import stripe_shapes as shapes
from app.payments.base import NotThere
from app.payments.stripe_client import API_VERSION, LIST_MAX, MARK, StripePayments


@dataclass(frozen=True)
class SetUp:
    """What was made or changed, in words, and the secret of a webhook endpoint if one was made."""

    done: list[str]
    webhook_secret: str | None


class StripeSetup:
    def __init__(self, payments: StripePayments) -> None:
        self._payments = payments
        self._done: list[str] = []

    async def run(self, *, webhook_url: str | None, return_url: str, has_secret: bool) -> SetUp:
        """Make what is missing and change what differs. `webhook_url` is `None` where Stripe cannot reach us;
        `has_secret` says that the endpoint's secret is known here: it is told only when one is made.

        Raises `PaymentError`."""
        sold = [plan for plan in PLANS.values() if plan.price_monthly_cents]
        prices = {}
        for plan in sold:
            product_id = await self._product(plan)
            prices[product_id] = await self._price(plan, product_id)
        await self._portal(prices, return_url)
        secret = await self._webhook(webhook_url, has_secret=has_secret) if webhook_url else None
        return SetUp(self._done, secret)

    async def _product(self, plan: Plan) -> str:
        product_id = f"{shapes.LOOKUP_PREFIX}{plan.tier}"
        wanted = {"name": f"PostPilot {plan.name}", "metadata": {"plan": plan.tier}}
        try:
            found = await self._payments.call(lambda v1: v1.products.retrieve_async(product_id))
        except NotThere:
            await self._payments.call(lambda v1: v1.products.create_async({"id": product_id, **wanted}))
            self._done.append(f"product {wanted['name']}")
            return product_id
        if not found["active"]:
            await self._payments.call(lambda v1: v1.products.update_async(product_id, {"active": True}))
            self._done.append(f"product {wanted['name']} made active again")
        return product_id

    async def _price(self, plan: Plan, product_id: str) -> str:
        """Return the price with the plan's lookup key. One of another amount is replaced: whoever pays it goes on
        paying it."""
        key = f"{shapes.LOOKUP_PREFIX}{plan.tier}_monthly"
        asked = {"lookup_keys": [key], "active": True, "limit": 1}
        listed = await self._payments.call(lambda v1: v1.prices.list_async(asked))
        present = next(iter(listed["data"]), None)
        if present and (present["unit_amount"], present["currency"]) == (plan.price_monthly_cents, CURRENCY):
            return str(present["id"])
        body: dict[str, Any] = {
            "product": product_id,
            "unit_amount": plan.price_monthly_cents,
            "currency": CURRENCY,
            "recurring": {"interval": "month"},
            "lookup_key": key,
            "transfer_lookup_key": True,
            "metadata": {"plan": plan.tier},
        }
        made = await self._payments.call(lambda v1: v1.prices.create_async(body))
        self._done.append(f"price {key} of {plan.price_monthly_cents / 100:.2f} {CURRENCY.upper()} a month")
        return str(made["id"])

    async def _portal(self, prices: dict[str, str], return_url: str) -> None:
        """Have the portal change plans (up at once, down with the period), cards and addresses, and cancel."""
        features = {
            "subscription_update": {
                "enabled": True,
                "default_allowed_updates": ["price"],
                "products": [{"product": product, "prices": [price]} for product, price in prices.items()],
                "proration_behavior": "always_invoice",
                "schedule_at_period_end": {
                    "conditions": [{"type": "decreasing_item_amount"}, {"type": "shortening_interval"}]
                },
            },
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "payment_method_update": {"enabled": True},
            "invoice_history": {"enabled": True},
            "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
        }
        body: dict[str, Any] = {"features": features, "default_return_url": return_url, "metadata": MARK}
        asked = {"active": True, "limit": LIST_MAX}
        listed = await self._payments.call(lambda v1: v1.billing_portal.configurations.list_async(asked))
        present = next((one for one in listed["data"] if (one.get("metadata") or {}).get("postpilot") == "1"), None)
        if present is None:
            await self._payments.call(lambda v1: v1.billing_portal.configurations.create_async(body))
            self._done.append("portal configuration")
            return
        shown = (present["features"].get("subscription_update") or {}).get("products") or []
        offered = {one["product"]: one["prices"] for one in shown}
        if offered != {product: [price] for product, price in prices.items()}:
            await self._payments.call(lambda v1: v1.billing_portal.configurations.update_async(present["id"], body))
            self._done.append("portal configuration brought up to date")

    async def _webhook(self, url: str, *, has_secret: bool) -> str | None:
        """Have events sent to us; return the secret they are signed with, if it is a new one."""
        listed = await self._payments.call(lambda v1: v1.webhook_endpoints.list_async({"limit": LIST_MAX}))
        present = next((one for one in listed["data"] if one["url"] == url), None)
        if present is not None and has_secret:
            if set(present["enabled_events"]) != set(shapes.KINDS) or present["status"] != "enabled":
                change = {"enabled_events": list(shapes.KINDS), "disabled": False}
                await self._payments.call(lambda v1: v1.webhook_endpoints.update_async(present["id"], change))
                self._done.append("events of the webhook endpoint")
            return None
        body: dict[str, Any] = {
            "url": url,
            "enabled_events": list(shapes.KINDS),
            "api_version": API_VERSION,
            "description": "PostPilot",
        }
        made = await self._payments.call(lambda v1: v1.webhook_endpoints.create_async(body))
        if present is not None:  # its secret is told only once, and nobody here knows it
            await self._payments.call(lambda v1: v1.webhook_endpoints.delete_async(present["id"]))
        self._done.append(f"webhook endpoint {url}")
        return str(made["secret"])
