"""What a payer does, without a browser: part of the control API under `/_sandbox/stripe/`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.stripe.book import Book
from sandbox.stripe.checkout import complete, expire_session
from sandbox.stripe.errors import CardDeclinedError
from sandbox.stripe.life import tick
from sandbox.stripe.pages import success_url
from sandbox.stripe.portal import act
from sandbox.wire import Answer, PlatformError, ok


class StripeControl:
    """Answers control calls about Stripe."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.routes: dict[tuple[str, str], Callable[[dict[str, Any], str], Awaitable[Answer]]] = {
            ("GET", "stripe/objects"): self._objects,
            ("GET", "stripe/events"): self._events,
            ("POST", "stripe/checkout"): self._checkout,
            ("POST", "stripe/portal"): self._portal,
            ("POST", "stripe/release"): self._release,
        }

    async def _objects(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Every object of a kind, the newest first."""
        tick(self.book)
        return ok({"items": [self.book.show(one) for one in self.book.all(str(values.get("kind")))]})

    async def _events(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Every event (about one customer), the oldest first, with how often each delivery was tried."""
        customer = values.get("customer")
        tick(self.book)
        items: list[dict[str, Any]] = [
            {"event": self.book.show(one), "tries": [delivery["tries"] for delivery in one["_deliveries"]]}
            for one in reversed(self.book.all("event"))
            if not customer or customer in (one["data"]["object"].get("customer"), one["data"]["object"]["id"])
        ]
        return ok({"items": items, "open": sum(one["event"]["pending_webhooks"] for one in items)})

    async def _checkout(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Pay, abandon or let expire what is at `session_id`; `card` is a number, empty for none."""
        tick(self.book)
        session_id = str(values.get("session_id"))
        try:
            session = self.book.get("checkout.session", session_id)
            match values.get("action"):
                case "pay":
                    complete(self.book, session, str(values.get("card", "4242424242424242")))
                case "abandon":
                    return ok({"status": session["status"], "redirect_url": session["cancel_url"]})
                case "expire":
                    expire_session(self.book, {}, [session_id])
                case _:
                    raise ValueError("action must be pay, abandon or expire")
        except CardDeclinedError:
            return ok({"status": "open", "failure": "card_declined"}, 402)
        except PlatformError as refusal:
            raise ValueError(json.loads(refusal.answer.body)["error"]["message"]) from refusal
        return ok({"status": session["status"], "redirect_url": success_url(session)})

    async def _portal(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Do in a customer's portal what its page offers: switch, cancel, resume, card, pay."""
        tick(self.book)
        try:
            session = self.book.get("billing_portal.session", str(values.get("session_id")))
            subscriptions = [
                one["id"] for one in self.book.all("subscription") if one["customer"] == session["customer"]
            ]
            known = {"subscription": next(iter(subscriptions), "")}
            if "lookup_key" in values:
                prices = self.book.all("price")
                known["price"] = next((one["id"] for one in prices if one["lookup_key"] == values["lookup_key"]), "")
            act(self.book, session, known | {name: str(value) for name, value in values.items()})
        except CardDeclinedError:
            return ok({"failure": "card_declined"}, 402)
        except PlatformError as refusal:
            raise ValueError(json.loads(refusal.answer.body)["error"]["message"]) from refusal
        return ok({"status": "ok"})

    async def _release(self, _values: dict[str, Any], _base_url: str) -> Answer:
        """Send at once what waits to be sent again."""
        for event in self.book.all("event"):
            for delivery in event["_deliveries"]:
                delivery["due"] = 0.0
        return ok({"status": "ok"})
