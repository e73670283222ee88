"""Stripe, through its official SDK. Hosted pages only; nothing here is believed but what Stripe's API answers."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.domain.billing import Bought
from app.domain.plans import PLANS
from app.payments import stripe_shapes as shapes
from app.payments.base import (
    CheckoutOrder,
    CheckoutPage,
    InvalidSignature,
    NotThere,
    Price,
    ProviderAway,
    Report,
)
from app.payments.stripe_errors import error_of

API_VERSION = "2026-10-28.endive"
"""The SDK's own; webhook endpoints are made with the same one."""
RETRIES = 2
CONNECT_SECONDS = 4.0
TOLERANCE_SECONDS = 300
"""How far a signature's time may be from ours, in either direction: the SDK looks at the past alone."""
PRICES_SECONDS = 300.0
"""How long a price is remembered before it is asked for again."""
LIST_MAX = 100
MARK = {"postpilot": "1"}
"""Metadata of what the set-up made."""

logging.getLogger("stripe").setLevel(logging.WARNING)  # its INFO lines hold addresses with ids of customers


@dataclass(frozen=True)
class StripeConfig:
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    api_base: str
    timeout_seconds: float


class StripePayments:
    """Stripe's account of this installation. The SDK is loaded when it is first used: it takes 36 MB."""

    def __init__(self, config: StripeConfig) -> None:
        self._config = config
        self.is_live = config.api_key.startswith(("sk_live_", "rk_live_"))
        self._sdk: Any = None
        self._http: Any = None
        self._client: Any = None
        self._loading = asyncio.Lock()
        self._prices: tuple[float, dict[str, Price]] | None = None
        self._portal: tuple[float, str | None] | None = None

    # Customers and what they buy

    async def add_customer(self, user_ref: str, email: str, *, key: str) -> str:
        body = {"email": email, "metadata": {shapes.USER_REF: user_ref}}
        customer = await self.call(lambda v1: v1.customers.create_async(body, {"idempotency_key": key}))
        return str(customer["id"])

    async def prices(self) -> dict[str, Price]:
        if self._prices is not None and time.monotonic() < self._prices[0]:
            return self._prices[1]
        keys = [f"{shapes.LOOKUP_PREFIX}{tier}_monthly" for tier, plan in PLANS.items() if plan.price_monthly_cents]
        asked = {"lookup_keys": keys, "active": True, "limit": LIST_MAX}
        listed = await self.call(lambda v1: v1.prices.list_async(asked))
        found = {}
        for one in listed["data"]:
            plan = shapes.plan_of_lookup_key(one.get("lookup_key"))
            if plan is not None:
                found[plan] = Price(one["id"], plan, one.get("lookup_key"))
        if len(found) == len(keys):
            self._prices = (time.monotonic() + PRICES_SECONDS, found)
        return found

    async def plan_of_price(self, price_id: str) -> str | None:
        try:
            price = await self.call(lambda v1: v1.prices.retrieve_async(price_id, {"expand": ["product"]}))
        except NotThere:
            return None
        by_key = shapes.plan_of_lookup_key(price.get("lookup_key"))
        return by_key or shapes.plan_of_metadata(price) or shapes.plan_of_metadata(price.get("product"))

    async def open_checkout(self, order: CheckoutOrder, *, key: str) -> CheckoutPage:
        reference = {shapes.USER_REF: order.user_ref}
        subscription: dict[str, Any] = {"metadata": reference}
        body: dict[str, Any] = {
            "mode": "subscription",
            "customer": order.customer_id,
            "client_reference_id": order.user_ref,
            "line_items": [{"price": order.price_id, "quantity": 1}],
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "metadata": reference,
            "subscription_data": subscription,
            "allow_promotion_codes": True,
        }
        if order.trial_days:
            subscription["trial_period_days"] = order.trial_days
            subscription["trial_settings"] = {"end_behavior": {"missing_payment_method": "cancel"}}
            body["payment_method_collection"] = "if_required"
        made = await self.call(lambda v1: v1.checkout.sessions.create_async(body, {"idempotency_key": key}))
        return shapes.read_checkout(made)

    async def checkout(self, checkout_id: str) -> CheckoutPage:
        return shapes.read_checkout(await self.call(lambda v1: v1.checkout.sessions.retrieve_async(checkout_id)))

    async def expire_checkout(self, checkout_id: str) -> None:
        await self.call(lambda v1: v1.checkout.sessions.expire_async(checkout_id))

    async def open_portal(self, customer_id: str, *, return_url: str) -> str:
        body: dict[str, Any] = {"customer": customer_id, "return_url": return_url}
        configuration = await self._portal_configuration()
        if configuration is not None:
            body["configuration"] = configuration
        page = await self.call(lambda v1: v1.billing_portal.sessions.create_async(body))
        return str(page["url"])

    async def _portal_configuration(self) -> str | None:
        """Return the configuration that the set-up made; `None` for the account's own one."""
        if self._portal is None or time.monotonic() > self._portal[0]:
            asked = {"active": True, "limit": LIST_MAX}
            listed = await self.call(lambda v1: v1.billing_portal.configurations.list_async(asked))
            ours = (one["id"] for one in listed["data"] if (one.get("metadata") or {}).get("postpilot") == "1")
            self._portal = (time.monotonic() + PRICES_SECONDS, next(ours, None))
        return self._portal[1]

    # Subscriptions

    async def subscriptions_of(self, customer_id: str) -> list[Bought]:
        asked: dict[str, Any] = {
            "customer": customer_id,
            "status": "all",
            "limit": LIST_MAX,
            "expand": ["data.latest_invoice"],
        }
        try:
            listed = await self.call(lambda v1: v1.subscriptions.list_async(asked))
        except NotThere:
            return []
        return [shapes.read_subscription(one) for one in listed["data"]]

    async def subscription(self, subscription_id: str) -> Bought | None:
        expand = {"expand": ["latest_invoice"]}
        try:
            found = await self.call(lambda v1: v1.subscriptions.retrieve_async(subscription_id, expand))
        except NotThere:
            return None
        return shapes.read_subscription(found)

    async def cancel_at_period_end(self, subscription_id: str) -> None:
        await self.call(lambda v1: v1.subscriptions.update_async(subscription_id, {"cancel_at_period_end": True}))

    async def cancel_now(self, subscription_id: str) -> None:
        await self.call(lambda v1: v1.subscriptions.cancel_async(subscription_id))

    async def keep(self, subscription: Bought) -> None:
        # A portal's cancellation is a date, an API's is a flag; each is taken back in its own way (stripe.md §7).
        change: dict[str, Any] = {"cancel_at_period_end": False} if subscription.cancels_by_flag else {"cancel_at": ""}
        await self.call(lambda v1: v1.subscriptions.update_async(subscription.id, change))

    # Webhooks

    async def read_report(self, body: bytes, signature: str) -> Report:
        await self._ready()
        sdk = self._sdk
        for secret in self._config.webhook_secrets:
            try:
                sdk.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
            except (sdk.SignatureVerificationError, UnicodeDecodeError):
                continue
            if _time_of(signature) > time.time() + TOLERANCE_SECONDS:
                continue
            return shapes.read_report(json.loads(body))
        raise InvalidSignature

    # The SDK

    async def call(self, make: Callable[[Any], Awaitable[Any]]) -> dict[str, Any]:
        """Make one call and return what came back as plain data. Raises `PaymentError`."""
        client = await self._ready()
        longest = (self._config.timeout_seconds + 1) * (RETRIES + 1)
        try:
            async with asyncio.timeout(longest):
                answer = await make(client.v1)
        except self._sdk.StripeError as error:
            raise error_of(error, self._sdk) from None  # the SDK's error quotes the whole answer
        except TimeoutError:
            raise ProviderAway(f"no answer within {longest:.0f} s") from None
        found: dict[str, Any] = answer.to_dict()
        return found

    async def _ready(self) -> Any:
        async with self._loading:
            if self._client is None:
                sdk: Any = await asyncio.to_thread(importlib.import_module, "stripe")
                self._sdk = sdk
                sdk.enable_telemetry = False
                limits = httpx.Timeout(self._config.timeout_seconds, connect=CONNECT_SECONDS)
                self._http = sdk.HTTPXClient(timeout=limits)
                self._client = sdk.StripeClient(
                    self._config.api_key,
                    stripe_version=API_VERSION,
                    base_addresses={"api": self._config.api_base},
                    max_network_retries=RETRIES,
                    http_client=self._http,
                )
        return self._client

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.close_async()


def _time_of(signature: str) -> int:
    return next((int(part[2:]) for part in signature.split(",") if part.startswith("t=")), 0)
