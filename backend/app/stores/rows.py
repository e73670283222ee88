"""Turns rows of fields, from a table or a feed, into products with their variants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from app.domain.money import parse_price
from app.kit.clock import Clock, utc_now
from app.stores.base import RowProblem, SourceProduct, Variant
from app.stores.texts import identity, line, paragraphs

ID_MAX = 255
PRICE_MAX = 10**13
STOCK_MAX = 2_000_000_000
IMAGES_MAX = 20
TAGS_MAX = 50
LIST_CHARS = 5_000
URL_CHARS = 2_000
PRICE_CHARS = 60
VARIANTS_MAX = 250

_YES = """
in_stock instock in stock available yes y true 1 on preorder pre_order backorder onbackorder limited_availability ja
auf_lager lieferbar verfuegbar vorraetig oui en_stock disponible si sí disponibile sim disponivel op_voorraad
vorbestellbar
"""
_NO = """
out_of_stock outofstock sold_out soldout unavailable discontinued no n false 0 off nein ausverkauft nicht_auf_lager
nicht_lieferbar nicht_verfuegbar vergriffen non epuise épuisé rupture_de_stock agotado no_disponible esaurito
non_disponibile nao esgotado uitverkocht
"""
YES, NO = frozenset(_YES.split()), frozenset(_NO.split())


@dataclass
class _Group:
    """Rows of one product, in the order they came."""

    main: SourceProduct
    row: str
    variants: dict[str, Variant] = field(default_factory=dict)
    images: dict[str, None] = field(default_factory=dict)
    is_grouped: bool = False


class RowReader:
    """Collects rows and gives products; what is wrong with a row never stops the next one."""

    def __init__(self, *, default_currency: str | None = None, clock: Clock = utc_now) -> None:
        self.problems: list[RowProblem] = []
        self._default_currency = default_currency
        self._now = clock()
        self._groups: dict[str, _Group] = {}
        self._seen_ids: set[str] = set()
        self._by_sku: dict[str, str] = {}
        """WooCommerce's variations may name their parent by its SKU."""
        self._told_currency = False

    def add(self, row: str, values: Mapping[str, str], *, more_images: tuple[str, ...] = ()) -> None:
        """Take one row; `row` names it in problems."""
        if values.get("published", "").strip().casefold() in ("0", "false", "no", "-1") or values.get(
            "status", ""
        ).strip().casefold() in ("draft", "archived"):
            return
        own_id = identity(values.get("id") or values.get("sku") or "")
        group_id = _parent(values) or identity(values.get("handle", ""))
        group_id = self._by_sku.get(group_id, group_id)
        external_id = group_id or own_id
        if not external_id:
            self._problem(row, "id", "id_missing", "The row has no id, SKU or handle.", None)
            return
        if len(external_id) > ID_MAX or len(own_id) > ID_MAX:
            self._problem(row, "id", "id_too_long", f"The id has more than {ID_MAX} characters.", None)
            return
        variant = self._variant(row, values, own_id, external_id)
        if variant is None:
            return
        known = self._groups.get(external_id)
        if own_id and not (known is not None and values.get("handle")):
            if own_id in self._seen_ids:
                self._problem(
                    row, "id", "duplicate_id", f"The id “{own_id}” is in this file twice; this row is left out.", own_id
                )
                return
            self._seen_ids.add(own_id)
        if known is None:
            self._begin(row, values, external_id, variant, more_images, is_grouped=bool(group_id))
        else:
            self._continue(known, values, variant, more_images)

    def _begin(
        self,
        row: str,
        values: Mapping[str, str],
        external_id: str,
        variant: Variant,
        more_images: tuple[str, ...],
        *,
        is_grouped: bool,
    ) -> None:
        title = line(values.get("title", ""))
        if not title:
            self._problem(row, "title", "title_missing", "The row has no title.", external_id)
            return
        category = line(values.get("category") or values.get("google_category") or "")
        url = self._address(row, values, "url", external_id)
        main = SourceProduct(
            external_id=external_id,
            title=title,
            description=paragraphs(values.get("description") or values.get("short_description") or ""),
            url=url,
            brand=line(values.get("brand", "")) or None,
            category=re.split(r"\s*,\s*", category)[0] or None,
            tags=_list(values.get("tags", ""), TAGS_MAX),
            currency=self._currency(values),
        )
        group = _Group(main, row, is_grouped=is_grouped or values.get("row_type", "") == "variable")
        self._groups[external_id] = group
        self._by_sku.setdefault(identity(values.get("sku", "")) or external_id, external_id)
        self._images(group, values, more_images)
        self._keep_variant(group, variant, values)

    def _continue(
        self, group: _Group, values: Mapping[str, str], variant: Variant, more_images: tuple[str, ...]
    ) -> None:
        group.is_grouped = True
        self._images(group, values, more_images)
        if group.main.currency is None and (currency := self._currency(values)):
            group.main = replace(group.main, currency=currency)
        self._keep_variant(group, variant, values)

    def _keep_variant(self, group: _Group, variant: Variant, values: Mapping[str, str]) -> None:
        is_parent = values.get("row_type", "").strip().casefold() == "variable"
        is_only_image = variant.price_minor is None and not values.get("sku") and bool(values.get("handle"))
        if not is_parent and not (is_only_image and group.variants) and len(group.variants) < VARIANTS_MAX:
            group.variants.setdefault(variant.external_id, variant)

    def _images(self, group: _Group, values: Mapping[str, str], more: tuple[str, ...]) -> None:
        external_id = group.main.external_id
        for field_name in ("image", "more_images"):
            for address in _addresses(values.get(field_name, "")):
                self._image(group, address, external_id)
        for address in more:
            self._image(group, address, external_id)

    def _image(self, group: _Group, address: str, external_id: str) -> None:
        if not is_address(address):
            sentence = "The picture's address is not one: it has to begin with http:// or https://."
            self._problem(group.row, "image_url", "image_url_invalid", sentence, external_id)
        elif len(group.images) < IMAGES_MAX:
            group.images.setdefault(address)

    def _variant(self, row: str, values: Mapping[str, str], own_id: str, external_id: str) -> Variant | None:
        """Return how the row's product is sold, None when a price in it cannot be read."""
        currency = self._currency(values)
        amounts: dict[str, int | None] = {}
        for name in ("price", "sale_price", "compare_at"):
            text = values.get(name, "").strip()
            is_short = 0 < len(text) <= PRICE_CHARS
            amount, said = parse_price(text, currency) if is_short else (None, None)
            if text and (amount is None or not 0 <= amount <= PRICE_MAX):
                sentence = f"“{text[:40]}” is not a price. Write it as 12.90 or 12.90 EUR."
                self._problem(row, name, "price_invalid", sentence, external_id)
                return None
            currency, amounts[name] = currency or said, amount
        if currency is None and amounts["price"] is not None:
            self._tell_currency(row)
            amounts = dict.fromkeys(amounts)
        price, compare_at = self._offer(values, amounts)
        stock = _stock(values.get("stock", ""))
        available = _available(values.get("availability", ""))
        if available is None and stock is not None:
            available = stock > 0
        elif available and values.get("row_type") and stock == 0:
            available = False
        parts = [values.get(name, "") for name in ("option1", "option2", "option3", "color", "size", "material")]
        title = " / ".join(part.strip() for part in parts if part.strip() and part.strip() != "Default Title")
        return Variant(
            external_id=own_id or title or external_id,
            title=line(title),
            price_minor=price,
            compare_at_price_minor=compare_at,
            is_available=available,
            stock_count=stock,
            sku=identity(values.get("sku", "")) or None,
            image_url=next((a for a in [values.get("variant_image", "").strip()] if is_address(a)), None),
        )

    def _offer(self, values: Mapping[str, str], amounts: Mapping[str, int | None]) -> tuple[int | None, int | None]:
        """Return what it costs now and what is crossed out."""
        price, sale, compare_at = amounts["price"], amounts["sale_price"], amounts["compare_at"]
        if sale and price is not None and sale < price and _is_now(values.get("sale_dates", ""), self._now):
            return sale, price
        if price is None and sale:
            return sale, compare_at
        return price, compare_at if compare_at is not None and price is not None and compare_at > price else None

    def _currency(self, values: Mapping[str, str]) -> str | None:
        """Return the currency that the row's own column names, else the one beside its price, else the default."""
        named = values.get("currency", "")
        text = f"1 {named.upper()}" if named else values.get("price") or values.get("sale_price") or ""
        return parse_price(text[:PRICE_CHARS], self._default_currency)[1]

    def _tell_currency(self, row: str) -> None:
        if not self._told_currency:
            self._told_currency = True
            sentence = (
                "The file does not say in which currency its prices are, so they are left out. Add a column "
                "“currency”, or choose the currency when you import it."
            )
            self._problem(row, "currency", "currency_missing", sentence, None)

    def _address(self, row: str, values: Mapping[str, str], name: str, external_id: str) -> str | None:
        address = values.get(name, "").strip()
        if not address:
            return None
        if is_address(address):
            return address
        sentence = "The address is not one: it has to begin with http:// or https://. The product is taken without it."
        self._problem(row, name, f"{name}_invalid", sentence, external_id)
        return None

    def _problem(self, row: str, name: str, code: str, sentence: str, external_id: str | None) -> None:
        self.problems.append(RowProblem(row, name, code, sentence, external_id))

    def products(self) -> Iterator[SourceProduct]:
        """Give every product that was read, and forget it."""
        while self._groups:
            group = self._groups.pop(next(iter(self._groups)))
            yield assemble(
                replace(group.main, image_urls=tuple(group.images)), list(group.variants.values()), group.is_grouped
            )


def assemble(product: SourceProduct, variants: list[Variant], is_grouped: bool = True) -> SourceProduct:
    """Return a product with what its variants say: the cheapest one's price, buyable if one is, all their stock."""
    priced = [variant for variant in variants if variant.price_minor is not None]
    cheapest = min(priced, key=lambda variant: variant.price_minor or 0, default=None)
    said = [variant.is_available for variant in variants if variant.is_available is not None]
    counts = [variant.stock_count for variant in variants if variant.stock_count is not None]
    return replace(
        product,
        price_minor=cheapest.price_minor if cheapest else product.price_minor,
        compare_at_price_minor=cheapest.compare_at_price_minor if cheapest else product.compare_at_price_minor,
        is_available=any(said) if said else product.is_available,
        stock_count=sum(counts) if counts and len(counts) == len(variants) else product.stock_count,
        variants=tuple(variants) if is_grouped and len(variants) > 1 else (),
    )


def is_address(text: str) -> bool:
    """Whether a text can be the http address of a page or picture. It is only kept here; fetching is guarded."""
    if len(text) > URL_CHARS or any(character <= " " or character in '<>"\\\x7f' for character in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _parent(values: Mapping[str, str]) -> str:
    """Return the group a row belongs to. WooCommerce writes a variation's parent as `id:12` or as its SKU."""
    return identity(values.get("group", "").strip().removeprefix("id:"))


def _word(text: str) -> str:
    spelled = text.strip().casefold().replace("ü", "ue").replace("ä", "ae").replace("ã", "a")
    return re.sub(r"[\s\-]+", "_", spelled)


def _available(text: str) -> bool | None:
    word = _word(text)
    return True if word in YES else False if word in NO else None


def _stock(text: str) -> int | None:
    match = re.fullmatch(r"\s*([+-]?\d{1,10})(?:[.,]0+)?\s*", text)
    return max(0, min(int(match.group(1)), STOCK_MAX)) if match else None


def _list(text: str, most: int) -> tuple[str, ...]:
    parts = (line(part) for part in re.split(r"[,;|]", text[:LIST_CHARS]))
    return tuple(dict.fromkeys(part for part in parts if part))[:most]


def _addresses(text: str) -> list[str]:
    """Return addresses that stand side by side: with spaces, `|`, or a comma before the next one between them."""
    parts = re.split(r"[\s|]+|,(?=https?://)", text[: IMAGES_MAX * URL_CHARS])
    return [part for part in (part.strip(",") for part in parts) if part][:IMAGES_MAX]


def _is_now(text: str, now: datetime) -> bool:
    """Whether a sale is on: `start/end` in ISO 8601; without dates always. Source: Google Merchant Center Help,
    "Sale price effective date", support.google.com/merchants/answer/6324460, read 2026-11-24."""
    if not text.strip():
        return True
    begin, _, end = text.strip().partition("/")
    try:
        first, last = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    except ValueError:
        return False
    first, last = (moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo) for moment in (first, last))
    return first <= now <= last
