"""Buying plans at the sandbox's Stripe, with a test in the place of Stripe's deliveries."""

from __future__ import annotations

import json
from typing import Any

import httpx
import stripe

from app.composition import Container
from app.domain.plans import PLANS
from app.payments.stripe_client import StripeConfig, StripePayments
from app.payments.stripe_setup import SetUp, StripeSetup
from factories.make import Factory, MadeUser
from factories.servers import Sandbox

KEY = "sk_test_sandbox"
GOOD, FAILS_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
DAY = 86_400.0


async def set_up(base: str, webhook_url: str | None, *, has_secret: bool = False) -> SetUp:
    """Make in the sandbox's account what selling needs."""
    payments = StripePayments(StripeConfig(KEY, (), base, 5.0))
    try:
        return await StripeSetup(payments).run(
            webhook_url=webhook_url, return_url="http://dashboard.test/billing", has_secret=has_secret
        )
    finally:
        await payments.aclose()


class Till:
    """One sandbox account with its prices, and a PostPilot that sells there."""

    def __init__(self, container: Container, client: httpx.AsyncClient, sandbox: Sandbox, rows: Factory, secret: str):
        self.container = container
        self.client = client
        self.sandbox = sandbox
        self.rows = rows
        self.secret = secret
        self._control = httpx.Client(base_url=f"{sandbox.url}/_sandbox/stripe", trust_env=False, timeout=20)

    def close(self) -> None:
        self._control.close()

    # What the buyer does

    async def buyer(self) -> MadeUser:
        """Sign in as somebody who has bought nothing."""
        user = await self.rows.user(plan="free")
        self.client.headers.update(user.headers)
        return user

    async def open(self, plan: str = "pro") -> dict[str, Any]:
        response = await self.client.post("/billing/checkout", json={"plan": plan})
        assert response.status_code == 201, response.text
        return dict(response.json())

    def pay(self, session_id: str, card: str = GOOD) -> dict[str, Any]:
        """Fill in the hosted page."""
        return self._act("checkout", session_id=session_id, action="pay", card=card)

    async def buy(self, plan: str = "pro", card: str = GOOD) -> str:
        """Buy a plan, and return the customer's id. Nothing is delivered."""
        session_id = (await self.open(plan))["session_id"]
        self.pay(session_id, card)
        return str(self.objects("checkout.session")[0]["customer"])

    async def portal(self, action: str, **values: str) -> None:
        """Open the portal as the dashboard does, and do something there."""
        response = await self.client.post("/billing/portal")
        assert response.status_code == 200, response.text
        session_id = response.json()["portal_url"].rpartition("/")[2]
        self._act("portal", session_id=session_id, action=action, **values)

    async def switch(self, plan: str) -> None:
        await self.portal("switch", lookup_key=f"postpilot_{plan}_monthly")

    def days_pass(self, days: float) -> None:
        self.sandbox.advance(days * DAY)

    # What Stripe knows and tells

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return every object of a kind, the newest first."""
        return list(self._read("objects", kind=kind)["items"])

    def events(self, customer: str = "") -> list[dict[str, Any]]:
        """Return every event, the oldest first."""
        return [item["event"] for item in self._read("events", customer=customer)["items"]]

    def deliveries(self) -> dict[str, Any]:
        return self._read("events")

    def api(self, method: str, path: str, data: dict[str, str] | None = None) -> dict[str, Any]:
        """Call Stripe's API as its dashboard does, past the product."""
        headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": "2026-10-28.endive"}
        url = f"{self.sandbox.url}/stripe/v1/{path}"
        response = httpx.request(method, url, headers=headers, data=data, trust_env=False, timeout=20)
        assert response.is_success, response.text
        return dict(response.json())

    def release(self) -> None:
        """Have what waits to be sent again sent now."""
        self._act("release")

    def _act(self, path: str, **values: str) -> dict[str, Any]:
        response = self._control.post(f"/{path}", json=values)
        assert response.status_code in (200, 402), response.text
        return dict(response.json())

    def _read(self, path: str, **query: str) -> dict[str, Any]:
        response = self._control.get(f"/{path}", params=query)
        assert response.is_success, response.text
        return dict(response.json())

    # What the test delivers

    async def deliver(self, event: dict[str, Any], *, secret: str = "", at: int | None = None) -> httpx.Response:
        body = json.dumps(event)
        header = stripe.WebhookSignature.generate_signature_header(body, secret or self.secret, at)
        return await self.client.post("/webhooks/stripe", content=body, headers={"Stripe-Signature": header})

    async def deliver_all(self, customer: str = "") -> None:
        """Deliver everything once, in order, and work it off."""
        for event in self.events(customer):
            assert (await self.deliver(event)).status_code == 200
        await self.container.billing_events.work()

    async def plan(self) -> tuple[str, str | None]:
        """Return the plan in effect and the status, as the API tells them."""
        overview = (await self.client.get("/billing/overview")).json()
        subscription = overview["subscription"]
        return overview["current_plan"], subscription["status"] if subscription else None


def expected(subscriptions: list[dict[str, Any]]) -> tuple[str, str | None]:
    """Return what the product has to say of a customer's subscriptions: from the sandbox's objects, by a table."""
    alive = [one for one in subscriptions if one["status"] not in ("canceled", "incomplete_expired")]
    if not alive:
        return "free", None
    assert len(alive) == 1
    (one,) = alive
    plan = one["items"]["data"][0]["price"]["metadata"]["plan"]
    assert plan in PLANS
    return (plan if one["status"] in ("trialing", "active", "past_due") else "free"), one["status"]
