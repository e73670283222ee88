"""Reads Shopify shops: the public product list without a key, the GraphQL Admin API with an access token.

Sources, read 2026-11-24: "GraphQL Admin API reference", shopify.dev/docs/api/admin-graphql/2026-01; "Retrieve product
data using the new product model", shopify.dev/docs/apps/build/graphql/migrate/new-product-model/retrieve-data, which
says that the REST Admin API is legacy since 2024-10-01: it is not used here; "GraphQL Admin API
rate limits", shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits (cost of a query at most 1,000,
`throttleStatus`, `THROTTLED`); "Shopify API limits", shopify.dev/docs/api/usage/limits (lists end after 25,000 objects,
so larger shops cannot be read whole); "Product API
reference" and "Cart API reference", shopify.dev/docs/api/ajax/reference (`/products/{handle}.js` with prices in
hundredths, `/cart.js` with the currency). The public list `/products.json` is described by no page of Shopify's; its
form is that of the REST product, with `available` at each variant ("Shopify Product Feed API",
catalogscan.com/seo/shopify-product-feed-api).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.stores.amounts import api_amount, currency_code, hundredths
from app.stores.base import (
    RowProblem,
    SourceBusy,
    SourcePage,
    SourceProduct,
    SourceRefused,
    SourceUnreadable,
    StoreAccess,
    Variant,
)
from app.stores.http import Answer, StoreHttp
from app.stores.rows import IMAGES_MAX, STOCK_MAX, TAGS_MAX, VARIANTS_MAX, assemble, is_address
from app.stores.texts import identity, line, paragraphs

API_VERSION = "2026-01"
LIST_LIMIT = 250
"""Products on one page of the public list, the most it gives."""
ADMIN_LIMIT = 10
"""Products asked for at once. An object costs 1 and a connection what its `first` lets it hold: with 30 variants and 5
pictures each that is about 820, below the most that one query may cost (1,000)."""
AGAIN_MAX = 20
"""How often a reading goes back a page because the list has moved, before it waits for a quieter hour."""

_PRODUCT = """
  legacyResourceId handle title descriptionHtml vendor productType tags updatedAt status onlineStoreUrl totalInventory
  tracksInventory
  priceRangeV2 { minVariantPrice { amount currencyCode } }
  media(first: 5) { nodes { preview { image { url } } } }
  variants(first: 30) {
    pageInfo { hasNextPage }
    nodes { id title sku price compareAtPrice availableForSale inventoryQuantity inventoryItem { tracked } }
  }
"""
PRODUCTS_QUERY = f"""query Products($first: Int!, $after: String) {{
  shop {{ currencyCode }}
  products(first: $first, after: $after, sortKey: ID, query: "status:active") {{
    pageInfo {{ hasNextPage endCursor }}
    nodes {{ {_PRODUCT} }}
  }}
}}"""
PRODUCT_QUERY = f"""query Product($id: ID!) {{
  shop {{ currencyCode }}
  product(id: $id) {{ {_PRODUCT} }}
}}"""

NOT_A_SHOP = (
    "No list of products was found at this address. Enter the shop's address such as https://your-shop.myshopify.com; "
    "if the shop hides its list, add an Admin API access token."
)


class ShopifySource:
    """The token decides how a shop is read. Both ways give the same ids, so that a token can be added later."""

    def __init__(self, http: StoreHttp) -> None:
        self._public = _PublicList(http)
        self._admin = _AdminApi(http)

    async def page(self, access: StoreAccess, cursor: Mapping[str, Any] | None) -> SourcePage:
        """Return one page of products. Raises `SourceError`."""
        if access.api_key:
            return await self._admin.page(access, cursor)
        return await self._public.page(access, cursor)

    async def one(self, access: StoreAccess, external_id: str, *, url: str | None = None) -> SourceProduct | None:
        """Return one product; without a token it is found by its address. Raises `SourceError`."""
        if access.api_key:
            return await self._admin.one(access, external_id)
        return await self._public.one(access, external_id, url)


class _PublicList:
    """Pages by number move when a product is added or removed meanwhile. Before a page is believed, the last product
    of the page before has to stand where it stood; if it does not, the reading goes one page back."""

    def __init__(self, http: StoreHttp) -> None:
        self._http = http

    async def page(self, access: StoreAccess, cursor: Mapping[str, Any] | None) -> SourcePage:
        base = base_of(access.store_url)
        place = dict(cursor or {"page": 1})
        currency = place.get("currency") or await self._currency(base, access)
        number, tail = int(place["page"]), place.get("tail")
        listed = await self._list(base, number, LIST_LIMIT)
        if tail is not None and await self._has_moved(base, number, tail, listed):
            again = int(place.get("again", 0)) + 1
            if again > AGAIN_MAX:
                raise SourceBusy("The shop's list changes while it is read. We read it again later.")
            back = number - 1
            return SourcePage((), {"page": back, "currency": currency, "again": again, "tail": None})
        products, problems = _read_all(listed, lambda item: _public_product(item, base, currency))
        if len(listed) < LIST_LIMIT:
            return SourcePage(products, None, problems)
        following = {
            "page": number + 1,
            "currency": currency,
            "tail": _id(listed[-1]),
            "again": int(place.get("again", 0)),
        }
        return SourcePage(products, following, problems)

    async def _has_moved(self, base: str, number: int, tail: str, listed: Sequence[Any]) -> bool:
        if listed and _id(listed[0]) == tail:
            return False  # one was added before: the page repeats what is known, nothing is missing
        anchor = await self._list(base, (number - 1) * LIST_LIMIT, 1)
        return not anchor or _id(anchor[0]) != tail

    async def one(self, access: StoreAccess, external_id: str, url: str | None) -> SourceProduct | None:
        base = base_of(access.store_url)
        handle = urlsplit(url or "").path.rpartition("/products/")[2].strip("/")
        if not handle or "/" in handle:
            raise SourceUnreadable("The product has no address of its own in this shop.")
        answer = await self._http.ask(f"{base}/products/{handle}.js")
        if answer.status in (404, 410):
            return None
        item = _require(answer)
        currency = await self._currency(base, access)
        if not isinstance(item, Mapping) or identity(item.get("id")) != external_id:
            return None
        return _ajax_product(item, base, currency)

    async def _list(self, base: str, number: int, limit: int) -> Sequence[Any]:
        answer = await self._http.ask(f"{base}/products.json", query={"limit": limit, "page": number})
        if urlsplit(answer.url).path.rstrip("/").endswith("/password"):
            raise SourceRefused(
                "The shop is closed by a password, so its list cannot be read. Open the shop, or add an Admin API "
                "access token.",
                code="shop_closed",
            )
        found = _require(answer)
        products = found.get("products") if isinstance(found, Mapping) else None
        if not isinstance(products, list):
            raise SourceUnreadable(NOT_A_SHOP, code="not_a_shop")
        return products

    async def _currency(self, base: str, access: StoreAccess) -> str:
        """Return the currency that the owner named, else the one of the shop's cart: the list itself says none."""
        named = currency_code(access.options.get("currency"))
        if named:
            return named
        answer = await self._http.ask(f"{base}/cart.js")
        cart = answer.json() if answer.status == 200 else None
        code = currency_code(cart.get("currency")) if isinstance(cart, Mapping) else None
        if code is None:
            raise SourceRefused(
                "The shop does not say which currency its prices are in. Enter it in the connection's options.",
                code="currency_unknown",
                field="options",
            )
        return code


class QueryTooCostlyError(SourceUnreadable):
    """The shop reckons more for our question than one may cost: it is asked for fewer products at once."""


class _AdminApi:
    """Cursors in the order of ids: what is added or removed meanwhile moves nothing."""

    def __init__(self, http: StoreHttp) -> None:
        self._http = http

    async def page(self, access: StoreAccess, cursor: Mapping[str, Any] | None) -> SourcePage:
        place = cursor or {}
        first = int(place.get("first", ADMIN_LIMIT))
        variables: dict[str, Any] = {"first": first, "after": place.get("after")}
        try:
            data, wait = await self._query(access, PRODUCTS_QUERY, variables)
        except QueryTooCostlyError:
            if first == 1:
                raise
            return SourcePage((), {**variables, "first": first // 2})
        currency, base = _shop_currency(data), base_of(access.store_url)
        connection = data.get("products")
        if not isinstance(connection, Mapping) or not isinstance(connection.get("nodes"), list):
            raise SourceUnreadable("The shop answered without products.")
        products, problems = _read_all(connection["nodes"], lambda item: _admin_product(item, base, currency))
        info = connection.get("pageInfo") or {}
        has_more = info.get("hasNextPage") and info.get("endCursor")
        more = {**variables, "after": info["endCursor"]} if has_more else None
        return SourcePage(products, more, problems, wait if more else 0.0)

    async def one(self, access: StoreAccess, external_id: str) -> SourceProduct | None:
        data, _ = await self._query(access, PRODUCT_QUERY, {"id": f"gid://shopify/Product/{external_id}"})
        item = data.get("product")
        if not isinstance(item, Mapping) or item.get("status") != "ACTIVE":
            return None
        return _admin_product(item, base_of(access.store_url), _shop_currency(data))

    async def _query(
        self, access: StoreAccess, query: str, variables: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], float]:
        """Return the data and how long to wait before the next query. Raises `SourceError`."""
        answer = await self._http.ask(
            f"{base_of(access.store_url)}/admin/api/{API_VERSION}/graphql.json",
            headers={"X-Shopify-Access-Token": access.api_key},
            body={"query": query, "variables": dict(variables)},
            has_secret=True,
        )
        found = _require(answer, has_token=True)
        if not isinstance(found, Mapping):
            raise SourceUnreadable("The shop's API answered with something else than an object.")
        cost = _Cost.of(found)
        errors = found.get("errors")
        if errors:
            raise _graphql_error(errors, cost)
        data = found.get("data")
        if not isinstance(data, Mapping):
            raise SourceUnreadable("The shop's API answered without data.")
        return data, cost.wait


@dataclass(frozen=True)
class _Cost:
    wait: float

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> _Cost:
        """Read how long it takes until there is enough left for the same query again."""
        try:
            cost = answer["extensions"]["cost"]
            status = cost["throttleStatus"]
            missing = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
            return cls(min(max(missing / max(float(status["restoreRate"]), 1.0), 0.0), 3600.0))
        except (KeyError, TypeError, ValueError):
            return cls(0.0)


def _graphql_error(errors: Any, cost: _Cost) -> Exception:
    codes = set()
    for error in errors if isinstance(errors, list) else []:
        extensions = error.get("extensions") if isinstance(error, Mapping) else None
        codes.add(extensions.get("code") if isinstance(extensions, Mapping) else None)
    if "THROTTLED" in codes:
        return SourceBusy(
            "The shop asks us to read more slowly. We go on by ourselves.", after_seconds=max(cost.wait, 1.0)
        )
    if "MAX_COST_EXCEEDED" in codes:
        return QueryTooCostlyError("The shop's API finds our question too large.", code="query_too_costly")
    if "ACCESS_DENIED" in codes:
        return SourceRefused(
            "The access token may not read products. Give it the right read_products and save it again.",
            code="right_missing",
            field="api_key",
        )
    return SourceUnreadable("The shop's API refused our question.", detail=str(errors)[:500])


def _require(answer: Answer, *, has_token: bool = False) -> Any:
    """Return the JSON of a good answer. Raises `SourceRefused` with what to do for the others."""
    if answer.status == 200:
        return answer.json()
    if has_token and answer.status in (401, 403):
        raise SourceRefused(
            "The shop refuses the access token. Enter the Admin API access token of an app that is installed in this "
            "shop and may read products (read_products).",
            code="key_refused",
            field="api_key",
        )
    if answer.status in (402, 423):
        raise SourceRefused("The shop is frozen or locked by Shopify. Settle that first.", code="shop_closed")
    raise SourceRefused(NOT_A_SHOP, code="not_a_shop", detail=f"status {answer.status}")


def base_of(store_url: str) -> str:
    """Return the root of a shop's address: `https://shop.example/collections/all` is `https://shop.example`."""
    parts = urlsplit(store_url)
    return f"{parts.scheme}://{parts.netloc}"


def _shop_currency(data: Mapping[str, Any]) -> str | None:
    shop = data.get("shop")
    return currency_code(shop.get("currencyCode")) if isinstance(shop, Mapping) else None


def _id(item: Any) -> str:
    return identity(item.get("id")) if isinstance(item, Mapping) else ""


def _read_all(items: Sequence[Any], read: Any) -> tuple[tuple[SourceProduct, ...], tuple[RowProblem, ...]]:
    products, problems = [], []
    for item in items:
        try:
            product = read(item) if isinstance(item, Mapping) else None
        except (KeyError, TypeError, ValueError, AttributeError):
            product = None
        if product is None:
            name = (line(item.get("title")) or _id(item)) if isinstance(item, Mapping) else ""
            known = (identity(item.get("legacyResourceId")) or _id(item)) if isinstance(item, Mapping) else ""
            problems.append(
                RowProblem(
                    name or "?", "product", "product_unreadable", "The product cannot be read; it is left out.", known
                )
            )
        else:
            products.append(product)
    return tuple(products), tuple(problems)


def _public_product(item: Mapping[str, Any], base: str, currency: str) -> SourceProduct | None:
    variants = [
        Variant(
            external_id=identity(v["id"]),
            title=_variant_title(v.get("title")),
            price_minor=api_amount(v.get("price"), currency),
            compare_at_price_minor=_above(
                api_amount(v.get("compare_at_price"), currency), api_amount(v.get("price"), currency)
            ),
            is_available=v["available"] if isinstance(v.get("available"), bool) else None,
            sku=identity(v.get("sku")) or None,
            image_url=_first_address([(v.get("featured_image") or {}).get("src")]),
        )
        for v in item["variants"][:VARIANTS_MAX]
    ]
    return _product(
        item,
        external_id=identity(item["id"]),
        base=base,
        currency=currency,
        category=item.get("product_type"),
        description=item.get("body_html"),
        images=[image.get("src") for image in item.get("images") or []],
        variants=variants,
        updated_at=item.get("updated_at"),
    )


def _ajax_product(item: Mapping[str, Any], base: str, currency: str) -> SourceProduct | None:
    variants = [
        Variant(
            external_id=identity(v["id"]),
            title=_variant_title(v.get("title")),
            price_minor=hundredths(v.get("price"), currency),
            compare_at_price_minor=_above(
                hundredths(v.get("compare_at_price"), currency), hundredths(v.get("price"), currency)
            ),
            is_available=v["available"] if isinstance(v.get("available"), bool) else None,
            sku=identity(v.get("sku")) or None,
            image_url=_first_address([(v.get("featured_image") or {}).get("src")]),
        )
        for v in item["variants"][:VARIANTS_MAX]
    ]
    return _product(
        item,
        external_id=identity(item["id"]),
        base=base,
        currency=currency,
        category=item.get("type"),
        description=item.get("description"),
        images=[f"https:{src}" if str(src).startswith("//") else src for src in item.get("images") or []],
        variants=variants,
        updated_at=item.get("updated_at"),
    )


def _admin_product(item: Mapping[str, Any], base: str, currency: str | None) -> SourceProduct | None:
    least = item["priceRangeV2"]["minVariantPrice"]
    currency = currency_code(least.get("currencyCode")) or currency
    variants = [
        Variant(
            external_id=identity(v["id"]).rpartition("/")[2],
            title=_variant_title(v.get("title")),
            price_minor=api_amount(v.get("price"), currency),
            compare_at_price_minor=_above(
                api_amount(v.get("compareAtPrice"), currency), api_amount(v.get("price"), currency)
            ),
            is_available=v["availableForSale"] if isinstance(v.get("availableForSale"), bool) else None,
            stock_count=_stock(v),
            sku=identity(v.get("sku")) or None,
        )
        for v in item["variants"]["nodes"]
    ]
    product = _product(
        item,
        external_id=identity(item["legacyResourceId"]),
        base=base,
        currency=currency,
        category=item.get("productType"),
        description=item.get("descriptionHtml"),
        images=[((node.get("preview") or {}).get("image") or {}).get("url") for node in item["media"]["nodes"]],
        variants=variants,
        updated_at=item.get("updatedAt"),
        url=item.get("onlineStoreUrl"),
    )
    if product is None or not (item["variants"].get("pageInfo") or {}).get("hasNextPage"):
        return product
    # More variants than were asked for: the shop's own sums know of all of them.
    total, cheapest = item.get("totalInventory"), api_amount(least.get("amount"), currency)
    changes: dict[str, Any] = {"stock_count": None}
    if cheapest is not None and cheapest != product.price_minor:
        changes |= {"price_minor": cheapest, "compare_at_price_minor": None}
    if item.get("tracksInventory") and isinstance(total, int) and total > 0:
        changes["is_available"] = True
    return replace(product, **changes)


def _product(
    item: Mapping[str, Any],
    *,
    external_id: str,
    base: str,
    currency: str | None,
    category: Any,
    description: Any,
    images: Sequence[Any],
    variants: list[Variant],
    updated_at: Any,
    url: Any = None,
) -> SourceProduct | None:
    """Return what all three forms have in common, None for a product without id or title."""
    title, handle = line(item.get("title")), identity(item.get("handle"))
    if not external_id or not title:
        return None
    tags = item.get("tags") or []
    names = tags.split(",") if isinstance(tags, str) else tags
    address = url if isinstance(url, str) and is_address(url) else f"{base}/products/{handle}" if handle else None
    product = SourceProduct(
        external_id=external_id,
        title=title,
        description=paragraphs(description),
        url=address,
        image_urls=tuple(dict.fromkeys(a for a in images if isinstance(a, str) and is_address(a)))[:IMAGES_MAX],
        brand=line(item.get("vendor")) or None,
        category=line(category) or None,
        tags=tuple(dict.fromkeys(tag for tag in map(line, names) if tag))[:TAGS_MAX],
        currency=currency,
        source_updated_at=moment(updated_at),
    )
    return assemble(product, variants)


def moment(value: Any) -> datetime | None:
    """Read a time with its offset; None for anything else."""
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return read if read.tzinfo else None


def _variant_title(value: Any) -> str:
    title = line(value)
    return "" if title == "Default Title" else title


def _above(compare_at: int | None, price: int | None) -> int | None:
    return compare_at if compare_at is not None and price is not None and compare_at > price else None


def _stock(variant: Mapping[str, Any]) -> int | None:
    count = variant.get("inventoryQuantity")
    tracked = (variant.get("inventoryItem") or {}).get("tracked")
    return max(0, min(count, STOCK_MAX)) if tracked and isinstance(count, int) else None


def _first_address(addresses: Sequence[Any]) -> str | None:
    return next((a for a in addresses if isinstance(a, str) and is_address(a)), None)
