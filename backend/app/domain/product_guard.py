"""Whether a post may still go out as it was approved, when its product has changed since: pure rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.domain import fact_money
from app.domain.money import NUMBER, SIGN, amount_of, currencies_of, exponent, plain, read_number
from app.domain.preferences import OnPriceChange, OnSoldOut, ProductPreferences

SOLD_OUT = "product_sold_out"
REMOVED = "product_removed"
PRICE_CHANGED = "product_price_changed"

LANGUAGE = "en"
"""What amounts are read as where a post does not say its language; signs and codes count in any."""

_MENTION = re.compile(
    rf"(?P<before>(?<![^\W\d_])(?:{SIGN})[ \u00a0\u202f]?)?(?<![\d.,])(?P<number>{NUMBER})"
    rf"(?P<after>[ \u00a0\u202f]?(?:{SIGN})(?![^\W\d_]))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ProductNow:
    """What is known of a product when its post is to go out."""

    title: str
    is_removed: bool
    is_available: bool | None
    price_minor: int | None
    currency: str | None


@dataclass(frozen=True)
class Hold:
    """The post waits for its owner."""

    code: str
    sentence: str
    told: Mapping[str, Any]
    """What the owner was told: when they send the post all the same, the same thing does not hold it again."""


@dataclass(frozen=True)
class Reword:
    """The post goes out with another text."""

    content: str
    known: Mapping[str, Any]
    """What is known of the product from now on."""
    note: str


def judge(
    approved: Mapping[str, Any], now: ProductNow, content: str, wanted: ProductPreferences
) -> Hold | Reword | None:
    """Return what is to be done before a post goes out; None when it may go as it is.

    `approved` is what was known when the text was approved, with what the owner was told since (`told`).
    """
    hold = _gone(now) if wanted.on_sold_out is OnSoldOut.hold else None
    if hold is not None:
        return None if approved.get("told") == hold.told else hold
    if wanted.on_price_change is OnPriceChange.ignore:
        return None
    return _price(approved, now, content, wanted)


def _gone(now: ProductNow) -> Hold | None:
    if now.is_removed:
        sentence = f"The shop no longer has “{now.title}”. Publish this post all the same, change it, or delete it."
        return Hold(REMOVED, sentence, {"code": REMOVED})
    if now.is_available is False:
        sentence = (
            f"“{now.title}” is sold out. Publish this post when it is back, publish it all the same, or delete it."
        )
        return Hold(SOLD_OUT, sentence, {"code": SOLD_OUT})
    return None


def _price(
    approved: Mapping[str, Any], now: ProductNow, content: str, wanted: ProductPreferences
) -> Hold | Reword | None:
    found = _outdated(approved, now, content)
    if found is None or now.price_minor is None:
        return None
    before, currency = found
    told = {"code": PRICE_CHANGED, "price_minor": now.price_minor, "currency": now.currency}
    if approved.get("told") == told:
        return None
    old, new = _spelled(before, currency), _spelled(now.price_minor, now.currency)
    # A percentage was reckoned from the old price: no replacement makes it right.
    if wanted.on_price_change is OnPriceChange.rewrite and currency == now.currency and "%" not in content:
        reworded = replace_price(content, before, now.price_minor, currency)
        if not mentions(reworded, before, currency):  # written in a way that is not rewritten by rule
            note = f"The price in the text was {old} and is now {new}."
            return Reword(reworded, {"price_minor": now.price_minor}, note)
    sentence = (
        f"“{now.title}” now costs {new}, and this post says {old}. Correct the text, publish it all the same, or "
        "delete it."
    )
    return Hold(PRICE_CHANGED, sentence, told)


def _outdated(approved: Mapping[str, Any], now: ProductNow, content: str) -> tuple[int, str | None] | None:
    """Return a price that was right once, is not now, and stands in the text: the one that was approved, or the one the
    owner was told when the post was held, to which the text was corrected then."""
    for known in (approved, approved.get("told") or {}):
        price, currency = known.get("price_minor"), known.get("currency")
        if not isinstance(price, int) or (price, currency) == (now.price_minor, now.currency):
            continue
        if mentions(content, price, currency):
            return price, currency
    return None


def mentions(content: str, price_minor: int, currency: str | None) -> bool:
    """Whether a text names a price, in whatever way the fact guard reads amounts."""
    if any(_is_price(found, price_minor, currency) for found in _MENTION.finditer(content)):
        return True
    found = fact_money.mentions(fact_money.readable(content), currency=currency, language=LANGUAGE)
    return any(
        price_minor in mention.minors(currency) and (not mention.currencies or currency in mention.currencies)
        for mention in found
    )


def replace_price(content: str, old_minor: int, new_minor: int, currency: str | None) -> str:
    """Return a text in which every mention of one price is another, written the same way."""

    def rewrite(found: re.Match[str]) -> str:
        if not _is_price(found, old_minor, currency):
            return found.group()
        number = _like(found.group("number"), new_minor, currency, sign_follows=bool(found.group("after")))
        return (found.group("before") or "") + number + (found.group("after") or "")

    return _MENTION.sub(rewrite, content)


def _is_price(found: re.Match[str], price_minor: int, currency: str | None) -> bool:
    signs = [group.strip() for group in (found.group("before"), found.group("after")) if group]
    if signs and currency and not any(currency in currencies_of(sign) for sign in signs):
        return False
    number = found.group("number")
    if not signs and not re.search(r"[.,٫]\d{2}$", number):
        return False
    return read_number(number, exponent(currency)) == amount_of(price_minor, currency)


def _like(pattern: str, minor: int, currency: str | None, *, sign_follows: bool) -> str:
    """Return an amount with the separators of a number that stood in its place."""
    decimals = exponent(currency)
    tail = re.search(r"([.,٫])(\d+)$", pattern)
    has_decimals = tail is not None and (len(tail.group(2)) != 3 or decimals == 3)
    mark = tail.group(1) if tail and has_decimals else ("," if sign_follows else ".")
    groups = re.findall(r"\d([ '’٬.,])(?=\d{3})", pattern[: tail.start()] if tail and has_decimals else pattern)
    amount = amount_of(minor, currency)
    whole = int(amount)
    is_round = amount == Decimal(whole)
    written = f"{whole:,}".replace(",", groups[0] if groups else "")
    if decimals == 0 or (is_round and not has_decimals):
        return written
    return f"{written}{mark}{str(abs(minor) % 10**decimals).zfill(decimals)}"


def _spelled(minor: int, currency: str | None) -> str:
    return f"{plain(minor, currency)} {currency or ''}".strip()
