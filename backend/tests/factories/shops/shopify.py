"""A Shopify shop: the public list, the cart, a product's page data, and the GraphQL Admin API.

Shapes: `/products/{handle}.js` and `/cart.js` as "Product API reference" and "Cart API reference" show them
(shopify.dev/docs/api/ajax/reference); GraphQL as "GraphQL Admin API reference"
(shopify.dev/docs/api/admin-graphql/2026-01) and "Shopify API limits" (shopify.dev/docs/api/usage/limits) show it,
throttled answers with status 200; `/products.json` as "Shopify Product Feed API" describes it
(catalogscan.com/seo/shopify-product-feed-api), newest first, pages by number. Read 2026-11-24.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from factories.shops.server import Asked, Reply, ShopServer

GRAPHQL = "/admin/api/2026-01/graphql.json"


class ShopifyShop(ShopServer):
    def __init__(self, *, currency: str = "EUR", token: str = "shpat_good") -> None:  # noqa: S107
        super().__init__()
        self.products: list[dict[str, Any]] = []
        self.currency = currency
        self.token = token
        self.available_points = 1000.0
        self.page_cost = 700.0
        self.admin_first_max = 250
        """More products than this in one question cost too much."""

    def add(self, number: int, *, price: str = "12.50", available: bool = True, **changes: Any) -> dict[str, Any]:
        """Put a product at the head of the list, where new ones stand."""
        variant = {
            "id": number * 10,
            "title": "Default Title",
            "option1": "Default Title",
            "option2": None,
            "option3": None,
            "sku": f"SKU-{number}",
            "requires_shipping": True,
            "taxable": True,
            "featured_image": None,
            "available": available,
            "price": price,
            "grams": 200,
            "compare_at_price": None,
            "position": 1,
            "product_id": number,
            "created_at": "2026-01-02T10:00:00+01:00",
            "updated_at": "2026-01-02T10:00:00+01:00",
        }
        product = {
            "id": number,
            "title": f"Cup {number}",
            "handle": f"cup-{number}",
            "body_html": "<p>A <strong>hand-thrown</strong> cup.</p>",
            "published_at": "2026-01-02T10:00:00+01:00",
            "created_at": "2026-01-02T10:00:00+01:00",
            "updated_at": "2026-01-02T10:00:00+01:00",
            "vendor": "Clay & Co",
            "product_type": "Cups",
            "tags": ["ceramic", "kitchen"],
            "variants": [variant],
            "images": [{"id": number, "src": f"https://cdn.shop.example/{number}.jpg", "position": 1}],
            "options": [{"name": "Title", "position": 1, "values": ["Default Title"]}],
            **changes,
        }
        self.products.insert(0, product)
        return product

    def fill(self, count: int) -> None:
        for number in range(1, count + 1):
            self.add(number)

    def remove(self, number: int) -> None:
        self.products = [product for product in self.products if product["id"] != number]

    def find(self, number: int) -> dict[str, Any]:
        return next(product for product in self.products if product["id"] == number)

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/products.json":
            limit, page = min(int(asked.query.get("limit", 30)), 250), int(asked.query.get("page", 1))
            return Reply(body={"products": self.products[(page - 1) * limit : page * limit]})
        if asked.path == "/cart.js":
            return Reply(body={"token": "c", "items": [], "item_count": 0, "currency": self.currency})
        if asked.path.startswith("/products/") and asked.path.endswith(".js"):
            handle = asked.path[len("/products/") : -3]
            found = next((product for product in self.products if product["handle"] == handle), None)
            return Reply(body=_ajax(found)) if found else Reply(404, b"Not Found")
        if asked.path == GRAPHQL and asked.method == "POST":
            return self._graphql(asked)
        return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})

    def _graphql(self, asked: Asked) -> Reply:
        if asked.headers.get("x-shopify-access-token") != self.token:
            return Reply(
                401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            )
        body = asked.json()
        if self.available_points < self.page_cost:
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
            return Reply(body={"errors": [error], "extensions": self._cost(None)})
        variables, shop = body["variables"], {"currencyCode": self.currency}
        if body["query"].startswith("query Product("):
            number = int(variables["id"].rpartition("/")[2])
            found = next((product for product in self.products if product["id"] == number), None)
            data: dict[str, Any] = {"shop": shop, "product": self._node(found) if found else None}
            return Reply(body={"data": data, "extensions": self._cost(12)})
        if variables["first"] > self.admin_first_max:
            error = {"message": "Query cost is 1560, which exceeds the single query max cost limit (1000)."}
            return Reply(body={"errors": [{**error, "extensions": {"code": "MAX_COST_EXCEEDED", "maxCost": 1000}}]})
        after = json.loads(base64.b64decode(variables["after"]))["last_id"] if variables["after"] else 0
        rest = sorted((p for p in self.products if p["id"] > after), key=lambda product: product["id"])
        page = rest[: variables["first"]]
        cursor = base64.b64encode(json.dumps({"last_id": page[-1]["id"]}).encode()).decode() if page else None
        connection = {
            "pageInfo": {"hasNextPage": len(rest) > len(page), "endCursor": cursor},
            "nodes": [self._node(product) for product in page],
        }
        return Reply(body={"data": {"shop": shop, "products": connection}, "extensions": self._cost(60)})

    def _cost(self, actual: int | None) -> dict[str, Any]:
        left = self.available_points - (0 if actual is None else self.page_cost)
        status = {"maximumAvailable": 1000.0, "currentlyAvailable": left, "restoreRate": 50.0}
        return {"cost": {"requestedQueryCost": self.page_cost, "actualQueryCost": actual, "throttleStatus": status}}

    def _node(self, product: dict[str, Any]) -> dict[str, Any]:
        least = min(float(variant["price"]) for variant in product["variants"])
        return {
            "legacyResourceId": str(product["id"]),
            "handle": product["handle"],
            "title": product["title"],
            "descriptionHtml": product["body_html"],
            "vendor": product["vendor"],
            "productType": product["product_type"],
            "tags": product["tags"],
            "updatedAt": "2026-01-02T09:00:00Z",
            "status": "ACTIVE",
            "onlineStoreUrl": f"https://shop.example/products/{product['handle']}",
            "totalInventory": 7,
            "tracksInventory": True,
            "priceRangeV2": {"minVariantPrice": {"amount": str(least), "currencyCode": self.currency}},
            "media": {"nodes": [{"preview": {"image": {"url": image["src"]}}} for image in product["images"]]},
            "variants": {
                "pageInfo": {"hasNextPage": False},
                "nodes": [
                    {
                        "id": f"gid://shopify/ProductVariant/{variant['id']}",
                        "title": variant["title"],
                        "sku": variant["sku"],
                        "price": variant["price"],
                        "compareAtPrice": variant["compare_at_price"],
                        "availableForSale": variant["available"],
                        "inventoryQuantity": 7 if variant["available"] else 0,
                        "inventoryItem": {"tracked": True},
                    }
                    for variant in product["variants"]
                ],
            },
        }


def _ajax(product: dict[str, Any]) -> dict[str, Any]:
    """Return a product as its page data: prices in hundredths, pictures without a scheme."""
    variants = [
        {**variant, "price": round(float(variant["price"]) * 100), "compare_at_price": None}
        for variant in product["variants"]
    ]
    return {
        "id": product["id"],
        "title": product["title"],
        "handle": product["handle"],
        "description": product["body_html"],
        "published_at": product["published_at"],
        "created_at": product["created_at"],
        "vendor": product["vendor"],
        "type": product["product_type"],
        "tags": product["tags"],
        "price": variants[0]["price"],
        "available": any(variant["available"] for variant in variants),
        "variants": variants,
        "images": [image["src"].removeprefix("https:") for image in product["images"]],
        "url": f"/products/{product['handle']}",
    }
