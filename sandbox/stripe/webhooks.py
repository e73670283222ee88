"""Webhook endpoints and the events that were sent to them. Source: stripe.md §6."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.ids import token
from sandbox.stripe.book import Body, Book
from sandbox.stripe.errors import refuse
from sandbox.stripe.params import EXPAND, LISTED, MAP, RANGE, require

ENDPOINT: dict[str, Any] = {
    "url": "text",
    "enabled_events": ["text"],
    "description": "text",
    "metadata": MAP,
    **EXPAND,
}
NEW_ENDPOINT: dict[str, Any] = {"api_version": "text", "connect": "bool", **ENDPOINT}
CHANGED_ENDPOINT: dict[str, Any] = {"disabled": "bool", **ENDPOINT}
EVENTS: dict[str, Any] = {"type": "text", "types": ["text"], "created": RANGE, **LISTED}


def add_endpoint(book: Book, params: Body, _ids: list[str]) -> Body:
    """Make an endpoint; its secret is shown this once."""
    require(params, "url", "enabled_events")
    _check_url(params["url"])
    secret = token("whsec_", 32)
    body = {
        "url": params["url"],
        "enabled_events": params["enabled_events"],
        "api_version": params.get("api_version"),
        "description": params.get("description"),
        "metadata": params.get("metadata", {}),
        "status": "enabled",
        "_secret": secret,
    }
    return {**book.make("webhook_endpoint", body), "secret": secret}


def list_endpoints(book: Book, params: Body, _ids: list[str]) -> Body:
    return book.page(book.all("webhook_endpoint"), params, "/v1/webhook_endpoints")


def change_endpoint(book: Book, params: Body, ids: list[str]) -> Body:
    endpoint = book.get("webhook_endpoint", ids[0])
    if "url" in params:
        _check_url(params["url"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    given = ("url", "enabled_events", "description", "metadata")
    endpoint.update({name: value for name, value in params.items() if name in given})
    book.save(endpoint)
    return endpoint


def delete_endpoint(book: Book, _params: Body, ids: list[str]) -> Body:
    endpoint = book.get("webhook_endpoint", ids[0])
    book.drop(endpoint)
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _check_url(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise refuse(
            "Invalid URL: an explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )


def list_events(book: Book, params: Body, _ids: list[str]) -> Body:
    found = book.all("event")
    if "type" in params:
        found = [one for one in found if one["type"] == params["type"]]
    if "types" in params:
        found = [one for one in found if one["type"] in params["types"]]
    if "created" in params:
        found = [one for one in found if one["created"] >= params["created"].get("gte", 0)]
    return book.page(found, params, "/v1/events")
