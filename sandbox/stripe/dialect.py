"""Stripe's way of routing, authenticating, repeating and failing. Source: stripe.md §2, §10."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from sandbox.ids import token
from sandbox.records import StripeThing
from sandbox.stripe import catalog, checkout, portal, subscriptions, webhooks
from sandbox.stripe.book import Body, Book
from sandbox.stripe.errors import error_answer, refuse
from sandbox.stripe.life import tick
from sandbox.stripe.params import EXPAND, LISTED, check, nest
from sandbox.wire import Answer, Call, Endpoint, PlatformError, ok

KEY_CHARS_MAX = 255
KEY_LIFE_SECONDS = 86_400
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
REFUSED_KEY = "sk_test_refused"

Handler = Callable[[Book, Body, list[str]], Body]


@dataclass(frozen=True)
class Operation:
    """One thing the API can do."""

    name: str
    method: str
    path: tuple[str, ...]
    handler: Handler
    schema: dict[str, Any] = field(default_factory=lambda: EXPAND)


def _shown(kind: str) -> Handler:
    return lambda book, _params, ids: book.get(kind, ids[0])


def _operation(name: str, route: str, handler: Handler, schema: dict[str, Any] = EXPAND) -> Operation:
    method, _, path = route.partition(" ")
    return Operation(f"stripe.{name}", method, tuple(path.split("/")), handler, schema)


OPERATIONS = (
    _operation("product_create", "POST products", catalog.add_product, catalog.NEW_PRODUCT),
    _operation("product_list", "GET products", catalog.list_products, catalog.PRODUCTS),
    _operation("product", "GET products/*", _shown("product")),
    _operation("product_update", "POST products/*", catalog.change_product, catalog.PRODUCT),
    _operation("price_create", "POST prices", catalog.add_price, catalog.NEW_PRICE),
    _operation("price_list", "GET prices", catalog.list_prices, catalog.PRICES),
    _operation("price", "GET prices/*", _shown("price")),
    _operation("price_update", "POST prices/*", catalog.change_price, catalog.PRICE),
    _operation("customer_create", "POST customers", catalog.add_customer, catalog.CUSTOMER),
    _operation("customer_list", "GET customers", catalog.list_customers, catalog.CUSTOMERS),
    _operation("customer", "GET customers/*", _shown("customer")),
    _operation("customer_update", "POST customers/*", catalog.change_customer, catalog.CUSTOMER),
    _operation("customer_delete", "DELETE customers/*", subscriptions.delete_customer),
    _operation("checkout_create", "POST checkout/sessions", checkout.add_session, checkout.SESSION),
    _operation("checkout_list", "GET checkout/sessions", checkout.list_sessions, checkout.SESSIONS),
    _operation("checkout", "GET checkout/sessions/*", _shown("checkout.session")),
    _operation("checkout_expire", "POST checkout/sessions/*/expire", checkout.expire_session),
    _operation("subscription_list", "GET subscriptions", subscriptions.list_subscriptions, subscriptions.LIST),
    _operation("subscription", "GET subscriptions/*", _shown("subscription")),
    _operation("subscription_update", "POST subscriptions/*", subscriptions.change_subscription, subscriptions.CHANGE),
    _operation(
        "subscription_cancel", "DELETE subscriptions/*", subscriptions.cancel_subscription, subscriptions.CANCEL
    ),
    _operation("invoice_list", "GET invoices", subscriptions.list_invoices, subscriptions.INVOICES),
    _operation("invoice", "GET invoices/*", _shown("invoice")),
    _operation("portal_create", "POST billing_portal/sessions", portal.add_session, portal.SESSION),
    _operation(
        "portal_configuration_create",
        "POST billing_portal/configurations",
        portal.add_configuration,
        portal.CONFIGURATION,
    ),
    _operation(
        "portal_configuration_list",
        "GET billing_portal/configurations",
        portal.list_configurations,
        portal.CONFIGURATIONS,
    ),
    _operation("portal_configuration", "GET billing_portal/configurations/*", _shown("billing_portal.configuration")),
    _operation(
        "portal_configuration_update",
        "POST billing_portal/configurations/*",
        portal.change_configuration,
        portal.CONFIGURATION,
    ),
    _operation("webhook_create", "POST webhook_endpoints", webhooks.add_endpoint, webhooks.NEW_ENDPOINT),
    _operation("webhook_list", "GET webhook_endpoints", webhooks.list_endpoints, LISTED),
    _operation("webhook", "GET webhook_endpoints/*", _shown("webhook_endpoint")),
    _operation("webhook_update", "POST webhook_endpoints/*", webhooks.change_endpoint, webhooks.CHANGED_ENDPOINT),
    _operation("webhook_delete", "DELETE webhook_endpoints/*", webhooks.delete_endpoint),
    _operation("event_list", "GET events", webhooks.list_events, webhooks.EVENTS),
    _operation("event", "GET events/*", _shown("event")),
)


@dataclass(slots=True)
class Begun:
    """A call that was carried out, until its answer is known."""

    key: str
    fingerprint: str


class StripeDialect:
    """The dialect of Stripe's API. Any secret key opens it but `sk_test_refused`; there is only test mode."""

    name: Literal["stripe"] = "stripe"

    def __init__(self, book: Book) -> None:
        self.book = book

    def resolve(self, call: Call) -> Endpoint:
        """Find the endpoint of a call with a key and a version."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.startswith(("sk_", "rk_")) or key == REFUSED_KEY:
            raise refuse("Invalid API Key provided.", 401)
        if key.startswith(("sk_live_", "rk_live_")):
            raise refuse("The sandbox takes keys of test mode only.", 401)
        if not VERSION.fullmatch(call.headers.get("stripe-version", "")):
            raise refuse("Send the version of the API in the header Stripe-Version.")
        parts = call.segments[1:] if call.segments[:1] == ["v1"] else []
        for operation in OPERATIONS:
            if operation.method == call.method and _matches(operation.path, parts):
                ids = [part for part, wanted in zip(parts, operation.path, strict=True) if wanted == "*"]
                return Endpoint(operation.name, partial(self._run, operation=operation, ids=ids))
        raise refuse(f"Unrecognized request URL ({call.method}: {call.path}).", 404)

    async def _run(self, call: Call, operation: Operation, ids: list[str]) -> Answer:
        self.book.base_url = call.base_url
        tick(self.book)
        params = check(operation.schema, nest(call.params))
        key = call.headers.get("idempotency-key", "") if call.method == "POST" else ""
        if len(key) > KEY_CHARS_MAX:
            raise refuse("Idempotency keys have up to 255 characters.", type="idempotency_error")
        fingerprint = hashlib.sha256(json.dumps([call.path, params], sort_keys=True).encode()).hexdigest()
        known = self._known(key, fingerprint)
        if known is not None:
            return known
        call.wanted = Begun(key, fingerprint)
        try:
            body = operation.handler(self.book, params, ids)
            paths = params.get("expand", [])
            is_list = body.get("object") == "list" or body.get("deleted")
            answer = ok(self.book.expand(body if is_list else self.book.show(body), paths))
        except PlatformError as refusal:
            if refusal.answer.status == 402:  # a wrong parameter is refused before anything begins
                self._keep(call.wanted, refusal.answer)
            raise
        self._keep(call.wanted, answer)
        return answer

    def _known(self, key: str, fingerprint: str) -> Answer | None:
        """Return the answer that was given to this key before."""
        found = self.book.sandbox.state.stripe.get(f"key:{key}") if key else None
        if found is None or found.body["at"] < self.book.now - KEY_LIFE_SECONDS:
            return None
        if found.body["fingerprint"] != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            raise PlatformError(error_answer(400, message, kind="idempotency_error"))
        kept = found.body
        answer = Answer(kept["answer"].encode(), kept["status"])
        return answer.with_headers(("idempotent-replayed", "true"), ("original-request", kept["request_id"]))

    def _keep(self, begun: Begun, answer: Answer) -> None:
        """Remember the answer to a key: failures of the server too, but not what was refused before it began."""
        if not begun.key:
            return
        body = {
            "fingerprint": begun.fingerprint,
            "status": answer.status,
            "answer": answer.body.decode(),
            "at": self.book.now,
            "request_id": token("req_", 14),
        }
        self.book.sandbox.state.stripe.put(StripeThing(id=f"key:{begun.key}", kind="key", body=body))

    def admit(self, call: Call, endpoint: Endpoint) -> Answer | None:
        """Nothing is counted: limits come as faults."""
        del call, endpoint
        return None

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Every answer names its request; one that failed after it was carried out is what the key replays."""
        if isinstance(call.wanted, Begun) and answer.status >= 500:
            self._keep(call.wanted, answer)
            self.book.sandbox.store.flush()
        version = call.headers.get("stripe-version", "")
        return answer.with_headers(("request-id", token("req_", 14)), ("stripe-version", version))

    def throttled(self, call: Call) -> Answer:
        """429."""
        del call
        return error_answer(429, "Too many requests hit the API too quickly.", code="rate_limit")

    def token_refused(self, call: Call) -> Answer:
        """401."""
        del call
        return error_answer(401, "Invalid API Key provided.")

    def broken(self) -> Answer:
        """500."""
        return error_answer(500, "An error occurred on our side.")

    def unreadable(self, reason: str) -> Answer:
        """400."""
        return error_answer(400, f"The request body is {reason}.")


def _matches(path: tuple[str, ...], parts: list[str]) -> bool:
    return len(path) == len(parts) and all(wanted in ("*", part) for wanted, part in zip(path, parts, strict=True))
