"""An independent check: what a server of Stripe's API that others wrote can do runs against the product.

It knows no checkout, portal or prices, has the shape of objects of 2017, and signs its events as Stripe does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from factories.answers import ok
from factories.localstripe import LocalStripe, running_localstripe
from factories.make import Factory, MadeUser
from factories.servers import free_port
from fastapi import FastAPI
from pydantic import SecretStr

from app.composition import Container

SECRET = "whsec_of_the_tests"
GOOD, FAILS_LATER = "4242424242424242", "4000000000000341"
IBAN_FAILS = "DE62370400440532013001"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStripe]:
    with running_localstripe(tmp_path_factory.mktemp("localstripe")) as server:
        yield server


@pytest.fixture
async def seller(foreign: LocalStripe, make_worker: Any, app: FastAPI, real_client: httpx.AsyncClient) -> Container:
    """The parts of an API that sells there."""
    container: Container = make_worker(
        "seller",
        stripe_secret_key=SecretStr("sk_test_local"),
        stripe_webhook_secret=SecretStr(f"whsec_old,{SECRET}"),
        stripe_api_base=foreign.url,
    )
    app.state.container = container
    return container


@pytest.fixture
def api(seller: Container, foreign: LocalStripe, serve_api: Callable[..., str]) -> str:
    """The address of an API to which the events are sent."""
    names = ("stripe_secret_key", "stripe_webhook_secret", "stripe_api_base")
    url = serve_api(free_port(), **{name: getattr(seller.settings, name) for name in names})
    foreign.call("POST", "/_config/webhooks/ours", {"url": f"{url}/api/v1/webhooks/stripe", "secret": SECRET})
    return url


async def subscribe(
    seller: Container, foreign: LocalStripe, user: MadeUser, pay_with: Callable[[str], None]
) -> tuple[str, str]:
    """Make a customer through the product's adapter, and a subscription for them past it; return their ids."""
    assert seller.payments is not None
    customer = await seller.payments.add_customer(str(user.id), user.email, key=f"customer:{user.id}")
    pay_with(customer)
    product = foreign.call("POST", "/v1/products", {"name": "PostPilot Pro"})
    plan = {
        "product": product["id"], "amount": "2900", "currency": "eur", "interval": "month", "metadata[plan]": "pro",
    }  # fmt: skip
    plan_id = foreign.call("POST", "/v1/plans", plan)["id"]
    wanted = {"customer": customer, "items[0][plan]": plan_id, "metadata[user_id]": str(user.id)}
    return customer, foreign.call("POST", "/v1/subscriptions", wanted)["id"]


async def work_until(seller: Container, rows: Factory, kinds: set[str]) -> None:
    """Work off events until these kinds have come: they are sent after a second."""
    until = time.monotonic() + 15
    while True:
        await seller.billing_events.work()
        found = await rows.execute("SELECT kind FROM billing_events WHERE outcome = 'synced'")
        if kinds <= {row.kind for row in found}:
            return
        assert time.monotonic() < until, found
        await asyncio.sleep(0.2)


async def test_the_life_of_a_subscription(
    seller: Container, foreign: LocalStripe, api: str, rows: Factory, real_client: httpx.AsyncClient
) -> None:
    user = await rows.user(plan="free")
    real_client.headers.update(user.headers)
    customer, subscription = await subscribe(seller, foreign, user, lambda one: foreign.card(one, GOOD))
    await work_until(seller, rows, {"customer.subscription.created", "invoice.payment_succeeded"})
    current = ok(await real_client.get("/billing/current"))
    assert (current["plan"], current["status"], current["mode"]) == ("pro", "active", "stripe")
    assert current["current_period_end"] > current["current_period_start"]  # from their old places
    stored = await rows.execute("SELECT external_customer_id, external_subscription_id FROM subscriptions")
    assert [tuple(row) for row in stored] == [(customer, subscription)]

    ending = ok(await real_client.post("/billing/cancel"))
    assert ending["cancels_at"] == ending["current_period_end"]
    assert ok(await real_client.post("/billing/resume"))["cancels_at"] is None

    foreign.card(customer, FAILS_LATER)
    yearly = {"amount": "29000", "currency": "eur", "interval": "year", "product[name]": "x", "metadata[plan]": "pro"}
    moved = {"items[0][plan]": foreign.call("POST", "/v1/plans", yearly)["id"]}
    foreign.call("POST", f"/v1/subscriptions/{subscription}", moved)
    await rows.execute("UPDATE subscriptions SET synced_at = now() - interval '21 hours'")
    assert await seller.billing_tending.reconcile() == 1  # it tells nothing of a card that fails
    failed = ok(await real_client.get("/billing/current"))
    assert (failed["plan"], failed["status"]) == ("pro", "past_due")
    assert failed["past_due_since"] is not None

    foreign.call("DELETE", f"/v1/subscriptions/{subscription}")
    await work_until(seller, rows, {"customer.subscription.deleted"})
    assert ok(await real_client.get("/billing/current")) is None
    assert ok(await real_client.get("/auth/me"))["plan"] == "free"


async def test_a_payment_that_fails_afterwards_ends_the_plan(
    seller: Container, foreign: LocalStripe, api: str, rows: Factory, real_client: httpx.AsyncClient
) -> None:
    user = await rows.user(plan="free")
    real_client.headers.update(user.headers)
    await subscribe(seller, foreign, user, lambda one: foreign.account(one, IBAN_FAILS))
    await work_until(seller, rows, {"invoice.payment_failed", "customer.subscription.deleted"})
    told = await rows.execute(
        "SELECT facts ->> 'status' FROM user_events WHERE kind = 'subscription.updated' ORDER BY id"
    )
    assert [row[0] for row in told][-1] == "canceled"
    assert ok(await real_client.get("/auth/me"))["plan"] == "free"


async def test_a_first_payment_that_fails_gives_nothing(
    seller: Container, foreign: LocalStripe, api: str, rows: Factory, real_client: httpx.AsyncClient
) -> None:
    user = await rows.user(plan="free")
    real_client.headers.update(user.headers)
    await subscribe(seller, foreign, user, lambda one: foreign.card(one, FAILS_LATER))
    await work_until(seller, rows, {"customer.subscription.created"})
    assert ok(await real_client.get("/auth/me"))["plan"] == "free"
    assert ok(await real_client.get("/billing/current"))["status"] == "incomplete"


async def test_what_it_does_not_know_is_told_apart(seller: Container, foreign: LocalStripe) -> None:
    assert seller.payments is not None
    assert await seller.payments.subscription("sub_nobody") is None
    assert await seller.payments.subscriptions_of("cus_nobody") == []
