"""Subscriptions and their invoices, in the shape of 2026. Source: stripe.md §7, §11."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.ids import token
from sandbox.stripe.book import PREFIXES, Body, Book
from sandbox.stripe.errors import CardDeclinedError, refuse
from sandbox.stripe.params import EXPAND, LISTED, MAP, RANGE

DAY = 86_400
INCOMPLETE_SECONDS = 23 * 3_600
RETRY_DAYS = (3, 5, 7)
"""Days after a failure on which Stripe tries again; the real intervals are not published."""
ENDED = ("canceled", "incomplete_expired")

CHANGE: dict[str, Any] = {
    "cancel_at_period_end": "bool",
    "cancel_at": "when",
    "items": [{"id": "text", "price": "text", "quantity": "int", "deleted": "bool"}],
    "proration_behavior": "always_invoice|create_prorations|none",
    "payment_behavior": "allow_incomplete|default_incomplete|error_if_incomplete|pending_if_incomplete",
    "cancellation_details": {"comment": "text", "feedback": "text"},
    "metadata": MAP,
    **EXPAND,
}
LIST: dict[str, Any] = {
    "customer": "text",
    "price": "text",
    "status": "active|all|canceled|ended|incomplete|incomplete_expired|past_due|paused|trialing|unpaid",
    "created": RANGE,
    **LISTED,
}
CANCEL: dict[str, Any] = {
    "invoice_now": "bool",
    "prorate": "bool",
    "cancellation_details": {"comment": "text", "feedback": "text"},
    **EXPAND,
}
INVOICES: dict[str, Any] = {
    "customer": "text",
    "subscription": "text",
    "status": "draft|open|paid|uncollectible|void",
    **LISTED,
}


def next_period(start: int, recurring: Body) -> int:
    """Return when a period that begins now ends: the same day of a later month, or its last one."""
    count = recurring["interval_count"]
    if recurring["interval"] in ("day", "week"):
        return start + int(count) * DAY * (7 if recurring["interval"] == "week" else 1)
    at = datetime.fromtimestamp(start, UTC)
    months = at.month - 1 + count * (12 if recurring["interval"] == "year" else 1)
    for day in (at.day, 30, 29, 28):
        try:
            return int(at.replace(year=at.year + months // 12, month=months % 12 + 1, day=day).timestamp())
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def add_subscription(book: Book, customer: Body, price: Body, *, trial_days: int, metadata: Body, missing: str) -> Body:
    """Begin a subscription that has been agreed on. Raises `CardDeclinedError` when its first payment fails."""
    now = book.now
    trial_end = now + trial_days * DAY if trial_days else None
    subscription_id = token(PREFIXES["subscription"], 24)
    item = {
        "id": token(PREFIXES["subscription_item"], 14),
        "object": "subscription_item",
        "created": now,
        "quantity": 1,
        "subscription": subscription_id,
        "current_period_start": now,
        "current_period_end": trial_end or next_period(now, price["recurring"]),
        "metadata": {},
        "price": price["id"],
    }
    if trial_end is None and not _can_pay(customer):
        raise CardDeclinedError
    subscription = book.make(
        "subscription",
        {
            "customer": customer["id"],
            "status": "trialing" if trial_end else "active",
            "billing_mode": {"type": "flexible"},
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            "collection_method": "charge_automatically",
            "currency": price["currency"],
            "default_payment_method": (customer["_card"] or {}).get("id"),
            "ended_at": None,
            "items": {
                "object": "list",
                "data": [item],
                "has_more": False,
                "url": f"/v1/subscription_items?subscription={subscription_id}",
            },
            "latest_invoice": None,
            "metadata": metadata,
            "pause_collection": None,
            "pending_update": None,
            "schedule": None,
            "start_date": now,
            "trial_start": now if trial_end else None,
            "trial_end": trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": missing}},
            "_next_price": None,
            "_retries": 0,
            "_retry_at": None,
            "_warned": False,
        },
        thing_id=subscription_id,
    )
    amount = 0 if trial_end else price["unit_amount"]
    invoice = add_invoice(book, subscription, amount=amount, reason="subscription_create")
    settle(book, invoice)
    book.tell("customer.subscription.created", subscription)
    book.tell("invoice.paid", invoice)
    return subscription


def add_invoice(book: Book, subscription: Body, *, amount: int, reason: str) -> Body:
    """Make the invoice of a period; it is open until it is paid."""
    item = subscription["items"]["data"][0]
    price = book.get("price", item["price"])
    invoice_id = token(PREFIXES["invoice"], 24)
    subscription["latest_invoice"] = invoice_id
    book.save(subscription)
    return book.make(
        "invoice",
        {
            "customer": subscription["customer"],
            "status": "open",
            "amount_due": amount,
            "amount_paid": 0,
            "amount_remaining": amount,
            "total": amount,
            "currency": price["currency"],
            "attempt_count": 0,
            "attempted": False,
            "auto_advance": True,
            "billing_reason": reason,
            "collection_method": "charge_automatically",
            "hosted_invoice_url": f"{book.base_url}/stripe/invoice/{invoice_id}",
            "next_payment_attempt": None,
            "number": token("", 8).upper() + "-0001",
            "parent": {
                "type": "subscription_details",
                "quote_details": None,
                "subscription_details": {"subscription": subscription["id"], "metadata": subscription["metadata"]},
            },
            "period_start": item["current_period_start"],
            "period_end": item["current_period_end"],
            "lines": {
                "object": "list",
                "has_more": False,
                "data": [
                    {
                        "id": token("il_", 24),
                        "object": "line_item",
                        "amount": amount,
                        "currency": price["currency"],
                        "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
                        "pricing": {
                            "type": "price_details",
                            "price_details": {"price": price["id"], "product": price["product"]},
                        },
                    }
                ],
            },
            "metadata": {},
        },
        thing_id=invoice_id,
    )


def settle(book: Book, invoice: Body) -> None:
    """Note that an invoice is paid."""
    invoice.update(
        status="paid", amount_paid=invoice["amount_due"], amount_remaining=0, attempted=True, next_payment_attempt=None
    )
    invoice["attempt_count"] += 1
    book.save(invoice)


def charge(book: Book, subscription: Body, invoice: Body) -> bool:
    """Take the money for an invoice; what follows for the subscription is told."""
    before = book.show(subscription)
    if not invoice["amount_due"] or _can_pay(book.get("customer", subscription["customer"])):
        settle(book, invoice)
        subscription.update(status="active", _retries=0, _retry_at=None)
        book.save(subscription)
        book.tell("invoice.paid", invoice)
        book.tell("customer.subscription.updated", subscription, before)
        return True
    retries = subscription["_retries"]
    subscription["status"] = "past_due"
    if retries < len(RETRY_DAYS):
        subscription.update(_retries=retries + 1, _retry_at=book.now + RETRY_DAYS[retries] * DAY)
    else:
        subscription["_retry_at"] = None
    invoice.update(attempted=True, next_payment_attempt=subscription["_retry_at"])
    invoice["attempt_count"] += 1
    book.save(invoice)
    book.save(subscription)
    book.tell("invoice.payment_failed", invoice)
    book.tell("customer.subscription.updated", subscription, before)
    return False


def pay(book: Book, invoice: Body) -> None:
    """Pay an open invoice by hand. Raises `CardDeclinedError`."""
    subscription = book.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
    if invoice["status"] != "open":
        raise refuse("Invoice is already paid", code="invoice_not_editable")
    if not _can_pay(book.get("customer", invoice["customer"])):
        raise CardDeclinedError
    charge(book, subscription, invoice)


def _can_pay(customer: Body) -> bool:
    card = customer["_card"]
    return bool(card) and not card["fails"]


def list_subscriptions(book: Book, params: Body, _ids: list[str]) -> Body:
    """Show subscriptions; canceled ones only when asked for."""
    found = book.all("subscription")
    if "customer" in params:
        book.get("customer", params["customer"], "customer")
        found = [one for one in found if one["customer"] == params["customer"]]
    if "price" in params:
        found = [one for one in found if one["items"]["data"][0]["price"] == params["price"]]
    wanted = params.get("status")
    if wanted is None:
        found = [one for one in found if one["status"] != "canceled"]
    elif wanted == "ended":
        found = [one for one in found if one["status"] in ENDED]
    elif wanted != "all":
        found = [one for one in found if one["status"] == wanted]
    if "created" in params:
        found = [one for one in found if one["created"] >= params["created"].get("gte", 0)]
    return book.page(found, params, "/v1/subscriptions")


def change_subscription(book: Book, params: Body, ids: list[str]) -> Body:
    """Change a subscription as the API does: end it, keep it, move it to another price."""
    subscription = book.get("subscription", ids[0])
    if subscription["status"] in ENDED:
        raise refuse("A canceled subscription can only update its cancellation_details and metadata.")
    if "cancel_at_period_end" in params and "cancel_at" in params:
        raise refuse("You may only specify one of cancel_at and cancel_at_period_end.", param="cancel_at")
    before = book.show(subscription)
    if "cancel_at_period_end" in params:
        set_end(book, subscription, period_end(subscription) if params["cancel_at_period_end"] else None)
        subscription["cancel_at_period_end"] = params["cancel_at_period_end"]
    if "cancel_at" in params:
        if subscription["cancel_at_period_end"]:
            raise refuse("Set cancel_at_period_end to false first.", param="cancel_at")
        set_end(book, subscription, params["cancel_at"])
    subscription["metadata"] |= params.get("metadata", {})
    for item in params.get("items", []):
        _change_item(book, subscription, item, params)
    book.save(subscription)
    if before != book.show(subscription):
        book.tell("customer.subscription.updated", subscription, before)
    return subscription


def _change_item(book: Book, subscription: Body, item: Body, params: Body) -> None:
    """Move an item to another price. Without the item's id a second one is added: a trap that Stripe sets too."""
    price = book.get("price", item.get("price"), "items[0][price]")
    items = subscription["items"]["data"]
    if "id" not in item:
        items.append({**items[0], "id": token("si_", 14), "price": price["id"]})
        return
    if item["id"] != items[0]["id"]:
        raise refuse(f"No such subscription item: '{item['id']}'", 404, code="resource_missing", param="items[0][id]")
    move(book, subscription, price, invoice_now=params.get("proration_behavior") == "always_invoice")


def move(book: Book, subscription: Body, price: Body, *, invoice_now: bool) -> None:
    """Move a subscription to another price now, and charge the difference. Raises Stripe's card error; nothing has
    changed then."""
    item = subscription["items"]["data"][0]
    old = book.get("price", item["price"])
    amount = max(price["unit_amount"] - old["unit_amount"], 0)
    if subscription["status"] == "trialing":
        amount = 0
    if invoice_now and amount and not _can_pay(book.get("customer", subscription["customer"])):
        raise refuse("Your card was declined.", 402, code="card_declined", decline_code="generic_decline")
    item["price"] = price["id"]
    subscription["_next_price"] = subscription["schedule"] = None
    if invoice_now and amount:
        invoice = add_invoice(book, subscription, amount=amount, reason="subscription_update")
        settle(book, invoice)
        book.tell("invoice.paid", invoice)


def set_end(book: Book, subscription: Body, at: int | None) -> None:
    """Have a subscription end at a time, or not at all."""
    if at is not None and at <= book.now:
        raise refuse("cancel_at must be in the future", param="cancel_at")
    subscription["cancel_at"] = at
    subscription["cancel_at_period_end"] = False
    subscription["canceled_at"] = book.now if at is not None else None
    subscription["cancellation_details"]["reason"] = "cancellation_requested" if at is not None else None


def end(book: Book, subscription: Body, status: str = "canceled") -> None:
    """End a subscription now; what is owed is given up."""
    before = book.show(subscription)
    subscription.update(status=status, ended_at=book.now, canceled_at=subscription["canceled_at"] or book.now)
    subscription.update(_retry_at=None, _next_price=None, schedule=None)
    book.save(subscription)
    invoice = book.find("invoice", subscription["latest_invoice"] or "")
    if invoice is not None and invoice["status"] == "open":
        invoice.update(status="void", next_payment_attempt=None)
        book.save(invoice)
    kind = "customer.subscription.deleted" if status == "canceled" else "customer.subscription.updated"
    book.tell(kind, subscription, None if status == "canceled" else before)


def cancel_subscription(book: Book, _params: Body, ids: list[str]) -> Body:
    """End a subscription at once."""
    subscription = book.get("subscription", ids[0])
    if subscription["status"] in ENDED:
        raise refuse(f"No such subscription: '{ids[0]}'", 404, code="resource_missing", param="id")
    end(book, subscription)
    return subscription


def delete_customer(book: Book, _params: Body, ids: list[str]) -> Body:
    """Delete a customer; its subscriptions end with it."""
    customer = book.get("customer", ids[0], "customer")
    for subscription in book.all("subscription"):
        if subscription["customer"] == customer["id"] and subscription["status"] not in ENDED:
            end(book, subscription)
    book.tell("customer.deleted", customer)
    book.drop(customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def list_invoices(book: Book, params: Body, _ids: list[str]) -> Body:
    found = book.all("invoice")
    for name in ("customer", "status"):
        if name in params:
            found = [one for one in found if one[name] == params[name]]
    if "subscription" in params:
        found = [
            one for one in found if one["parent"]["subscription_details"]["subscription"] == params["subscription"]
        ]
    return book.page(found, params, "/v1/invoices")


def period_end(subscription: Body) -> int:
    return int(subscription["items"]["data"][0]["current_period_end"])
