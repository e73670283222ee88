"""Checkout sessions: made by the API, paid, declined or abandoned on a page. Source: stripe.md §4."""

from __future__ import annotations

from typing import Any

from sandbox.ids import token
from sandbox.stripe.book import PREFIXES, Body, Book
from sandbox.stripe.errors import CardDeclinedError, refuse
from sandbox.stripe.params import EXPAND, LISTED, MAP, require
from sandbox.stripe.subscriptions import add_subscription

LIFE_SECONDS = 86_400
LIFE_MIN_SECONDS = 1_800
REFERENCE_CHARS_MAX = 200

SESSION: dict[str, Any] = {
    "mode": "payment|setup|subscription",
    "customer": "text",
    "customer_email": "text",
    "client_reference_id": "text",
    "line_items": [{"price": "text", "quantity": "int"}],
    "success_url": "text",
    "cancel_url": "text",
    "metadata": MAP,
    "subscription_data": {
        "metadata": MAP,
        "description": "text",
        "trial_period_days": "int",
        "trial_end": "int",
        "trial_settings": {"end_behavior": {"missing_payment_method": "cancel|create_invoice|pause"}},
    },
    "payment_method_collection": "always|if_required",
    "allow_promotion_codes": "bool",
    "billing_address_collection": "auto|required",
    "expires_at": "int",
    "locale": "text",
    "ui_mode": "elements|embedded_page|form|hosted_page",
    **EXPAND,
}
SESSIONS: dict[str, Any] = {"customer": "text", "subscription": "text", "status": "complete|expired|open", **LISTED}

CARDS: dict[str, dict[str, Any]] = {
    "4242424242424242": {"brand": "visa", "last4": "4242", "fails": False},
    "5555555555554444": {"brand": "mastercard", "last4": "4444", "fails": False},
    "4000000000000341": {"brand": "visa", "last4": "0341", "fails": True},
}
"""Cards that can be kept; the last one is taken, and every payment with it fails."""
DECLINED = "4000000000000002"


def add_session(book: Book, params: Body, _ids: list[str]) -> Body:
    """Make a session that sells a subscription."""
    require(params, "mode", "line_items", "success_url")
    if params["mode"] != "subscription":
        raise refuse("The sandbox sells subscriptions only.", param="mode")
    if "customer" in params and "customer_email" in params:
        raise refuse("You may only specify one of customer and customer_email.", param="customer")
    if "customer" in params:
        book.get("customer", params["customer"], "customer")
    price = book.get("price", params["line_items"][0].get("price"), "line_items[0][price]")
    if not price["active"] or not price["recurring"]:
        raise refuse("The price specified is inactive or not recurring.", param="line_items[0][price]")
    if len(params.get("client_reference_id", "")) > REFERENCE_CHARS_MAX:
        raise refuse("client_reference_id has up to 200 characters", param="client_reference_id")
    data = params.get("subscription_data", {})
    if data.get("trial_period_days", 1) < 1:
        raise refuse("trial_period_days must be at least 1", param="subscription_data[trial_period_days]")
    expires_at = params.get("expires_at", book.now + LIFE_SECONDS)
    if not LIFE_MIN_SECONDS <= expires_at - book.now <= LIFE_SECONDS:
        raise refuse("expires_at must be between 30 minutes and 24 hours from now", param="expires_at")
    session_id = token(PREFIXES["checkout.session"], 40)
    session = {
        "status": "open",
        "payment_status": "unpaid",
        "mode": "subscription",
        "ui_mode": "hosted_page",
        "customer": params.get("customer"),
        "customer_email": params.get("customer_email"),
        "client_reference_id": params.get("client_reference_id"),
        "subscription": None,
        "invoice": None,
        "metadata": params.get("metadata", {}),
        "success_url": params["success_url"],
        "cancel_url": params.get("cancel_url"),
        "expires_at": expires_at,
        "url": f"{book.base_url}/stripe/checkout/{session_id}",
        "currency": price["currency"],
        "amount_total": 0 if data.get("trial_period_days") else price["unit_amount"],
        "payment_method_collection": params.get("payment_method_collection", "always"),
        "_price": price["id"],
        "_data": data,
    }
    return book.make("checkout.session", session, thing_id=session_id)


def list_sessions(book: Book, params: Body, _ids: list[str]) -> Body:
    found = book.all("checkout.session")
    for name in ("customer", "subscription", "status"):
        if name in params:
            found = [one for one in found if one[name] == params[name]]
    return book.page(found, params, "/v1/checkout/sessions")


def expire_session(book: Book, _params: Body, ids: list[str]) -> Body:
    """Close a session that has not been paid."""
    session = book.get("checkout.session", ids[0])
    if session["status"] != "open":
        raise refuse(f"Only Checkout Sessions with a status in [open] can be expired. This one is {session['status']}.")
    session.update(status="expired", url=None)
    book.save(session)
    book.tell("checkout.session.expired", session)
    return session


def card_of(number: str) -> Body | None:
    """Return a card by its number, `None` for an empty one. Raises `CardDeclinedError`."""
    digits = number.replace(" ", "")
    if not digits:
        return None
    if digits == DECLINED or digits not in CARDS:
        raise CardDeclinedError
    return {"id": token("pm_", 24), **CARDS[digits]}


def needs_card(session: Body) -> bool:
    """Whether a session cannot be completed without a card."""
    is_trial = bool(session["_data"].get("trial_period_days"))
    return not (is_trial and session["payment_method_collection"] == "if_required")


def complete(book: Book, session: Body, number: str) -> Body:
    """Pay a session, as a person does. Raises `CardDeclinedError`; then it stays open."""
    if session["status"] != "open":
        raise refuse("This Checkout Session is not open any more.")
    card = card_of(number)
    if card is None and needs_card(session):
        raise CardDeclinedError
    data, price = session["_data"], book.get("price", session["_price"])
    customer = book.find("customer", session["customer"] or "")
    is_new = customer is None
    if customer is None:
        body = {"email": session["customer_email"], "name": None, "metadata": {}, "description": None, "_card": None}
        customer = book.make("customer", body)
    before, customer["_card"] = customer["_card"], card or customer["_card"]
    missing = data.get("trial_settings", {}).get("end_behavior", {}).get("missing_payment_method", "create_invoice")
    try:
        subscription = add_subscription(
            book,
            customer,
            price,
            trial_days=data.get("trial_period_days", 0),
            metadata=dict(data.get("metadata", {})),
            missing=missing,
        )
    except CardDeclinedError:
        customer["_card"] = before
        if is_new:
            book.drop(customer)
        raise
    book.save(customer)
    session.update(
        status="complete",
        payment_status="no_payment_required" if subscription["status"] == "trialing" else "paid",
        customer=customer["id"],
        subscription=subscription["id"],
        invoice=subscription["latest_invoice"],
        url=None,
    )
    book.save(session)
    book.tell("checkout.session.completed", session)
    return subscription
