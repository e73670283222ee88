"""What the simulator remembers: every object as its JSON, with fields of our own that begin with an underscore."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sandbox.ids import token
from sandbox.records import StripeThing
from sandbox.stripe.errors import missing, refuse

if TYPE_CHECKING:
    from sandbox.core import Sandbox
    from sandbox.stripe.events import Events

API_VERSION = "2026-10-28.endive"
PREFIXES = {
    "customer": "cus_",
    "product": "prod_",
    "price": "price_",
    "checkout.session": "cs_test_",
    "subscription": "sub_",
    "subscription_item": "si_",
    "invoice": "in_",
    "event": "evt_",
    "webhook_endpoint": "we_",
    "billing_portal.session": "bps_",
    "billing_portal.configuration": "bpc_",
}
LIMIT_MAX = 100

Body = dict[str, Any]


class Book:
    """Objects by id. Everything happens in one thread and without a pause, so nothing needs a lock."""

    def __init__(self, sandbox: Sandbox, events: Events) -> None:
        self.sandbox = sandbox
        self.events = events
        self.base_url = f"http://localhost:{sandbox.settings.port}"

    @property
    def now(self) -> int:
        return int(self.sandbox.clock.now())

    def make(self, kind: str, body: Body, *, thing_id: str = "") -> Body:
        """Add an object of a kind."""
        thing_id = thing_id or token(PREFIXES[kind], 24)
        order = len([*self.sandbox.state.stripe])
        made = {"id": thing_id, "object": kind, "created": self.now, "livemode": False, **body, "_order": order}
        self.save(made)
        return made

    def save(self, body: Body) -> None:
        """Note that an object changed."""
        self.sandbox.state.stripe.put(StripeThing(id=body["id"], kind=body["object"], body=body))

    def drop(self, body: Body) -> None:
        self.sandbox.state.stripe.remove(body["id"])

    def find(self, kind: str, thing_id: str) -> Body | None:
        found = self.sandbox.state.stripe.get(thing_id)
        return found.body if found and found.kind == kind else None

    def get(self, kind: str, thing_id: Any, param: str = "id") -> Body:
        """Return an object; raises Stripe's error when it is not there."""
        found = self.find(kind, thing_id) if isinstance(thing_id, str) else None
        if found is None:
            raise missing(kind, str(thing_id), param)
        return found

    def all(self, kind: str) -> list[Body]:
        """Return every object of a kind, the newest first."""
        found = [thing.body for thing in self.sandbox.state.stripe if thing.kind == kind]
        return sorted(found, key=lambda body: (-body["created"], -body["_order"]))

    def page(self, found: list[Body], params: Body, url: str) -> Body:
        """Return one page of a list, as the API does."""
        limit = params.get("limit", 10)
        if not 1 <= limit <= LIMIT_MAX:
            raise refuse("Limit must be between 1 and 100", code="parameter_invalid_integer", param="limit")
        ids = [body["id"] for body in found]
        start = 0
        if "starting_after" in params:
            if params["starting_after"] not in ids:
                raise missing("object", params["starting_after"], "starting_after")
            start = ids.index(params["starting_after"]) + 1
        chosen = found[start : start + limit]
        shown = [self.show(body) for body in chosen]
        return {"object": "list", "url": url, "has_more": start + limit < len(found), "data": shown}

    def show(self, body: Body) -> Body:
        """Return an object as the API shows it: prices of items are there as a whole, our own fields are not."""
        shown = copy.deepcopy({key: value for key, value in body.items() if not key.startswith("_")})
        if body["object"] == "subscription":
            for item in shown["items"]["data"]:
                item["price"] = self.show(self.get("price", item["price"]))
        return shown

    def expand(self, shown: Body, paths: list[str]) -> Body:
        """Replace ids by what they name; raises Stripe's error for what cannot be expanded."""
        for path in paths:
            self._expand(shown, path.split("."), path)
        return shown

    def _expand(self, at: Any, parts: list[str], path: str) -> None:
        if isinstance(at, list):
            for item in at:
                self._expand(item, parts, path)
            return
        if at is None:
            return
        name = parts[0]
        if not isinstance(at, dict) or name not in at:
            raise refuse(f"This property cannot be expanded ({path}).", param="expand")
        if len(parts) > 1:
            if isinstance(at[name], str):
                at[name] = self._whole(at[name], path)
            self._expand(at[name], parts[1:], path)
        elif isinstance(at[name], str):
            at[name] = self._whole(at[name], path)

    def _whole(self, thing_id: str, path: str) -> Body:
        found = self.sandbox.state.stripe.get(thing_id)
        if found is None:
            raise refuse(f"This property cannot be expanded ({path}).", param="expand")
        return self.show(found.body)

    def tell(self, kind: str, body: Body, before: Body | None = None) -> None:
        """Make an event of what just happened to an object, and send it to whoever listens."""
        shown = self.show(body)
        data: Body = {"object": shown}
        if before is not None:
            data["previous_attributes"] = {k: v for k, v in before.items() if shown.get(k) != v}
        event = self.make(
            "event",
            {
                "api_version": API_VERSION,
                "type": kind,
                "data": data,
                "pending_webhooks": 0,
                "request": {"id": None, "idempotency_key": None},
            },
        )
        self.events.queue(self, event)
