"""What time does to subscriptions and checkouts: trials end, periods are renewed, payments are tried again."""

from __future__ import annotations

from sandbox.stripe.book import Body, Book
from sandbox.stripe.subscriptions import (
    DAY,
    ENDED,
    INCOMPLETE_SECONDS,
    RETRY_DAYS,
    add_invoice,
    charge,
    end,
    next_period,
    period_end,
)

WARN_SECONDS = 3 * DAY
STEPS_MAX = 1_000


def tick(book: Book) -> None:
    """Do everything that is due, in the order in which it became due, each as of its own time."""
    clock, offset = book.sandbox.clock, book.sandbox.clock.offset
    target = book.now
    for _ in range(STEPS_MAX):
        due = [
            (at, thing["id"], thing) for thing in _moving(book) if (at := _due_at(thing)) is not None and at <= target
        ]
        if not due:
            return
        at, _, thing = min(due, key=lambda one: one[:2])
        clock.offset = offset - max(target - at, 0)
        try:
            _step(book, thing)
        finally:
            clock.offset = offset


def _moving(book: Book) -> list[Body]:
    sessions = [one for one in book.all("checkout.session") if one["status"] == "open"]
    return [*sessions, *(one for one in book.all("subscription") if one["status"] not in ENDED)]


def _due_at(thing: Body) -> int | None:
    """Return when something happens to an object next."""
    if thing["object"] == "checkout.session":
        return int(thing["expires_at"])
    times = [thing["cancel_at"]]
    status = thing["status"]
    if status == "incomplete":
        times.append(thing["created"] + INCOMPLETE_SECONDS)
    if status == "trialing" and not thing["_warned"]:
        times.append(thing["trial_end"] - WARN_SECONDS)
    if status in ("trialing", "active"):
        times.append(period_end(thing))
    if status == "past_due":
        times.append(thing["_retry_at"])
    return min((at for at in times if at is not None), default=None)


def _step(book: Book, thing: Body) -> None:
    if thing["object"] == "checkout.session":
        thing.update(status="expired", url=None)
        book.save(thing)
        book.tell("checkout.session.expired", thing)
        return
    now = book.now
    if thing["cancel_at"] is not None and thing["cancel_at"] <= now:
        end(book, thing)
    elif thing["status"] == "incomplete":
        end(book, thing, "incomplete_expired")
    elif thing["status"] == "past_due":
        _try_again(book, thing)
    elif thing["status"] == "trialing" and now < thing["trial_end"]:
        thing["_warned"] = True
        book.save(thing)
        book.tell("customer.subscription.trial_will_end", thing)
    else:
        _renew(book, thing)


def _renew(book: Book, subscription: Body) -> None:
    """Begin the next period: at another price, if that was agreed on, and pay for it."""
    customer = book.get("customer", subscription["customer"])
    missing = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if subscription["status"] == "trialing" and customer["_card"] is None and missing == "cancel":
        end(book, subscription)
        return
    item = subscription["items"]["data"][0]
    if subscription["_next_price"]:
        item["price"] = subscription["_next_price"]
        subscription.update(_next_price=None, schedule=None)
    price = book.get("price", item["price"])
    start = item["current_period_end"]
    item.update(current_period_start=start, current_period_end=next_period(start, price["recurring"]))
    subscription.update(_retries=0, _retry_at=None)
    invoice = add_invoice(book, subscription, amount=price["unit_amount"], reason="subscription_cycle")
    charge(book, subscription, invoice)


def _try_again(book: Book, subscription: Body) -> None:
    """Try an unpaid invoice again; after the last time the subscription ends, or stays unpaid."""
    invoice = book.get("invoice", subscription["latest_invoice"])
    is_last = subscription["_retries"] >= len(RETRY_DAYS)
    if charge(book, subscription, invoice) or not is_last:
        return
    if book.sandbox.knobs.stripe_after_retries == "canceled":
        end(book, subscription)
        return
    before = book.show(subscription)
    subscription.update(status="unpaid", _retry_at=None)
    book.save(subscription)
    book.tell("customer.subscription.updated", subscription, before)
