"""Delivering events: signed, to every endpoint that asked for them, until they are taken. Source: stripe.md §6."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import time
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from sandbox.core import Sandbox
    from sandbox.stripe.book import Body, Book

WATCH_SECONDS = 0.1
TIMEOUT_SECONDS = 10.0
TRIES_MAX = 16
WAIT_FIRST_SECONDS, WAIT_MAX_SECONDS = 1.0, 3_600.0


class Events:
    """Sends what waits to be sent. Copies, delays and a stop are knobs, since real deliveries have all three."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._client: httpx.AsyncClient | None = None
        self._sending: set[tuple[str, int]] = set()

    def queue(self, book: Book, event: Body) -> None:
        """Have an event sent to the endpoints that ask for its type."""
        knobs = self.sandbox.knobs
        event["_deliveries"] = [
            {
                "endpoint": endpoint["id"],
                "due": time.time() + random.random() * knobs.stripe_webhook_delay_seconds,
                "tries": 0,
                "is_open": True,
            }
            for endpoint in book.all("webhook_endpoint")
            if endpoint["status"] == "enabled" and {event["type"], "*"} & set(endpoint["enabled_events"])
            for _ in range(max(knobs.stripe_webhook_copies, 1))
        ]
        event["pending_webhooks"] = len(event["_deliveries"])
        book.save(event)

    def send_due(self, book: Book) -> None:
        """Send what is due, each in the background."""
        if self.sandbox.knobs.stripe_webhook_hold:
            return
        now = time.time()
        for thing in [*self.sandbox.state.stripe]:
            if thing.kind != "event":
                continue
            for number, delivery in enumerate(thing.body.get("_deliveries", [])):
                key = (thing.id, number)
                if delivery["is_open"] and delivery["due"] <= now and key not in self._sending:
                    self._sending.add(key)
                    self.sandbox.spawn(self._send(book, thing.body, number))

    async def _send(self, book: Book, event: Body, number: int) -> None:
        delivery = event["_deliveries"][number]
        try:
            endpoint = book.find("webhook_endpoint", delivery["endpoint"])
            taken = endpoint is None or await self._post(endpoint, book.show(event))
        finally:
            self._sending.discard((event["id"], number))
        delivery["tries"] += 1
        if taken or delivery["tries"] >= TRIES_MAX:
            delivery["is_open"] = False
            event["pending_webhooks"] = sum(one["is_open"] for one in event["_deliveries"])
        else:
            delivery["due"] = time.time() + min(WAIT_FIRST_SECONDS * 2 ** (delivery["tries"] - 1), WAIT_MAX_SECONDS)
        if book.find("event", event["id"]) is not None:
            book.save(event)

    async def _post(self, endpoint: Body, event: Body) -> bool:
        body = json.dumps(event, indent=2).encode()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": sign(body, endpoint["_secret"]),
        }
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False)
        try:
            response = await self._client.post(endpoint["url"], content=body, headers=headers)
        except httpx.HTTPError:
            return False
        return response.is_success

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def sign(body: bytes, secret: str, at: int | None = None) -> str:
    """Return the header `Stripe-Signature`. Its time is the real one, whatever the sandbox's clock says."""
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest},v0={'0' * 64}"
