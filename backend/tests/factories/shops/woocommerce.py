"""A WooCommerce shop: REST API version 3 as "WooCommerce REST API Documentation" shows it
(woocommerce.github.io/woocommerce-rest-api-docs, read 2026-11-24): OAuth 1.0a over http, X-WP-Total and
X-WP-TotalPages, errors as `{code, message, data: {status}}`."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from factories.shops.server import Asked, Reply, ShopServer

API = "/wp-json/wc/v3"


class WooCommerceShop(ShopServer):
    def __init__(self, *, currency: str = "EUR", key: str = "ck_good", secret: str = "cs_good") -> None:  # noqa: S107
        super().__init__()
        self.products: dict[int, dict[str, Any]] = {}
        self.variations: dict[int, list[dict[str, Any]]] = {}
        self.currency = currency
        self.key, self.secret = key, secret

    def add(self, number: int, **changes: Any) -> dict[str, Any]:
        product = {
            "id": number,
            "name": f"Cup {number}",
            "slug": f"cup-{number}",
            "permalink": f"https://shop.example/product/cup-{number}/",
            "date_modified": "2026-01-02T11:00:00",
            "date_modified_gmt": "2026-01-02T10:00:00",
            "type": "simple",
            "status": "publish",
            "catalog_visibility": "visible",
            "description": "<p>A <em>hand-thrown</em> cup.</p>\n",
            "short_description": "<p>A cup.</p>\n",
            "sku": f"SKU-{number}",
            "price": "12.50",
            "regular_price": "12.50",
            "sale_price": "",
            "price_html": "<span>99,99 $</span>",
            "on_sale": False,
            "purchasable": True,
            "manage_stock": True,
            "stock_quantity": 5,
            "stock_status": "instock",
            "categories": [{"id": 9, "name": "Cups", "slug": "cups"}],
            "tags": [{"id": 3, "name": "ceramic", "slug": "ceramic"}],
            "images": [{"id": 1, "src": f"https://shop.example/{number}.jpg", "name": "", "alt": ""}],
            "attributes": [],
            "variations": [],
            **changes,
        }
        self.products[number] = product
        return product

    def add_variable(self, number: int, variations: list[dict[str, Any]], **changes: Any) -> None:
        ids = [number * 1000 + index for index, _ in enumerate(variations)]
        self.add(number, type="variable", variations=ids, stock_quantity=None, manage_stock=False, **changes)
        self.variations[number] = [
            {
                "id": own_id,
                "sku": f"SKU-{number}-{own_id}",
                "price": "10.00",
                "regular_price": "10.00",
                "sale_price": "",
                "on_sale": False,
                "stock_quantity": None,
                "stock_status": "instock",
                "attributes": [],
                "image": None,
                **variation,
            }
            for own_id, variation in zip(ids, variations, strict=True)
        ]

    def fill(self, count: int) -> None:
        for number in range(1, count + 1):
            self.add(number)

    def answer(self, asked: Asked) -> Reply:
        if not asked.path.startswith(API):
            return Reply(404, b"<html>Not found</html>", {"Content-Type": "text/html"})
        if not self._is_signed(asked):
            return _error(401, "woocommerce_rest_authentication_error", "Invalid signature - provided does not match.")
        path = asked.path[len(API) :]
        if path == "/data/currencies/current":
            return Reply(body={"code": self.currency, "name": "Euro", "symbol": "&euro;"})
        if path == "/products":
            return self._list(asked)
        parts = path.strip("/").split("/")
        if parts[0] == "products" and len(parts) == 2:
            product = self.products.get(int(parts[1]))
            return Reply(body=product) if product else _error(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        if parts[0] == "products" and parts[2:] == ["variations"]:
            return _paged(self.variations.get(int(parts[1]), []), asked)
        return _error(404, "rest_no_route", "No route was found matching the URL and request method.")

    def _list(self, asked: Asked) -> Reply:
        assert (asked.query["orderby"], asked.query["order"]) == ("id", "asc")
        found = [p for _, p in sorted(self.products.items()) if p["status"] == asked.query["status"]]
        if "modified_after" in asked.query:
            assert asked.query["dates_are_gmt"] == "true"
            found = [p for p in found if p["date_modified_gmt"] > asked.query["modified_after"]]
        return _paged(found, asked)

    def _is_signed(self, asked: Asked) -> bool:
        query = dict(asked.query)
        given = query.pop("oauth_signature", "")
        if query.get("oauth_consumer_key") != self.key or query.get("oauth_signature_method") != "HMAC-SHA256":
            return False
        pairs = sorted((_escape(name), _escape(value)) for name, value in query.items())
        base = "&".join(
            ("GET", _escape(self.url + asked.path), _escape("&".join(f"{name}={value}" for name, value in pairs)))
        )
        digest = hmac.new(f"{_escape(self.secret)}&".encode(), base.encode(), hashlib.sha256).digest()
        return hmac.compare_digest(given, base64.b64encode(digest).decode())


def _paged(items: list[dict[str, Any]], asked: Asked) -> Reply:
    size = int(asked.query.get("per_page", 10))
    start = int(asked.query.get("offset", (int(asked.query.get("page", 1)) - 1) * size))
    headers = {"X-WP-Total": str(len(items)), "X-WP-TotalPages": str(-(-len(items) // size))}
    return Reply(body=items[start : start + size], headers=headers)


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"code": code, "message": message, "data": {"status": status}})


def _escape(text: str) -> str:
    return quote(text, safe="~")
