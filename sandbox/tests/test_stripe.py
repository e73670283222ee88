"""Stripe's API at the sandbox, call by call: what it refuses, repeats, and does as time passes."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from sandbox.tests.clients import Control

VERSION = "2026-10-28.endive"
DAY = 86_400


class Api:
    """A caller with a key and a version."""

    def __init__(self, http: httpx.Client, url: str) -> None:
        self._http = http
        self.url = url

    def send(self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        given = {"authorization": "Bearer sk_test_1", "stripe-version": VERSION}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        query = data if method == "GET" else None
        form = None if method == "GET" else data
        return self._http.request(method, f"{self.url}/stripe/v1/{path}", params=query, data=form, headers=given)

    def ok(self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        response = self.send(method, path, data, **headers)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def refused(
        self, method: str, path: str, data: dict[str, Any] | None = None, **headers: str
    ) -> tuple[int, Any, Any]:
        response = self.send(method, path, data, **headers)
        error = response.json()["error"]
        assert error["message"]
        return response.status_code, error.get("code") or error["type"], error.get("param")


@pytest.fixture
def api(control: Control, http: httpx.Client, sandbox_url: str) -> Api:
    return Api(http, sandbox_url)


@pytest.fixture
def prices(api: Api) -> dict[str, str]:
    """Two prices, by plan."""
    made = {}
    for plan, amount in (("pro", 2900), ("enterprise", 9900)):
        product = api.ok("POST", "products", {"name": plan})["id"]
        price = {
            "product": product, "unit_amount": amount, "currency": "usd", "recurring[interval]": "month",
            "lookup_key": plan,
        }  # fmt: skip
        made[plan] = api.ok("POST", "prices", price)["id"]
    return made


def checkout(price: str, **more: Any) -> dict[str, Any]:
    return {
        "mode": "subscription", "line_items[0][price]": price, "line_items[0][quantity]": 1,
        "success_url": "http://app.test/done?session_id={CHECKOUT_SESSION_ID}", "cancel_url": "http://app.test/no",
        **more,
    }  # fmt: skip


def bought(api: Api, control: Control, price: str, card: str = "4242424242424242", **more: Any) -> dict[str, Any]:
    """Buy, and return the subscription."""
    customer = api.ok("POST", "customers", {"email": "a@example.com"})["id"]
    session = api.ok("POST", "checkout/sessions", checkout(price, customer=customer, **more))
    assert control.post("stripe/checkout", session_id=session["id"], action="pay", card=card)["status"] == "complete"
    paid = api.ok("GET", f"checkout/sessions/{session['id']}", {"expand[0]": "subscription"})
    assert (paid["status"], paid["url"]) == ("complete", None)
    return dict(paid["subscription"])


class TestCalls:
    def test_need_a_key_and_a_version(self, api: Api) -> None:
        for header in ("", "Basic sk_test_1", "Bearer pk_test_1", "Bearer sk_test_refused", "Bearer sk_live_1"):
            assert api.refused("GET", "customers", authorization=header)[0] == 401
        for version in ("", "latest"):
            assert api.refused("GET", "customers", stripe_version=version)[0] == 400
        assert api.refused("GET", "nothing")[0] == 404

    def test_refuse_what_they_do_not_know(self, api: Api, prices: dict[str, str]) -> None:
        for data, where in (
            ({"colour": "red"}, "colour"),
            ({"metadata[a]": "1", "address[street]": "x"}, "address"),
        ):
            assert api.refused("POST", "customers", data) == (400, "parameter_unknown", where)
        odd = checkout(prices["pro"], **{"subscription_data[trial_days]": 14})
        assert api.refused("POST", "checkout/sessions", odd) == (
            400,
            "parameter_unknown",
            "subscription_data[trial_days]",
        )
        none = checkout(prices["pro"], **{"subscription_data[trial_period_days]": "x"})
        assert api.refused("POST", "checkout/sessions", none)[1] == "parameter_invalid_integer"
        assert api.refused("POST", "checkout/sessions", checkout("price_none"))[:2] == (404, "resource_missing")
        assert api.refused("POST", "checkout/sessions", {"mode": "subscription"})[1] == "parameter_missing"
        assert api.refused("POST", "checkout/sessions", checkout(prices["pro"], ui_mode="hosted"))[0] == 400
        assert api.refused("GET", "customers", {"expand[0]": "data.nothing", "limit": 101})[0] == 400

    def test_repeat_their_answer_for_a_key(self, api: Api) -> None:
        first = api.send("POST", "customers", {"email": "a@example.com"}, idempotency_key="k")
        again = api.send("POST", "customers", {"email": "a@example.com"}, idempotency_key="k")
        assert first.json() == again.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert api.refused("POST", "customers", {"email": "b@example.com"}, idempotency_key="k")[:2] == (
            400, "idempotency_error",
        )  # fmt: skip
        assert len(api.ok("GET", "customers")["data"]) == 1
        assert api.refused("POST", "customers", {"colour": "red"}, idempotency_key="l")[0] == 400
        api.ok("POST", "customers", {"email": "c@example.com"}, idempotency_key="l")  # nothing was kept of a refusal

    def test_repeat_a_failure_too(self, api: Api, control: Control) -> None:
        control.post("faults", operation="stripe.customer_create", kind="error_after", status=500)
        for _ in range(2):
            assert api.send("POST", "customers", {}, idempotency_key="k").status_code == 500
        assert len(api.ok("GET", "customers")["data"]) == 1

    def test_whose_answer_is_dropped_have_acted(self, api: Api, control: Control) -> None:
        control.post("faults", operation="stripe.customer_create", kind="drop_after")
        with pytest.raises(httpx.RemoteProtocolError):
            api.send("POST", "customers", {}, idempotency_key="k")
        api.ok("POST", "customers", {}, idempotency_key="k")
        assert len(api.ok("GET", "customers")["data"]) == 1


class TestPrices:
    def test_a_lookup_key_moves_only_when_told(self, api: Api, prices: dict[str, str]) -> None:
        product = api.ok("GET", f"prices/{prices['pro']}", {"expand[0]": "product"})["product"]["id"]
        dearer = {"product": product, "unit_amount": 3900, "currency": "usd", "lookup_key": "pro"}
        assert api.refused("POST", "prices", dearer)[1] == "resource_already_exists"
        new = api.ok("POST", "prices", {**dearer, "transfer_lookup_key": "true"})
        found = api.ok("GET", "prices", {"lookup_keys[0]": "pro", "active": "true"})["data"]
        assert [one["id"] for one in found] == [new["id"]]
        assert api.ok("GET", f"prices/{prices['pro']}")["lookup_key"] is None


class TestCheckout:
    def test_page_takes_declines_and_lets_go(self, api: Api, http: httpx.Client, prices: dict[str, str]) -> None:
        customer = api.ok("POST", "customers", {})["id"]
        session = api.ok("POST", "checkout/sessions", checkout(prices["pro"], customer=customer))
        page = http.get(session["url"])
        assert page.status_code == 200
        assert "$29.00 a month" in page.text
        assert 'href="http://app.test/no"' in page.text
        declined = http.post(session["url"], data={"card": "4000000000000002"})
        assert (declined.status_code, "declined" in declined.text) == (200, True)
        assert api.ok("GET", "subscriptions")["data"] == []
        paid = http.post(session["url"], data={"card": "4242424242424242"})
        assert (paid.status_code, paid.headers["location"]) == (
            303, f"http://app.test/done?session_id={session['id']}",
        )  # fmt: skip
        assert http.get(session["url"]).status_code == 404
        assert api.refused("POST", f"checkout/sessions/{session['id']}/expire")[0] == 400
        (subscription,) = api.ok("GET", "subscriptions", {"customer": customer})["data"]
        item = subscription["items"]["data"][0]
        assert (subscription["status"], item["price"]["lookup_key"]) == ("active", "pro")
        assert "current_period_end" not in subscription
        assert item["current_period_end"] > item["current_period_start"]

    def test_a_trial_needs_no_card_if_so_agreed(self, api: Api, control: Control, prices: dict[str, str]) -> None:
        trial = {"subscription_data[trial_period_days]": 14, "payment_method_collection": "if_required"}
        ending = {"subscription_data[trial_settings][end_behavior][missing_payment_method]": "cancel"}
        subscription = bought(api, control, prices["pro"], "", **trial, **ending)
        assert subscription["status"] == "trialing"
        control.post("clock", advance_seconds=14 * DAY + 1)
        assert api.ok("GET", f"subscriptions/{subscription['id']}")["status"] == "canceled"

    def test_runs_out_after_a_day(self, api: Api, control: Control, prices: dict[str, str]) -> None:
        session = api.ok("POST", "checkout/sessions", checkout(prices["pro"]))
        control.post("clock", advance_seconds=DAY + 1)
        assert api.ok("GET", f"checkout/sessions/{session['id']}")["status"] == "expired"


class TestTime:
    def test_renews_retries_and_ends(self, api: Api, control: Control, prices: dict[str, str]) -> None:
        trial = {"subscription_data[trial_period_days]": 14}
        subscription = bought(api, control, prices["pro"], "4000000000000341", **trial)
        path = f"subscriptions/{subscription['id']}"
        states = []
        for days in (14, 3, 5, 7):
            control.post("clock", advance_seconds=days * DAY + 60)
            now = api.ok("GET", path, {"expand[0]": "latest_invoice"})
            states.append((now["status"], now["latest_invoice"]["status"], now["latest_invoice"]["attempt_count"]))
        assert states == [
            ("past_due", "open", 1), ("past_due", "open", 2), ("past_due", "open", 3), ("canceled", "void", 4),
        ]  # fmt: skip
        kinds = [item["event"]["type"] for item in control.get("stripe/events")["items"]]
        assert kinds.count("invoice.payment_failed") == 4
        assert kinds[-1] == "customer.subscription.deleted"
        assert "customer.subscription.trial_will_end" in kinds

    def test_a_long_jump_renews_month_by_month(self, api: Api, control: Control, prices: dict[str, str]) -> None:
        subscription = bought(api, control, prices["pro"])
        control.post("clock", advance_seconds=100 * DAY)
        invoices = api.ok("GET", "invoices", {"subscription": subscription["id"]})["data"]
        assert [one["billing_reason"] for one in invoices] == ["subscription_cycle"] * 3 + ["subscription_create"]
        assert {one["status"] for one in invoices} == {"paid"}
        assert invoices[0]["parent"]["subscription_details"]["subscription"] == subscription["id"]


class TestPortal:
    @pytest.fixture
    def url(self, api: Api, control: Control, prices: dict[str, str]) -> str:
        subscription = bought(api, control, prices["pro"])
        assert api.refused("POST", "billing_portal/sessions", {"customer": subscription["customer"]})[0] == 400
        features = {"features[subscription_update][enabled]": "true"}
        for index, price in enumerate(prices.values()):
            where = f"features[subscription_update][products][{index}]"
            product = api.ok("GET", f"prices/{price}")["product"]
            features |= {f"{where}[product]": product, f"{where}[prices][0]": price}
        api.ok("POST", "billing_portal/configurations", features)
        return str(api.ok("POST", "billing_portal/sessions", {"customer": subscription["customer"]})["url"])

    def test_moves_up_at_once_and_down_with_the_period(
        self, api: Api, http: httpx.Client, control: Control, url: str, prices: dict[str, str]
    ) -> None:
        (subscription,) = api.ok("GET", "subscriptions")["data"]
        of = {"subscription": subscription["id"], "action": "switch"}

        def price() -> str:
            now = api.ok("GET", f"subscriptions/{subscription['id']}")
            return str(now["items"]["data"][0]["price"]["id"])

        assert http.post(url, data={**of, "price": prices["enterprise"]}).status_code == 303
        assert price() == prices["enterprise"]
        assert http.post(url, data={**of, "price": prices["pro"]}).status_code == 303
        assert price() == prices["enterprise"]
        assert "Becomes pro on" in http.get(url).text
        control.post("clock", advance_seconds=31 * DAY)
        assert price() == prices["pro"]

    def test_cancels_in_the_flexible_way_and_takes_it_back(self, api: Api, http: httpx.Client, url: str) -> None:
        (subscription,) = api.ok("GET", "subscriptions")["data"]
        of = {"subscription": subscription["id"]}
        http.post(url, data={**of, "action": "cancel"})
        ending = api.ok("GET", f"subscriptions/{subscription['id']}")
        assert ending["cancel_at"] == subscription["items"]["data"][0]["current_period_end"]
        assert ending["cancel_at_period_end"] is False
        http.post(url, data={**of, "action": "resume"})
        assert api.ok("GET", f"subscriptions/{subscription['id']}")["cancel_at"] is None


class Listener:
    """Takes deliveries; refuses the first so many."""

    def __init__(self) -> None:
        self.bodies: list[tuple[bytes, str]] = []
        self.refuse = 0
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.bodies.append((body, self.headers["stripe-signature"]))
                listener.refuse -= 1
                self.send_response(500 if listener.refuse >= 0 else 200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TestEvents:
    @pytest.fixture
    def listener(self) -> Iterator[Listener]:
        listener = Listener()
        yield listener
        listener.close()

    def test_are_signed_copied_and_sent_until_they_are_taken(
        self, api: Api, control: Control, listener: Listener
    ) -> None:
        listener.refuse = 2
        control.knobs(stripe_webhook_copies=2)
        endpoint = {"url": listener.url, "enabled_events[0]": "customer.created", "api_version": VERSION}
        secret = api.ok("POST", "webhook_endpoints", endpoint)["secret"]
        assert "secret" not in api.ok("GET", "webhook_endpoints")["data"][0]
        customer = api.ok("POST", "customers", {"email": "a@example.com"})
        wait_until(lambda: control.get("stripe/events")["open"] == 0)
        (item,) = control.get("stripe/events")["items"]
        assert (len(listener.bodies), sorted(item["tries"])) == (4, [2, 2])
        for body, header in listener.bodies:
            parts = dict(part.split("=", 1) for part in header.split(","))
            expected = hmac.new(secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
            assert parts["v1"] == expected
            event = json.loads(body)
            assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", customer["id"])
        assert len({json.loads(body)["id"] for body, _ in listener.bodies}) == 1

    def test_wait_while_they_are_held(self, api: Api, control: Control, listener: Listener) -> None:
        control.knobs(stripe_webhook_hold=True)
        api.ok("POST", "webhook_endpoints", {"url": listener.url, "enabled_events[0]": "*"})
        api.ok("POST", "customers", {})
        assert control.get("stripe/events")["open"] == 1
        assert listener.bodies == []
        control.knobs(stripe_webhook_hold=False)
        wait_until(lambda: control.get("stripe/events")["open"] == 0)
        assert len(listener.bodies) == 1


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)
