"""What is known of a product, wherever it came from: the one form that captions, guards and rules read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from app.domain.money import CURRENCIES, currencies_of, minor_of, parse_price, plain
from app.domain.plain_text import plain_text

TITLE_CHARS, DESCRIPTION_CHARS, NAME_CHARS, OFFER_CHARS, OTHER_CHARS = 300, 4_000, 200, 300, 500
URL_CHARS = 2_048
IMAGES_MAX, TAGS_MAX, OTHER_MAX, OTHER_DEPTH = 20, 30, 40, 3
AMOUNT_MAX = Decimal(10) ** 12


@dataclass(frozen=True)
class ProductFacts:
    """A product as a caption may speak of it. Text fields are plain text, possibly empty."""

    title: str
    description: str = ""
    price_minor: int | None = None
    """In the smallest unit of `currency` (ISO 4217)."""
    compare_at_price_minor: int | None = None
    """The crossed-out price, higher than `price_minor`."""
    currency: str | None = None
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    brand: str | None = None
    category: str | None = None
    tags: tuple[str, ...] = ()
    is_available: bool | None = None
    shipping: str | None = None
    """What the shop promises about delivery, in its own words."""
    discount: str | None = None
    """An offer in the shop's own words, such as "10 % off this week"."""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Fields that came along and have no place above: material, sizes, colours and so on."""


# ---------------------------------------------------------------------------------------------------------------------
# From and to the free-form `product_data` of a queue item

_KNOWN = frozenset(
    {"title", "description", "price", "compare_at_price", "currency", "url", "image_url", "image_urls", "brand"}
    | {"category", "tags", "is_available", "shipping", "discount"}
)
_AVAILABLE = {"in stock", "instock", "available", "true", "yes", "1", "preorder", "backorder"}
_UNAVAILABLE = {"out of stock", "outofstock", "sold out", "soldout", "unavailable", "false", "no", "0", "discontinued"}


def facts_of(product_data: Mapping[str, Any]) -> ProductFacts:
    """Read a product from whatever was sent, leniently: what cannot be read is left out, nothing is guessed.

    A price may be a number, or a text such as "19.99 EUR"; a currency named in it wins over `currency`. A price without
    any currency is in hundredths. A crossed-out price that is not higher than the price is none.
    """
    data = {str(key): value for key, value in product_data.items() if value is not None}
    stated = _currency(data.get("currency"))
    price, currency = _price(data.get("price"), stated)
    before, before_currency = _price(data.get("compare_at_price"), currency)
    if price is None:
        currency = before_currency
    if before is not None and (before_currency != currency or (price is not None and before <= price)):
        before = None
    title, is_available, aliases = _text(data.get("title"), TITLE_CHARS), _yes_or_no(data.get("is_available")), set()
    if not title:
        title, aliases = _text(data.get("name"), TITLE_CHARS), {"name"}
    if is_available is None:
        is_available, aliases = _yes_or_no(data.get("availability")), {*aliases, "availability"}
    return ProductFacts(
        title=title,
        description=_text(data.get("description"), DESCRIPTION_CHARS, lines=True),
        price_minor=price,
        compare_at_price_minor=before,
        currency=currency,
        url=_address(data.get("url")),
        image_urls=_addresses(data.get("image_url"), data.get("image_urls")),
        brand=_text(data.get("brand"), NAME_CHARS) or None,
        category=_category(data.get("category")),
        tags=_tags(data.get("tags")),
        is_available=is_available,
        shipping=_text(data.get("shipping"), OFFER_CHARS) or None,
        discount=_text(data.get("discount"), OFFER_CHARS) or None,
        other=_other({key: value for key, value in data.items() if key not in _KNOWN | aliases}),
    )


def data_of(facts: ProductFacts) -> dict[str, Any]:
    """Write a product as `product_data`: `facts_of` reads the same from it. Prices are plain decimal texts; what is
    empty is left out."""
    currency = facts.currency
    known = {
        "title": facts.title,
        "description": facts.description,
        "price": None if facts.price_minor is None else plain(facts.price_minor, currency),
        "currency": currency,
        "compare_at_price": (
            None if facts.compare_at_price_minor is None else plain(facts.compare_at_price_minor, currency)
        ),
        "image_url": facts.image_urls[0] if facts.image_urls else None,
        "image_urls": list(facts.image_urls),
        "url": facts.url,
        "brand": facts.brand,
        "category": facts.category,
        "tags": list(facts.tags),
        "is_available": facts.is_available,
        "shipping": facts.shipping,
        "discount": facts.discount,
    }
    written = {key: value for key, value in known.items() if value not in (None, "", [])}
    return {**{key: value for key, value in facts.other.items() if key not in _KNOWN}, **written}


def _text(value: Any, max_chars: int, *, lines: bool = False) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    return plain_text(str(value), max_chars=max_chars, lines=lines)


def _currency(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    if text.upper() in CURRENCIES:
        return text.upper()
    meanings = currencies_of(text)
    return meanings[0] if len(meanings) == 1 else None


def _price(value: Any, currency: str | None) -> tuple[int | None, str | None]:
    if isinstance(value, Mapping):
        named = _currency(value.get("currency") or value.get("currency_code")) or currency
        return _price(value.get("amount", value.get("value")), named)
    if isinstance(value, str):
        minor, found = parse_price(value[:100], currency)
        return (minor if minor is not None and minor <= minor_of(AMOUNT_MAX, found) else None), found
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None, currency
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None, currency
    is_price = amount.is_finite() and 0 <= amount <= AMOUNT_MAX
    return (minor_of(amount, currency) if is_price else None), currency


def _address(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > URL_CHARS or any(c <= " " or c == "\x7f" for c in text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.hostname else None


def _addresses(first: Any, more: Any) -> tuple[str, ...]:
    several = more if isinstance(more, list | tuple) else [more]
    found = (_address(value) for value in (first, *several))
    return tuple(dict.fromkeys(address for address in found if address))[:IMAGES_MAX]


def _category(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        value = " > ".join(part for part in value if isinstance(part, str))
    return _text(value, NAME_CHARS) or None


def _tags(value: Any) -> tuple[str, ...]:
    several: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    if not isinstance(several, list | tuple):
        return ()
    texts = (_text(tag, NAME_CHARS).replace(",", " ").strip() for tag in several)
    return tuple(dict.fromkeys(text for text in texts if text))[:TAGS_MAX]


def _yes_or_no(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().casefold().replace("_", " ").replace("https://schema.org/", "")
    return True if word in _AVAILABLE else False if word in _UNAVAILABLE else None


def _other(data: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in data.items():
        name, small = plain_text(key, max_chars=NAME_CHARS), _small(value, OTHER_DEPTH)
        if name and name not in _KNOWN and small not in (None, "", [], {}) and len(kept) < OTHER_MAX:
            kept[name] = small
    return kept


def _small(value: Any, depth: int) -> Any:
    """Return what JSON can hold of a value, texts plain, nothing deep and nothing long."""
    if isinstance(value, bool | int) or (isinstance(value, float) and Decimal(str(value)).is_finite()):
        return value if isinstance(value, bool) or abs(value) <= AMOUNT_MAX else None
    if isinstance(value, str | Decimal):
        return plain_text(str(value), max_chars=OTHER_CHARS)
    if depth > 1 and isinstance(value, Mapping):
        inner = {
            plain_text(str(k), max_chars=NAME_CHARS): _small(v, depth - 1) for k, v in list(value.items())[:OTHER_MAX]
        }
        return {key: item for key, item in inner.items() if key and item not in (None, "", [], {})}
    if depth > 1 and isinstance(value, list | tuple):
        items = (_small(item, depth - 1) for item in list(value)[:OTHER_MAX])
        return [item for item in items if item not in (None, "", [], {})]
    return None
