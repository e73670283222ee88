"""Plans without a payment provider: active at once, in test mode, and exact however many ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.composition import Container

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
async def free(factory: Factory, client: httpx.AsyncClient) -> MadeUser:
    """A user without a plan, as whom `client` is signed in."""
    user = await factory.user(plan="free")
    client.headers.update(user.headers)
    return user


async def buy(client: httpx.AsyncClient, plan: str = "pro") -> Any:
    return ok(await client.post("/billing/checkout", json={"plan": plan}), 201)


class TestPlans:
    async def test_are_served_to_everybody_as_the_table_says(self, client: httpx.AsyncClient) -> None:
        plans = ok(await client.get("/billing/plans"))
        shown = ("tier", "price_monthly_cents", "max_items", "max_secondary", "captions_per_month", "trial_days")
        assert [tuple(plan[name] for name in shown) for plan in plans] == [
            ("free", 0, 10, 1, 5, 0),
            ("pro", 2900, 200, 10, -1, 14),
            ("enterprise", 9900, -1, -1, -1, 14),
        ]
        assert [plan["api_access"] for plan in plans] == [False, False, True]


class TestCheckout:
    async def test_activates_the_plan_at_once_and_says_so(
        self, client: httpx.AsyncClient, free: MadeUser, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(NOW)
        assert ok(await client.get("/billing/current")) is None
        bought = await buy(client)
        assert bought["mode"] == "test"
        assert bought["checkout_url"] == f"http://dashboard.test/billing?session_id={bought['session_id']}"
        current = ok(await client.get("/billing/current"))
        assert {name: current[name] for name in ("plan", "status", "mode", "current_period_end", "cancels_at")} == {
            "plan": "pro", "status": "active", "mode": "test", "current_period_end": "2030-02-28T12:00:00Z",
            "cancels_at": None,
        }  # fmt: skip
        assert ok(await client.get("/auth/me"))["plan"] == "pro"
        confirmed = ok(await client.post("/billing/confirm", json={"session_id": bought["session_id"]}))
        assert (confirmed["status"], confirmed["subscription"]) == ("complete", current)

    async def test_is_refused_for_free_and_for_a_second_one(
        self, client: httpx.AsyncClient, free: MadeUser, factory: Factory
    ) -> None:
        response = await client.post("/billing/checkout", json={"plan": "free"})
        assert problem(response) == (400, "plan_not_for_sale")
        assert await factory.count("subscriptions") == 0
        await buy(client)
        for plan in ("pro", "enterprise"):
            response = await client.post("/billing/checkout", json={"plan": plan})
            assert problem(response) == (400, "already_subscribed")
            assert "portal" in detail(response)
        assert await factory.execute("SELECT plan FROM subscriptions") == [("pro",)]

    async def test_of_an_unknown_plan(self, client: httpx.AsyncClient, free: MadeUser) -> None:
        response = await client.post("/billing/checkout", json={"plan": "gold"})
        assert field_errors(response) == [("body.plan", "literal_error")]

    async def test_a_plan_given_away_does_not_stand_in_the_way(
        self, client: httpx.AsyncClient, free: MadeUser, factory: Factory
    ) -> None:
        await factory.execute(
            "INSERT INTO subscriptions (id, user_id, plan, status, mode) "
            "VALUES (gen_random_uuid(), :id, 'pro', 'active', 'granted')",
            id=free.id,
        )
        assert problem(await client.post("/billing/cancel")) == (400, "no_subscription")
        await buy(client, "enterprise")
        assert ok(await client.get("/billing/current"))["mode"] == "test"

    async def test_of_somebody_else_cannot_be_confirmed(
        self, client: httpx.AsyncClient, free: MadeUser, factory: Factory
    ) -> None:
        session_id = (await buy(client))["session_id"]
        client.headers.update((await factory.user(plan="free")).headers)
        for asked in (session_id, "cs_test_nobody"):
            response = await client.post("/billing/confirm", json={"session_id": asked})
            assert problem(response) == (404, "checkout_not_found")

    async def test_fifty_at_once_give_one_subscription(self, real_client: httpx.AsyncClient, rows: Factory) -> None:
        real_client.headers.update((await rows.user(plan="free")).headers)
        bodies = [{"plan": ("pro", "enterprise")[n % 2]} for n in range(50)]
        answers = await asyncio.gather(*(real_client.post("/billing/checkout", json=body) for body in bodies))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 400: 49}
        assert (await rows.count("subscriptions"), await rows.count("checkouts")) == (1, 1)

    async def test_needs_a_sign_in(self, client: httpx.AsyncClient) -> None:
        for method, path in (
            ("POST", "checkout"), ("POST", "confirm"), ("POST", "portal"), ("POST", "cancel"), ("POST", "resume"),
            ("GET", "current"), ("GET", "overview"),
        ):  # fmt: skip
            assert problem(await client.request(method, f"/billing/{path}")) == (401, "not_authenticated")


class TestOverview:
    async def test_tells_plan_and_usage(self, client: httpx.AsyncClient, free: MadeUser) -> None:
        before = ok(await client.get("/billing/overview"))
        assert (before["current_plan"], before["plan_name"], before["subscription"]) == ("free", "Free", None)
        assert before["mode"] == "test"
        await buy(client, "enterprise")
        after = ok(await client.get("/billing/overview"))
        assert (after["current_plan"], after["plan_name"]) == ("enterprise", "Enterprise")
        assert after["subscription"] == ok(await client.get("/billing/current"))
        assert after["usage"] == ok(await client.get("/usage"))

    async def test_the_portal_is_the_dashboards_own_page(self, client: httpx.AsyncClient, free: MadeUser) -> None:
        assert ok(await client.post("/billing/portal")) == {
            "portal_url": "http://dashboard.test/billing", "mode": "test",
        }  # fmt: skip


class TestChange:
    async def test_is_made_at_once(self, client: httpx.AsyncClient, free: MadeUser) -> None:
        for plan, code in (("free", "plan_not_for_sale"), ("pro", "no_subscription")):
            assert problem(await client.post("/billing/change", json={"plan": plan})) == (400, code)
        await buy(client)
        for plan in ("enterprise", "pro"):
            changed = ok(await client.post("/billing/change", json={"plan": plan}))
            assert (changed["portal_url"], changed["mode"], changed["subscription"]["plan"]) == (None, "test", plan)
            assert ok(await client.get("/auth/me"))["plan"] == plan


class TestCancel:
    async def test_and_resume_change_nothing_but_the_end(
        self, client: httpx.AsyncClient, free: MadeUser, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(NOW)
        for verb in ("cancel", "resume"):
            assert problem(await client.post(f"/billing/{verb}")) == (400, "no_subscription")
        await buy(client)
        for _ in range(2):
            canceled = ok(await client.post("/billing/cancel"))
            assert (canceled["status"], canceled["cancel_at_period_end"]) == ("active", True)
            assert canceled["cancels_at"] == canceled["current_period_end"] == "2030-02-28T12:00:00Z"
        assert ok(await client.get("/auth/me"))["plan"] == "pro"
        for _ in range(2):
            resumed = ok(await client.post("/billing/resume"))
            assert (resumed["cancel_at_period_end"], resumed["cancels_at"]) == (False, None)

    async def test_ends_with_the_period_and_holds_what_has_no_place(
        self,
        client: httpx.AsyncClient,
        free: MadeUser,
        factory: Factory,
        container: Container,
        api_clock: SteerableClock,
    ) -> None:
        await buy(client)
        accounts = [await factory.account(free, "facebook") for _ in range(2)]
        at = (datetime.now(UTC) + timedelta(days=60)).isoformat()
        posts = []
        for account in accounts:
            body = {"account_id": str(account.id), "content": "x", "scheduled_for": at}
            posts.append(ok(await client.post("/posts", json=body), 201)["id"])
        ok(await client.post("/billing/cancel"))
        assert await container.billing_tending.work() == 0
        api_clock.move(timedelta(days=32))
        assert await container.billing_tending.work() == 1
        assert await container.billing_tending.work() == 0
        assert ok(await client.get("/billing/current")) is None
        assert ok(await client.get("/auth/me"))["plan"] == "free"
        found = [await factory.reload(post) for post in posts]
        assert [(post.status, post.error_code) for post in found] == [("scheduled", None), ("on_hold", "plan_limit")]
        assert problem(await client.post("/billing/resume")) == (400, "no_subscription")
        await buy(client, "enterprise")
        assert (await factory.reload(posts[1])).status == "scheduled"

    async def test_without_it_the_next_month_begins(
        self, client: httpx.AsyncClient, free: MadeUser, container: Container, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(NOW)
        await buy(client)
        api_clock.fix(datetime(2030, 4, 2, tzinfo=UTC))
        assert await container.billing_tending.work() == 1
        current = ok(await client.get("/billing/current"))
        assert (current["current_period_start"], current["current_period_end"]) == (
            "2030-03-31T12:00:00Z", "2030-04-30T12:00:00Z",
        )  # fmt: skip


class TestGrace:
    async def test_that_runs_out_holds_posts_once(
        self,
        client: httpx.AsyncClient,
        free: MadeUser,
        factory: Factory,
        container: Container,
    ) -> None:
        await factory.execute(
            "INSERT INTO subscriptions (id, user_id, plan, status, mode, past_due_since) "
            "VALUES (gen_random_uuid(), :id, 'pro', 'past_due', 'stripe', now() - interval '6 days 23 hours')",
            id=free.id,
        )
        accounts = [await factory.account(free, "facebook") for _ in range(2)]
        at = (datetime.now(UTC) + timedelta(days=60)).isoformat()
        body = {"account_id": str(accounts[1].id), "content": "x", "scheduled_for": at}
        post = ok(await client.post("/posts", json=body), 201)["id"]
        current = ok(await client.get("/billing/current"))
        ends = datetime.fromisoformat(current["grace_ends_at"]) - datetime.fromisoformat(current["past_due_since"])
        assert ends == timedelta(days=7)
        assert await container.billing_tending.work() == 0
        assert ok(await client.get("/auth/me"))["plan"] == "pro"
        await factory.execute("UPDATE subscriptions SET past_due_since = past_due_since - interval '1 hour 1 second'")
        await factory.execute("DELETE FROM user_events")
        assert await container.billing_tending.work() == 1
        assert await container.billing_tending.work() == 0
        assert ((await factory.reload(post)).status, ok(await client.get("/auth/me"))["plan"]) == ("on_hold", "free")
        told = await factory.execute("SELECT facts ->> 'plan' FROM user_events WHERE kind = 'subscription.updated'")
        assert [row[0] for row in told] == ["free"]


class TestWebhook:
    async def test_is_refused_where_no_payments_are_taken(self, client: httpx.AsyncClient, factory: Factory) -> None:
        response = await client.post("/webhooks/stripe", content=b"{}", headers={"Stripe-Signature": "t=1,v1=00"})
        assert problem(response) == (400, "webhook_signature_invalid")
        assert await factory.count("billing_events") == 0
