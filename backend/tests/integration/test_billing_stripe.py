"""Plans bought at the sandbox's Stripe over HTTP, through the official SDK."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from factories.answers import detail, ok, problem
from factories.servers import free_port
from factories.till import DECLINED, FAILS_LATER, Till, expected, set_up

from app.composition import Container
from app.domain.billing import Bought
from app.settings import Settings


class TestSetup:
    async def test_makes_everything_once(self, till: Till, settings: Settings) -> None:
        counts = {kind: len(till.objects(kind)) for kind in ("product", "price", "webhook_endpoint")}
        assert counts == {"product": 2, "price": 2, "webhook_endpoint": 1}
        again = await set_up(
            f"{settings.sandbox_base}/stripe", "http://127.0.0.1:9/api/v1/webhooks/stripe", has_secret=True
        )
        assert (again.done, again.webhook_secret) == ([], None)
        keys = {price["lookup_key"]: price["unit_amount"] for price in till.objects("price")}
        assert keys == {"postpilot_pro_monthly": 2900, "postpilot_enterprise_monthly": 9900}
        (configuration,) = till.objects("billing_portal.configuration")
        assert configuration["features"]["subscription_cancel"] == {"enabled": True, "mode": "at_period_end"}

    async def test_whose_secret_was_lost_makes_another_endpoint(self, till: Till, settings: Settings) -> None:
        again = await set_up(f"{settings.sandbox_base}/stripe", "http://127.0.0.1:9/api/v1/webhooks/stripe")
        assert again.webhook_secret not in (None, till.secret)
        assert len(till.objects("webhook_endpoint")) == 1


class TestCheckout:
    async def test_grants_nothing_until_the_provider_says_so(self, till: Till) -> None:
        user = await till.buyer()
        opened = await till.open()
        assert opened["mode"] == "stripe"
        assert opened["checkout_url"].endswith(f"/stripe/checkout/{opened['session_id']}")
        assert await till.plan() == ("free", None)
        (session,) = till.objects("checkout.session")
        assert session["client_reference_id"] == str(user.id)
        unpaid = ok(await till.client.post("/billing/confirm", json={"session_id": opened["session_id"]}))
        assert unpaid == {"status": "open", "subscription": None}
        till.pay(opened["session_id"])
        assert await till.plan() == ("free", None)
        paid = ok(await till.client.post("/billing/confirm", json={"session_id": opened["session_id"]}))
        assert (paid["status"], paid["subscription"]["plan"]) == ("complete", "pro")
        assert await till.plan() == ("pro", "trialing")
        shown = ok(await till.client.get("/billing/overview"))
        assert (shown["mode"], shown["is_trial_available"]) == ("stripe", False)

    async def test_has_a_trial_once(self, till: Till) -> None:
        await till.buyer()
        assert ok(await till.client.get("/billing/overview"))["is_trial_available"] is True
        customer = await till.buy()
        await till.deliver_all()
        days = datetime.fromisoformat(ok(await till.client.get("/billing/current"))["trial_ends_at"]) - datetime.now(
            UTC
        )
        assert timedelta(days=13, hours=23) < days <= timedelta(days=14)
        await till.portal("cancel")
        till.days_pass(15)
        await till.deliver_all()
        assert await till.plan() == ("free", None)
        assert await till.buy("enterprise") == customer
        await till.deliver_all()
        assert await till.plan() == ("enterprise", "active")
        assert [one["trial_end"] is None for one in till.objects("subscription")] == [True, False]

    async def test_asked_for_again_is_the_same_page(self, till: Till) -> None:
        await till.buyer()
        first, second = await till.open(), await till.open()
        assert first == second
        assert till.sandbox.calls("stripe.checkout_create") == 1

    async def test_of_another_plan_closes_the_first_page(self, till: Till) -> None:
        await till.buyer()
        first, second = await till.open("pro"), await till.open("enterprise")
        states = {session["id"]: session["status"] for session in till.objects("checkout.session")}
        assert states == {first["session_id"]: "expired", second["session_id"]: "open"}

    async def test_that_was_paid_is_not_opened_again(self, till: Till) -> None:
        await till.buyer()
        till.pay((await till.open())["session_id"])  # no webhook has come yet
        for plan in ("pro", "enterprise"):
            response = await till.client.post("/billing/checkout", json={"plan": plan})
            assert problem(response) == (400, "already_subscribed")
        assert await till.plan() == ("pro", "trialing")
        assert len(till.objects("subscription")) == 1

    async def test_that_ran_out_is_begun_anew(self, till: Till) -> None:
        await till.buyer()
        first = await till.open()
        till.days_pass(1.01)
        second = await till.open()
        assert first["session_id"] != second["session_id"]
        await till.deliver_all()
        states = await till.rows.execute("SELECT status FROM checkouts ORDER BY created_at")
        assert [row.status for row in states] == ["expired", "open"]

    async def test_a_declined_card_buys_nothing(self, till: Till) -> None:
        await till.buyer()
        opened = await till.open()
        assert till.pay(opened["session_id"], DECLINED) == {"status": "open", "failure": "card_declined"}
        assert till.objects("subscription") == []
        assert await till.open() == opened

    async def test_fifty_at_once_give_one_page_and_one_subscription(self, till: Till) -> None:
        await till.buyer()
        bodies = [{"plan": "pro"}] * 50
        answers = await asyncio.gather(*(till.client.post("/billing/checkout", json=body) for body in bodies))
        assert Counter(answer.status_code for answer in answers) == {201: 50}
        assert len({answer.json()["session_id"] for answer in answers}) == 1
        assert (len(till.objects("checkout.session")), len(till.objects("customer"))) == (1, 1)
        assert till.sandbox.calls("stripe.checkout_create") == 1
        till.pay(answers[0].json()["session_id"])
        await till.deliver_all()
        assert await till.plan() == ("pro", "trialing")
        assert (len(till.objects("subscription")), await till.rows.count("subscriptions")) == (1, 1)

    @pytest.mark.parametrize("operation", ["stripe.customer_create", "stripe.checkout_create"])
    async def test_an_answer_that_got_lost_is_asked_for_with_the_same_key(self, till: Till, operation: str) -> None:
        await till.buyer()
        till.sandbox.fault(operation, "drop_after", times=3)  # the SDK tries three times
        assert problem(await till.client.post("/billing/checkout", json={"plan": "pro"})) == (
            503,
            "payments_unavailable",
        )
        await till.open()
        assert till.sandbox.calls(operation) == 4
        assert (len(till.objects("checkout.session")), len(till.objects("customer"))) == (1, 1)

    async def test_a_failure_that_the_provider_repeats_is_left_behind(self, till: Till) -> None:
        await till.buyer()
        failure = {"error": {"type": "api_error", "message": "broken"}}
        till.sandbox.fault("stripe.checkout_create", "error_after", status=500, body=failure)
        response = await till.client.post("/billing/checkout", json={"plan": "pro"})
        assert problem(response) == (503, "payments_unavailable")  # the key replays the 500
        assert response.headers["retry-after"] == "30"
        await till.open()
        keys = await till.rows.execute("SELECT status FROM checkouts ORDER BY created_at")
        assert [row.status for row in keys] == ["expired", "open"]

    @pytest.mark.parametrize(
        ("status", "kind", "code"),
        [
            (401, "invalid_request_error", "payments_misconfigured"),
            (403, "invalid_request_error", "payments_misconfigured"),
            (400, "invalid_request_error", "payments_misconfigured"),
            (402, "card_error", "card_refused"),
            (429, "invalid_request_error", "payments_unavailable"),
            (409, "idempotency_error", "payments_unavailable"),
        ],
    )
    async def test_refusals_are_told_apart(
        self, till: Till, logged: list[dict[str, Any]], status: int, kind: str, code: str
    ) -> None:
        await till.buyer()
        body = {"error": {"type": kind, "message": "You did it with sk_test_sandbox"}}
        till.sandbox.fault("stripe.checkout_create", "error_before", status=status, body=body, times=3)
        response = await till.client.post("/billing/checkout", json={"plan": "pro"})
        assert problem(response) == (402 if code == "card_refused" else 503, code)
        assert "sk_test" not in response.text + str(logged)
        till.sandbox.clear_faults()
        await till.open()

    async def test_a_customer_who_was_deleted_there_is_made_again(self, till: Till) -> None:
        await till.buyer()
        await till.open()
        (old,) = till.objects("customer")
        (session,) = till.objects("checkout.session")
        till.api("POST", f"checkout/sessions/{session['id']}/expire")
        till.api("DELETE", f"customers/{old['id']}")
        await till.open()
        (new,) = till.objects("customer")
        assert new["id"] != old["id"]

    async def test_without_prices_says_what_to_do(self, till: Till, sandbox: Any) -> None:
        await till.buyer()
        sandbox.reset()
        response = await till.client.post("/billing/checkout", json={"plan": "pro"})
        assert problem(response) == (503, "payments_misconfigured")
        assert "billing-setup" in detail(response)


class TestCancel:
    async def test_and_resume_by_the_api_and_by_the_portal(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        for way in (
            (lambda: till.client.post("/billing/cancel"), lambda: till.client.post("/billing/resume")),
            (lambda: till.portal("cancel"), lambda: till.client.post("/billing/resume")),
            (lambda: till.client.post("/billing/cancel"), lambda: till.portal("resume")),
        ):
            await way[0]()
            await till.deliver_all()
            ending = ok(await till.client.get("/billing/current"))
            assert (ending["status"], ending["cancel_at_period_end"]) == ("trialing", True)
            assert ending["cancels_at"] == ending["trial_ends_at"]
            await way[1]()
            await till.deliver_all()
            assert ok(await till.client.get("/billing/current"))["cancels_at"] is None

    async def test_a_change_is_confirmed_on_the_portal(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        changed = ok(await till.client.post("/billing/change", json={"plan": "enterprise"}))
        assert "/stripe/portal/" in changed["portal_url"]
        assert (changed["mode"], changed["subscription"]["plan"]) == ("stripe", "pro")

    async def test_repeated_changes_nothing(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        assert ok(await till.client.post("/billing/cancel")) == ok(await till.client.post("/billing/cancel"))
        assert till.sandbox.calls("stripe.subscription_update") == 1

    async def test_of_what_has_ended_there(self, till: Till) -> None:
        await till.buyer()
        for verb in ("cancel", "resume"):
            await till.buy()
            await till.deliver_all()
            till.api("DELETE", f"subscriptions/{till.objects('subscription')[0]['id']}")  # no webhook has come
            assert (await till.plan())[0] == "pro"
            assert problem(await till.client.post(f"/billing/{verb}")) == (400, "no_subscription")
            assert await till.plan() == ("free", None)

    async def test_of_everything_before_an_account_is_erased(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        await till.rows.execute("UPDATE users SET erase_due_at = now() - interval '1 s'")
        till.sandbox.fault("stripe.subscription_cancel", "drop_before", times=3)
        assert await till.container.erasure.work() == 0  # something would still be paid for
        assert await till.rows.count("users") == 1
        await till.rows.execute("UPDATE users SET erase_due_at = now() - interval '1 s'")
        assert await till.container.erasure.work() == 1
        assert [one["status"] for one in till.objects("subscription")] == ["canceled"]
        assert await till.rows.count("subscriptions") == 0

    async def test_of_nothing(self, till: Till) -> None:
        await till.buyer()
        for path in ("cancel", "resume", "portal"):
            assert problem(await till.client.post(f"/billing/{path}")) == (400, "no_subscription")


class TestWebhook:
    async def test_is_kept_once_and_without_what_it_says_of_people(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        event = next(event for event in till.events() if event["type"] == "checkout.session.completed")
        assert [ok(await till.deliver(event)) for _ in range(3)] == [{"new": 1}, {"new": 0}, {"new": 0}]
        (kept,) = await till.rows.execute("SELECT payload, is_live, api_version FROM billing_events")
        assert set(kept.payload) == {"customer", "subscription", "checkout", "user_ref"}
        assert (kept.is_live, kept.api_version) == (False, "2026-10-28.endive")

    async def test_a_wrong_signature_keeps_nothing(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        event = till.events()[-1]
        now = int(time.time())
        for wrong in ({"secret": "whsec_other"}, {"at": now - 400}, {"at": now + 400}):
            assert problem(await till.deliver(event, **wrong)) == (400, "webhook_signature_invalid")
        for header in ("", "t=1", "nonsense", "t=x,v1=00"):
            response = await till.client.post("/webhooks/stripe", content=b"{}", headers={"Stripe-Signature": header})
            assert problem(response) == (400, "webhook_signature_invalid")
        assert await till.rows.count("billing_events") == 0

    async def test_what_is_no_event(self, till: Till) -> None:
        for nothing in ([1], {}, {"id": "evt_1", "type": "invoice.paid", "data": {"object": 1}}):
            assert problem(await till.deliver(nothing)) == (400, "invalid_json_payload")  # type: ignore[arg-type]

    async def test_of_the_other_mode_is_ignored(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        event = next(event for event in till.events() if event["type"] == "customer.subscription.created")
        assert (await till.deliver({**event, "livemode": True})).status_code == 200
        assert await till.container.billing_events.work() == 0
        assert await till.rows.scalar("SELECT outcome FROM billing_events") == "other_mode"
        assert await till.plan() == ("free", None)

    async def test_of_a_kind_without_use_is_dropped(self, till: Till) -> None:
        await till.buyer()
        await till.open()
        event = next(event for event in till.events() if event["type"] == "customer.created")
        assert ok(await till.deliver(event)) == {"new": 0}
        assert await till.rows.count("billing_events") == 0

    async def test_of_somebody_unknown_is_looked_for_and_given_up(
        self, till: Till, logged: list[dict[str, Any]]
    ) -> None:
        user = await till.buyer()
        await till.buy()
        event = next(event for event in till.events() if event["type"] == "customer.subscription.created")
        await till.rows.execute("DELETE FROM users WHERE id = :id", id=user.id)
        await till.deliver(event)
        for _ in range(8):
            assert await till.rows.scalar("SELECT handled_at IS NULL FROM billing_events")
            await till.container.billing_events.work()
            await till.rows.execute("UPDATE billing_events SET due_at = clock_timestamp()")
        assert await till.rows.execute("SELECT outcome, tries FROM billing_events") == [("orphan", 8)]
        assert [one["event"] for one in logged if one["log_level"] == "error"] == ["billing.orphan"]

    async def test_comes_from_the_sandbox_itself_twice_late_and_until_it_is_taken(
        self, till: Till, serve_api: Callable[..., str]
    ) -> None:
        """First nobody listens; then an API takes what is sent again, twice and in any order."""
        port = free_port()
        (endpoint,) = till.objects("webhook_endpoint")
        address = {"url": f"http://127.0.0.1:{port}/api/v1/webhooks/stripe"}
        till.api("POST", f"webhook_endpoints/{endpoint['id']}", address)
        till.sandbox.knobs(stripe_webhook_copies=2, stripe_webhook_delay_seconds=0.3)
        await till.buyer()
        await till.buy()
        till.sandbox.knobs(stripe_webhook_hold=False)
        sent = 2 * 3  # customer.created was not asked for
        await _until(lambda: sum(sum(item["tries"]) for item in till.deliveries()["items"]) >= sent)
        assert till.deliveries()["open"] == sent
        serve_api(port, **_stripe(till))
        till.release()
        await _until(lambda: till.deliveries()["open"] == 0)
        assert await till.rows.count("billing_events") == 3
        assert await till.plan() == ("free", None)
        assert await till.container.billing_events.work() == 3
        assert await till.plan() == ("pro", "trialing")


class TestWorking:
    async def test_twice_in_a_row(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        (before,) = await till.rows.execute("SELECT * FROM subscriptions")
        assert await till.container.billing_events.work() == 0
        assert await till.rows.execute("SELECT * FROM subscriptions") == [before]

    async def test_by_two_workers_at_once(self, till: Till, make_worker: Any) -> None:
        await till.buyer()
        await till.buy()
        for event in till.events():
            await till.deliver(event)
        other = make_worker("other", **_stripe(till))
        counts = await asyncio.gather(till.container.billing_events.work(), other.billing_events.work())
        kept = await till.rows.count("billing_events")
        assert sum(counts) == kept == 3
        assert await till.plan() == ("pro", "trialing")
        told = await till.rows.execute("SELECT facts ->> 'status' FROM user_events WHERE kind = 'subscription.updated'")
        assert [row[0] for row in told] == ["none", "trialing"]

    async def test_killed_between_call_and_record(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        for event in till.events():
            await till.deliver(event)
        sync = till.container.billing_sync
        assert sync is not None
        written = asyncio.Event()

        async def never(*_: Any) -> bool:
            written.set()
            await asyncio.Event().wait()
            raise AssertionError

        sync._write = never  # type: ignore[method-assign]
        task = asyncio.create_task(till.container.billing_events.work())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del sync._write  # type: ignore[method-assign]
        assert await till.plan() == ("free", None)
        assert await till.container.billing_events.work() == 0  # leased
        await till.rows.execute("UPDATE billing_events SET due_at = clock_timestamp()")
        assert await till.container.billing_events.work() == 3
        assert await till.plan() == ("pro", "trialing")

    async def test_is_put_off_while_the_provider_is_away(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        for event in till.events():
            await till.deliver(event)
        till.sandbox.fault("stripe.subscription_list", "drop_before", times=3)
        assert await till.container.billing_events.work() == 0
        waits = await till.rows.execute("SELECT tries, due_at - now() > interval '4 s' AS later FROM billing_events")
        assert {tuple(row) for row in waits} == {(1, True)}
        await till.rows.execute("UPDATE billing_events SET due_at = clock_timestamp()")
        assert await till.container.billing_events.work() == 3
        assert await till.plan() == ("pro", "trialing")

    async def test_an_older_answer_never_overwrites_a_newer_one(self, till: Till, make_worker: Any) -> None:
        """One worker has asked and is slow to write; meanwhile the plan changes and another one writes it."""
        user = await till.buyer()
        await till.buy()
        await till.deliver_all()
        slow, quick = make_worker("slow", **_stripe(till)), make_worker("quick", **_stripe(till))
        asked, go_on = asyncio.Event(), asyncio.Event()
        look, looks = slow.billing_sync._look, []

        async def held_up(*arguments: Any) -> list[Bought]:
            found = await look(*arguments)
            looks.append([one.plan for one in found])
            if len(looks) == 1:
                asked.set()
                await go_on.wait()
            return found

        slow.billing_sync._look = held_up
        task = asyncio.create_task(slow.billing_sync.sync(user.id))
        await asked.wait()
        await till.switch("enterprise")
        await quick.billing_sync.sync(user.id)
        assert (await till.plan())[0] == "enterprise"
        go_on.set()
        await task
        assert looks == [["pro"], ["enterprise"]]
        assert (await till.plan())[0] == "enterprise"

    async def test_many_readings_at_once_end_in_the_newest_state(self, till: Till, make_worker: Any) -> None:
        user = await till.buyer()
        await till.buy()
        await till.deliver_all()
        workers = [make_worker(f"w{n}", **_stripe(till)) for n in range(4)]
        till.sandbox.knobs(latency_ms=5)

        async def reading(worker: Container) -> None:
            for _ in range(5):
                await worker.billing_sync.sync(user.id)  # type: ignore[union-attr]

        async def changes() -> None:
            for plan in ("enterprise", "pro", "enterprise"):
                await till.switch(plan)
                await asyncio.sleep(0.05)

        results = await asyncio.gather(*map(reading, workers), changes(), return_exceptions=True)
        assert [result for result in results if result is not None and "overtaken" not in str(result)] == []
        await till.deliver_all()
        assert await till.plan() == expected(till.objects("subscription")) == ("enterprise", "trialing")

    async def test_an_odd_answer_keeps_nobody_else_waiting(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.buyer()
        await till.buy("enterprise")
        for event in till.events():
            await till.deliver(event)
        odd = {"object": "list", "data": [{"id": "sub_1", "object": "subscription"}]}
        till.sandbox.fault("stripe.subscription_list", "error_after", status=200, body=odd)
        assert await till.container.billing_events.work() == 3
        await till.rows.execute("UPDATE billing_events SET due_at = clock_timestamp() WHERE handled_at IS NULL")
        assert await till.container.billing_events.work() == 3
        plans = await till.rows.execute("SELECT plan FROM subscriptions ORDER BY plan")
        assert [row.plan for row in plans] == ["enterprise", "pro"]


class TestReconciliation:
    async def test_finds_what_no_webhook_told(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        assert await till.container.billing_tending.reconcile() == 0
        await till.rows.execute("UPDATE subscriptions SET created_at = now() - interval '21 hours'")
        assert await till.container.billing_tending.reconcile() == 1
        assert await till.plan() == ("pro", "trialing")
        assert await till.container.billing_tending.reconcile() == 0
        await till.portal("cancel")
        till.days_pass(15)
        await till.rows.execute("UPDATE subscriptions SET synced_at = now() - interval '21 hours'")
        assert await till.container.billing_tending.reconcile() == 1
        assert await till.plan() == ("free", None)


class TestSpecialCases:
    async def test_a_price_that_nobody_knows_takes_no_plan_away(self, till: Till, logged: list[dict[str, Any]]) -> None:
        await till.buyer()
        customer = await till.buy()
        await till.deliver_all()
        product = till.api("POST", "products", {"name": "Hand made"})
        of = {"product": product["id"], "unit_amount": "100", "currency": "usd", "recurring[interval]": "month"}
        price = till.api("POST", "prices", of)
        (subscription,) = till.objects("subscription")
        item = subscription["items"]["data"][0]["id"]
        moved = {"items[0][id]": item, "items[0][price]": price["id"]}
        till.api("POST", f"subscriptions/{subscription['id']}", moved)
        await till.deliver_all(customer)
        assert await till.plan() == ("pro", "trialing")
        alerts = [one for one in logged if one["event"] == "billing.alert"]
        assert {(one["log_level"], one["reason"]) for one in alerts} == {("error", "unknown_price")}

    async def test_a_price_that_lost_its_lookup_key_is_remembered(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        await till.deliver_all()
        dearer = {
            "product": "postpilot_pro", "unit_amount": "3900", "currency": "usd", "recurring[interval]": "month",
            "lookup_key": "postpilot_pro_monthly", "transfer_lookup_key": "true",
        }  # fmt: skip
        till.api("POST", "prices", dearer)
        old = till.objects("subscription")[0]["items"]["data"][0]["price"]
        assert old["lookup_key"] is None
        till.api("POST", f"prices/{old['id']}", {"metadata[plan]": ""})
        till.days_pass(15)
        await till.deliver_all()
        assert await till.plan() == ("pro", "active")

    async def test_two_subscriptions_keep_the_newest_and_alert(self, till: Till, logged: list[dict[str, Any]]) -> None:
        await till.buyer()
        customer = await till.buy()
        await till.deliver_all()
        (price,) = [one for one in till.objects("price") if one["lookup_key"] == "postpilot_enterprise_monthly"]
        second = {
            "mode": "subscription", "customer": customer, "line_items[0][price]": price["id"],
            "line_items[0][quantity]": "1", "success_url": "http://dashboard.test/",
        }  # fmt: skip
        session = till.api("POST", "checkout/sessions", second)
        till.pay(session["id"])
        await till.deliver_all()
        assert await till.plan() == ("enterprise", "active")
        assert [one["reason"] for one in logged if one["event"] == "billing.alert"][-1] == "two_subscriptions"

    async def test_the_end_of_a_trial_is_told_once(self, till: Till) -> None:
        await till.buyer()
        await till.buy()
        till.days_pass(11.5)
        await till.deliver_all()
        await till.deliver_all()
        told = await till.rows.execute("SELECT facts FROM user_events WHERE kind = 'subscription.trial_ends_soon'")
        assert len(told) == 1
        assert told[0].facts["trial_ends_at"] is not None

    async def test_a_failed_payment_shows_where_to_pay(self, till: Till) -> None:
        await till.buyer()
        await till.buy(card=FAILS_LATER)
        till.days_pass(14.1)
        await till.deliver_all()
        assert await till.plan() == ("pro", "past_due")
        current = ok(await till.client.get("/billing/current"))
        async with httpx.AsyncClient(trust_env=False) as http:
            page = await http.get(current["invoice_url"])
            assert (page.status_code, "$29.00" in page.text) == (200, True)
        for _ in range(2):  # the moment of the first failure does not move
            since = current["past_due_since"]
            till.days_pass(3.1)
            await till.deliver_all()
            current = ok(await till.client.get("/billing/current"))
            assert current["past_due_since"] == since
        till.days_pass(30)
        await till.deliver_all()
        assert await till.plan() == ("free", None)

    async def test_an_unpaid_subscription_gives_nothing_but_can_be_paid(self, till: Till) -> None:
        till.sandbox.knobs(stripe_after_retries="unpaid")
        await till.buyer()
        await till.buy(card=FAILS_LATER)
        till.days_pass(40)
        await till.deliver_all()
        assert await till.plan() == ("free", "unpaid")
        assert problem(await till.client.post("/billing/checkout", json={"plan": "pro"})) == (400, "already_subscribed")
        await till.portal("card", card="4242424242424242")
        await till.portal("pay")
        await till.deliver_all()
        assert (await till.plan())[0] == "pro"


def _stripe(till: Till) -> dict[str, Any]:
    settings = till.container.settings
    names = ("stripe_secret_key", "stripe_webhook_secret", "stripe_api_base")
    return {name: getattr(settings, name) for name in names}


async def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
