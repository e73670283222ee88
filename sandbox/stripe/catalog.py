"""Products, prices and customers. Source: stripe.md §3, §4."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.book import Body, Book
from sandbox.stripe.errors import refuse
from sandbox.stripe.params import EXPAND, LISTED, MAP, RANGE, require

LOOKUP_KEYS_MAX, LOOKUP_KEY_CHARS_MAX = 10, 200

PRODUCT: dict[str, Any] = {"name": "text", "description": "text", "metadata": MAP, "active": "bool", **EXPAND}
NEW_PRODUCT: dict[str, Any] = {"id": "text", **PRODUCT}
PRODUCTS: dict[str, Any] = {"active": "bool", "ids": ["text"], **LISTED}
PRICE: dict[str, Any] = {
    "active": "bool",
    "lookup_key": "text",
    "transfer_lookup_key": "bool",
    "nickname": "text",
    "metadata": MAP,
    "tax_behavior": "exclusive|inclusive|unspecified",
    **EXPAND,
}
NEW_PRICE: dict[str, Any] = {
    "product": "text",
    "unit_amount": "int",
    "currency": "text",
    "recurring": {"interval": "day|week|month|year", "interval_count": "int", "usage_type": "licensed|metered"},
    **PRICE,
}
PRICES: dict[str, Any] = {
    "active": "bool",
    "lookup_keys": ["text"],
    "product": "text",
    "currency": "text",
    "type": "one_time|recurring",
    **LISTED,
}
CUSTOMER: dict[str, Any] = {"email": "text", "name": "text", "description": "text", "metadata": MAP, **EXPAND}
CUSTOMERS: dict[str, Any] = {"email": "text", "created": RANGE, **LISTED}


def add_product(book: Book, params: Body, _ids: list[str]) -> Body:
    """Make a product; its id may be chosen."""
    require(params, "name")
    product_id = params.get("id", "")
    if product_id and book.find("product", product_id):
        raise refuse("Product already exists.", code="resource_already_exists", param="id")
    body = {"active": True, "description": None, "metadata": {}, "name": "", **_given(params, "id")}
    return book.make("product", body, thing_id=product_id)


def list_products(book: Book, params: Body, _ids: list[str]) -> Body:
    found = book.all("product")
    if "active" in params:
        found = [one for one in found if one["active"] == params["active"]]
    if "ids" in params:
        found = [one for one in found if one["id"] in params["ids"]]
    return book.page(found, params, "/v1/products")


def change_product(book: Book, params: Body, ids: list[str]) -> Body:
    return _change(book, book.get("product", ids[0]), params)


def add_price(book: Book, params: Body, _ids: list[str]) -> Body:
    """Make a price; a lookup key that another price has must be taken over expressly."""
    require(params, "product", "currency", "unit_amount")
    book.get("product", params["product"], "product")
    _take_lookup_key(book, params, None)
    recurring = params.get("recurring")
    body = {
        "active": True,
        "billing_scheme": "per_unit",
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "tax_behavior": "unspecified",
        "type": "recurring" if recurring else "one_time",
        "unit_amount": 0,
        **_given(params, "transfer_lookup_key"),
        "recurring": {"interval_count": 1, "usage_type": "licensed", **recurring} if recurring else None,
    }
    return book.make("price", body)


def list_prices(book: Book, params: Body, _ids: list[str]) -> Body:
    if len(params.get("lookup_keys", [])) > LOOKUP_KEYS_MAX:
        raise refuse("lookup_keys can have up to 10 items", param="lookup_keys")
    found = book.all("price")
    for name in ("active", "product", "currency", "type"):
        if name in params:
            found = [one for one in found if one[name] == params[name]]
    if "lookup_keys" in params:
        found = [one for one in found if one["lookup_key"] in params["lookup_keys"]]
    return book.page(found, params, "/v1/prices")


def change_price(book: Book, params: Body, ids: list[str]) -> Body:
    price = book.get("price", ids[0])
    _take_lookup_key(book, params, price)
    return _change(book, price, {name: value for name, value in params.items() if name != "transfer_lookup_key"})


def _take_lookup_key(book: Book, params: Body, own: Body | None) -> None:
    key = params.get("lookup_key")
    if not key:
        return
    if len(key) > LOOKUP_KEY_CHARS_MAX:
        raise refuse("Lookup keys have up to 200 characters", param="lookup_key")
    for price in book.all("price"):
        if price["lookup_key"] != key or price is own:
            continue
        if not params.get("transfer_lookup_key"):
            raise refuse(
                f"A price with lookup_key '{key}' exists. Pass transfer_lookup_key=true.",
                code="resource_already_exists",
                param="lookup_key",
            )
        price["lookup_key"] = None
        book.save(price)


def add_customer(book: Book, params: Body, _ids: list[str]) -> Body:
    body = {"email": None, "name": None, "description": None, "metadata": {}, "_card": None, **_given(params)}
    customer = book.make("customer", body)
    book.tell("customer.created", customer)
    return customer


def list_customers(book: Book, params: Body, _ids: list[str]) -> Body:
    found = [one for one in book.all("customer") if "email" not in params or one["email"] == params["email"]]
    return book.page(found, params, "/v1/customers")


def change_customer(book: Book, params: Body, ids: list[str]) -> Body:
    return _change(book, book.get("customer", ids[0], "customer"), params)


def _change(book: Book, body: Body, params: Body) -> Body:
    metadata = params.pop("metadata", None)
    body.update(_given(params))
    if metadata is not None:
        merged = {**body["metadata"], **metadata}
        body["metadata"] = {name: value for name, value in merged.items() if value}
    book.save(body)
    return body


def _given(params: Body, *without: str) -> Body:
    return {name: value for name, value in params.items() if name not in ("expand", *without)}
