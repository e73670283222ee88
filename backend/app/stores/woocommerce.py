"""Reads WooCommerce shops through REST API version 3, with a consumer key that may read.

Sources, read 2026-11-24: "WooCommerce REST API Documentation", woocommerce.github.io/woocommerce-rest-api-docs
(authentication over HTTPS by Basic, over HTTP by OAuth 1.0a; "List all products" with `offset`, `orderby`, `order`,
`status` and `modified_after`; `X-WP-Total` and `X-WP-TotalPages`; "List all product variations"; "Retrieve current
currency"). Prices are decimal texts in the shop's currency; `price_html` is made for pages and not read.

Products come in the order of their ids, each page beginning with the last product of the page before. When that one is
not where it was, something before it is gone and the page is read from further back: nothing can be skipped.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from app.stores.amounts import api_amount, currency_code
from app.stores.base import (
    RowProblem,
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

PAGE_SIZE = 20
"""Products at once: each with variants costs one more request."""
VARIATIONS_SIZE = 100
"""The most that WooCommerce gives on a page."""
API = "/wp-json/wc/v3"


class WooCommerceSource:
    """`options.modified_after` (ISO 8601) narrows a reading to what changed since: it then says nothing of the rest."""

    def __init__(self, http: StoreHttp) -> None:
        self._http = http

    async def page(self, access: StoreAccess, cursor: Mapping[str, Any] | None) -> SourcePage:
        """Return one page of products. Raises `SourceError`."""
        place = dict(cursor or {})
        currency = place.get("currency") or await self._currency(access)
        tail, offset = int(place.get("tail", 0)), int(place.get("offset", 0))
        query: dict[str, str | int] = {
            "per_page": PAGE_SIZE,
            "offset": offset,
            "orderby": "id",
            "order": "asc",
            "status": "publish",
        }
        since = access.options.get("modified_after")
        if since:
            query |= {"modified_after": str(since), "dates_are_gmt": "true"}
        items = await self._list(access, "/products", query)
        if tail and offset and (not items or _number(items[0]) > tail):
            back = max(0, offset - PAGE_SIZE)
            return SourcePage((), {"currency": currency, "tail": tail, "offset": back})
        products: list[SourceProduct] = []
        problems: list[RowProblem] = []
        for item in items:
            if tail and _number(item) <= tail:
                continue
            product = await self._product(access, item, currency)
            if product is not None:
                products.append(product)
            elif _is_listed(item):
                problems.append(_problem(item))
        if len(items) < PAGE_SIZE:
            return SourcePage(tuple(products), None, tuple(problems))
        following = {"currency": currency, "tail": max(tail, _number(items[-1])), "offset": offset + len(items) - 1}
        return SourcePage(tuple(products), following, tuple(problems))

    async def one(self, access: StoreAccess, external_id: str, *, url: str | None = None) -> SourceProduct | None:
        """Return one product, None when it is gone or no longer published. Raises `SourceError`."""
        answer = await self._get(access, f"/products/{quote(external_id, safe='')}", {})
        if answer.status in (404, 410) and _code(answer) == "woocommerce_rest_product_invalid_id":
            return None
        item = _require(answer)
        if not isinstance(item, Mapping):
            raise SourceUnreadable("The shop answered without the product.", detail=url)
        if item.get("status") != "publish" or not _is_listed(item):
            return None
        product = await self._product(access, item, await self._currency(access))
        if product is None:
            raise SourceUnreadable("The product cannot be read at the moment.", detail=url)
        return product

    async def _product(self, access: StoreAccess, item: Any, currency: str) -> SourceProduct | None:
        if not _is_listed(item):
            return None
        try:
            product = read_product(item, currency)
            if product is None or item.get("type") != "variable" or not item.get("variations"):
                return product
            found = await self._variations(access, _number(item))
            variants = [variant for variant in (read_variant(v, currency) for v in found) if variant is not None]
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        # A parent that is sold out as a whole says so itself.
        read = assemble(product, variants)
        return replace(read, is_available=False) if product.is_available is False else read

    async def _variations(self, access: StoreAccess, product_id: int) -> list[Any]:
        found: list[Any] = []
        for number in range(1, -(-VARIANTS_MAX // VARIATIONS_SIZE) + 1):
            query: dict[str, str | int] = {"per_page": VARIATIONS_SIZE, "page": number, "orderby": "id"}
            query |= {"order": "asc", "status": "publish"}
            answer = await self._get(access, f"/products/{product_id}/variations", query)
            page = _require(answer)
            found += page if isinstance(page, list) else []
            if number >= _int(answer.headers.get("x-wp-totalpages")):
                break
        return found[:VARIANTS_MAX]

    async def _currency(self, access: StoreAccess) -> str:
        named = currency_code(access.options.get("currency"))
        if named:
            return named
        answer = await self._get(access, "/data/currencies/current", {})
        if answer.status == 401:
            _require(answer)
        found = answer.json() if answer.status == 200 else None
        code = currency_code(found.get("code")) if isinstance(found, Mapping) else None
        if code is None:
            raise SourceRefused(
                "The shop does not say which currency its prices are in. Enter it in the connection's options.",
                code="currency_unknown",
                field="options",
            )
        return code

    async def _list(self, access: StoreAccess, path: str, query: Mapping[str, str | int]) -> list[Any]:
        found = _require(await self._get(access, path, query))
        if not isinstance(found, list):
            raise SourceUnreadable("The shop answered without a list of products.")
        return found

    async def _get(self, access: StoreAccess, path: str, query: Mapping[str, str | int]) -> Answer:
        if not access.api_key or not access.api_secret:
            raise SourceRefused(
                "WooCommerce needs a consumer key (ck_…) and its secret (cs_…): make one under WooCommerce, Settings, "
                "Advanced, REST API, with the right to read.",
                code="key_missing",
                field="api_secret" if access.api_key else "api_key",
            )
        url = f"{root_of(access.store_url)}{API}{path}"
        headers, signed = sign(url, query, access.api_key, access.api_secret)
        return await self._http.ask(url, query=signed, headers=headers, has_secret=True)


def root_of(store_url: str) -> str:
    """Return the address under which WordPress lies: with its folder, without what comes from a copied API address."""
    parts = urlsplit(store_url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.partition('/wp-json')[0].rstrip('/')}"


def sign(
    url: str,
    query: Mapping[str, str | int],
    key: str,
    secret: str,
    *,
    nonce: str | None = None,
    timestamp: int | None = None,
) -> tuple[dict[str, str], dict[str, str | int]]:
    """Return the headers and the query that open the API: Basic over https; over http an OAuth 1.0a signature, so that
    the secret itself never travels in the open."""
    if url.startswith("https://"):
        token = base64.b64encode(f"{key}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {token}"}, dict(query)
    signed: dict[str, str | int] = {
        **query,
        "oauth_consumer_key": key,
        "oauth_nonce": nonce or secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": timestamp or int(time.time()),
    }
    pairs = sorted((_escape(name), _escape(str(value))) for name, value in signed.items())
    base = "&".join(("GET", _escape(url), _escape("&".join(f"{name}={value}" for name, value in pairs))))
    digest = hmac.new(f"{_escape(secret)}&".encode(), base.encode(), hashlib.sha256).digest()
    return {}, {**signed, "oauth_signature": base64.b64encode(digest).decode()}


def _escape(text: str) -> str:
    return quote(text, safe="~")


def _require(answer: Answer) -> Any:
    """Return the JSON of a good answer. Raises `SourceRefused` with what to do for the others."""
    if answer.status == 200:
        return answer.json()
    code = _code(answer)
    if answer.status == 401 or code == "woocommerce_rest_authentication_error":
        raise SourceRefused(
            "The shop refuses the consumer key or its secret. Make a new one under WooCommerce, Settings, Advanced, "
            "REST API, and enter both parts.",
            code="key_refused",
            field="api_key",
            detail=code,
        )
    if answer.status == 403:
        raise SourceRefused(
            "The consumer key may not read products. Give it the permission Read, and its user the role of a shop "
            "manager.",
            code="right_missing",
            field="api_key",
            detail=code,
        )
    raise SourceRefused(
        "WooCommerce's API was not found at this address. Enter the address of the shop itself, and see that "
        "permalinks are switched on in WordPress (Settings, Permalinks, anything but Plain).",
        code="not_a_shop",
        detail=f"status {answer.status} {code}",
    )


def _code(answer: Answer) -> str:
    try:
        found = answer.json()
    except SourceUnreadable:
        return ""
    return str(found.get("code", ""))[:100] if isinstance(found, Mapping) else ""


def read_product(item: Mapping[str, Any], currency: str) -> SourceProduct | None:
    """Return a product as the API gives it, without its variations; None for one without id or title."""
    external_id, title = identity(item.get("id")), line(item.get("name"))
    if not external_id or not title:
        return None
    price, compare_at = _prices(item, currency)
    addresses = (image.get("src") for image in item.get("images") or [])
    return SourceProduct(
        external_id=external_id,
        title=title,
        description=paragraphs(item.get("description")) or paragraphs(item.get("short_description")),
        url=item["permalink"] if is_address(str(item.get("permalink", ""))) else None,
        image_urls=tuple(dict.fromkeys(a for a in addresses if isinstance(a, str) and is_address(a)))[:IMAGES_MAX],
        brand=next(iter(_names(item.get("brands"))), None),
        category=next((name for name in _names(item.get("categories")) if name != "Uncategorized"), None),
        tags=_names(item.get("tags"))[:TAGS_MAX],
        price_minor=price,
        compare_at_price_minor=compare_at,
        currency=currency,
        is_available=_available(item),
        stock_count=_stock(item),
        source_updated_at=_gmt(item.get("date_modified_gmt")),
    )


def read_variant(item: Any, currency: str) -> Variant | None:
    if not isinstance(item, Mapping) or not identity(item.get("id")):
        return None
    price, compare_at = _prices(item, currency)
    image = item.get("image") if isinstance(item.get("image"), Mapping) else {}
    address = (image or {}).get("src")
    return Variant(
        external_id=identity(item["id"]),
        title=line(" / ".join(str(part.get("option", "")) for part in item.get("attributes") or [])),
        price_minor=price,
        compare_at_price_minor=compare_at,
        is_available=_available(item),
        stock_count=_stock(item),
        sku=identity(item.get("sku")) or None,
        image_url=address if isinstance(address, str) and is_address(address) else None,
    )


def _prices(item: Mapping[str, Any], currency: str) -> tuple[int | None, int | None]:
    """Return what it costs now and what is crossed out: the regular price while a lower one holds."""
    price, regular = api_amount(item.get("price"), currency), api_amount(item.get("regular_price"), currency)
    crossed_out = regular if item.get("on_sale") and regular is not None and price is not None else None
    return (
        price if price is not None else regular,
        crossed_out if crossed_out is not None and price is not None and crossed_out > price else None,
    )


def _available(item: Mapping[str, Any]) -> bool | None:
    status = item.get("stock_status")
    return {"instock": True, "onbackorder": True, "outofstock": False}.get(str(status))


def _stock(item: Mapping[str, Any]) -> int | None:
    count = item.get("stock_quantity")
    return max(0, min(count, STOCK_MAX)) if isinstance(count, int) and not isinstance(count, bool) else None


def _names(items: Any) -> tuple[str, ...]:
    found = [line(item.get("name")) for item in items or [] if isinstance(item, Mapping)]
    return tuple(dict.fromkeys(name for name in found if name))


def _gmt(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{value}+00:00")
    except ValueError:
        return None


def _is_listed(item: Any) -> bool:
    """Whether it stands in the shop's catalogue: hidden products are parts of others, or not meant to be seen."""
    return not isinstance(item, Mapping) or item.get("catalog_visibility") != "hidden"


def _number(item: Any) -> int:
    return item["id"] if isinstance(item, Mapping) and isinstance(item.get("id"), int) else 0


def _int(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 1


def _problem(item: Any) -> RowProblem:
    known = isinstance(item, Mapping)
    name = (line(item.get("name")) or identity(item.get("id"))) if known else ""
    sentence = "The product cannot be read; it is left out."
    return RowProblem(
        name or "?", "product", "product_unreadable", sentence, identity(item.get("id")) if known else None
    )
