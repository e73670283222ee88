"""The customer portal: its configuration, its sessions, and what a person does there. Source: stripe.md §5."""

from __future__ import annotations

from typing import Any

from sandbox.ids import token
from sandbox.stripe.book import PREFIXES, Body, Book
from sandbox.stripe.checkout import card_of
from sandbox.stripe.errors import refuse
from sandbox.stripe.params import EXPAND, LISTED, MAP, require
from sandbox.stripe.subscriptions import ENDED, move, pay, period_end, set_end

LIFE_SECONDS = 3_600
PRODUCTS_MAX = 10

_TOGGLE: dict[str, Any] = {"enabled": "bool"}
CONFIGURATION: dict[str, Any] = {
    "business_profile": {"headline": "text", "privacy_policy_url": "text", "terms_of_service_url": "text"},
    "default_return_url": "text",
    "features": {
        "customer_update": {"enabled": "bool", "allowed_updates": ["address|email|name|phone|shipping|tax_id"]},
        "invoice_history": _TOGGLE,
        "payment_method_update": _TOGGLE,
        "subscription_cancel": {
            "enabled": "bool",
            "mode": "at_period_end|immediately",
            "proration_behavior": "always_invoice|create_prorations|none",
            "cancellation_reason": {"enabled": "bool", "options": ["text"]},
        },
        "subscription_update": {
            "enabled": "bool",
            "default_allowed_updates": ["price|promotion_code|quantity"],
            "products": [{"product": "text", "prices": ["text"]}],
            "proration_behavior": "always_invoice|create_prorations|none",
            "schedule_at_period_end": {"conditions": [{"type": "decreasing_item_amount|shortening_interval"}]},
        },
    },
    "metadata": MAP,
    "name": "text",
    "active": "bool",
    **EXPAND,
}
CONFIGURATIONS: dict[str, Any] = {"active": "bool", "is_default": "bool", **LISTED}
SESSION: dict[str, Any] = {
    "customer": "text",
    "return_url": "text",
    "configuration": "text",
    "locale": "text",
    "flow_data": {
        "type": "customer_update|payment_method_update|subscription_cancel|subscription_update",
        "subscription_cancel": {"subscription": "text"},
        "subscription_update": {"subscription": "text"},
    },
    **EXPAND,
}


def add_configuration(book: Book, params: Body, _ids: list[str]) -> Body:
    require(params, "features")
    _check_products(book, params)
    given = {name: value for name, value in params.items() if name != "expand"}
    body = {"active": True, "is_default": False, "metadata": {}, "business_profile": {}, "name": None, **given}
    return book.make("billing_portal.configuration", body)


def change_configuration(book: Book, params: Body, ids: list[str]) -> Body:
    configuration = book.get("billing_portal.configuration", ids[0])
    _check_products(book, params)
    configuration.update({name: value for name, value in params.items() if name != "expand"})
    book.save(configuration)
    return configuration


def _check_products(book: Book, params: Body) -> None:
    where = "features[subscription_update][products]"
    products = params.get("features", {}).get("subscription_update", {}).get("products", [])
    if len(products) > PRODUCTS_MAX:
        raise refuse("A portal can show up to 10 products", param=where)
    for entry in products:
        book.get("product", entry.get("product"), where)
        for price_id in entry.get("prices", []):
            if book.get("price", price_id, where)["product"] != entry["product"]:
                raise refuse(f"Price {price_id} belongs to another product", param=where)


def list_configurations(book: Book, params: Body, _ids: list[str]) -> Body:
    found = book.all("billing_portal.configuration")
    for name in ("active", "is_default"):
        if name in params:
            found = [one for one in found if one[name] == params[name]]
    return book.page(found, params, "/v1/billing_portal/configurations")


def add_session(book: Book, params: Body, _ids: list[str]) -> Body:
    """Open the portal for a customer, for an hour."""
    require(params, "customer")
    book.get("customer", params["customer"], "customer")
    configuration = params.get("configuration")
    if configuration is not None:
        book.get("billing_portal.configuration", configuration, "configuration")
    elif not book.all("billing_portal.configuration"):
        raise refuse(
            "You can't create a portal session in test mode until you save your customer portal settings in test mode."
        )
    session_id = token(PREFIXES["billing_portal.session"], 24)
    body = {
        "customer": params["customer"],
        "configuration": configuration or book.all("billing_portal.configuration")[0]["id"],
        "return_url": params.get("return_url"),
        "url": f"{book.base_url}/stripe/portal/{session_id}",
        "flow": params.get("flow_data"),
    }
    return book.make("billing_portal.session", body, thing_id=session_id)


def subscriptions_shown(book: Book, customer_id: str) -> list[Body]:
    """Return the subscriptions that a customer may still change."""
    return [one for one in book.all("subscription") if one["customer"] == customer_id and one["status"] not in ENDED]


def prices_shown(book: Book, session: Body) -> list[Body]:
    """Return the prices between which the portal lets a customer choose."""
    configuration = book.get("billing_portal.configuration", session["configuration"])
    update = configuration["features"].get("subscription_update", {})
    if not update.get("enabled"):
        return []
    ids = [price_id for entry in update.get("products", []) for price_id in entry.get("prices", [])]
    return [price for price_id in ids if (price := book.find("price", price_id)) is not None]


def act(book: Book, session: Body, values: dict[str, str]) -> None:
    """Do what a person chose. Raises `CardDeclinedError` or Stripe's error; then nothing has changed."""
    action = values.get("action", "")
    if action == "card":
        customer = book.get("customer", session["customer"])
        customer["_card"] = card_of(values.get("card", "")) or customer["_card"]
        book.save(customer)
        return
    subscription = book.get("subscription", values.get("subscription"))
    if subscription["customer"] != session["customer"] or subscription["status"] in ENDED:
        raise refuse("This subscription cannot be changed.")
    before = book.show(subscription)
    match action:
        case "switch":
            _switch(book, subscription, book.get("price", values.get("price")), prices_shown(book, session))
        case "cancel":
            set_end(book, subscription, subscription["cancel_at"] or period_end(subscription))
        case "resume":
            set_end(book, subscription, None)
        case "pay":
            pay(book, book.get("invoice", subscription["latest_invoice"]))
            return
        case _:
            raise refuse("Nothing was chosen.")
    book.save(subscription)
    if before != book.show(subscription):
        book.tell("customer.subscription.updated", subscription, before)


def _switch(book: Book, subscription: Body, price: Body, offered: list[Body]) -> None:
    """Move up at once, down when the period ends."""
    if price["id"] not in [one["id"] for one in offered]:
        raise refuse("This price is not offered.", param="price")
    present = book.get("price", subscription["items"]["data"][0]["price"])
    if price["id"] == present["id"]:
        subscription.update(_next_price=None, schedule=None)
    elif price["unit_amount"] > present["unit_amount"] or subscription["status"] == "trialing":
        move(book, subscription, price, invoice_now=True)
    else:
        subscription.update(_next_price=price["id"], schedule=subscription["schedule"] or token("sub_sched_", 24))
