"""Amounts of money in a caption: where they stand, what they may mean, and how they are meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import CURRENCIES, LETTER, NUMBER, SIGN, currencies_of, exponent, minor_of, read_number

_MORE_SIGNS = {
    "pounds": ("GBP", "EGP"),
    "pound": ("GBP", "EGP"),
    "quid": ("GBP",),
    "bucks": ("USD", "CAD", "AUD"),
    "pfund": ("GBP",),
    "franken": ("CHF",),
    "francs": ("CHF", "XOF", "XAF"),
    "kronen": ("DKK", "NOK"),
    "kroner": ("DKK", "NOK"),
    "kronor": ("SEK",),
    "złotych": ("PLN",),
    "reais": ("BRL",),
}
_CENTS = "cents?|centimes|céntimos|centesimi|rappen|groszy|kuruş|pence|¢"
_HOMONYMS = {
    "ft": "hu", "fr": "", "tl": "tr", "lei": "ro", "rs": "hi", "sfr": "", "yen": "ja", "lira": "tr", "元": "zh",
    "ALL": "sq", "TRY": "tr", "TOP": "", "MAD": "", "PEN": "", "GEL": "", "CUP": "", "SOS": "", "RON": "ro", "MOP": "",
    "LAK": "", "BAM": "",
}  # fmt: skip
"""Signs that are other words too, with the language in which they are money even next to a whole number."""
UNITS = (
    "mm|cm|dm|m|km|ml|cl|dl|l|g|kg|mg|oz|lb|lbs|inch|inches|zoll|pouces?|%|°|x|×|mah|wh|w|v|hz|gb|tb|mb|mp|px|k|"
    "stars?|sterne|étoiles|points?|karat|carats?|ct|atm|bar|h|std|min|sek|uhr|jahre?|years?|ans|stück|stk|pcs|pieces|"
    "seiten|pages|liter|litres?|liters?|gramm?|grams?|meters?|metres?|tage?|days?|of|von|sur|/"
)
_PRICE_WORDS = (
    "price|priced at|costs?|for just|for only|only|just|now|nur|preis|kostet|jetzt(?: für)?|für nur|prix|coûte|"
    "seulement|à partir de|precio|cuesta|por solo|por sólo|por apenas|apenas|solo|prezzo|costa|a soli|soli|prijs|"
    "kost|nu voor|voor maar|slechts|preço|custa|cena|kosztuje|tylko|już za|fiyat|sadece|nå|nu|pris|endast|kun|"
    "yours for|down to|from|ab|desde|価格"
)
_STRUCK = re.compile(r"((?:[\d.,$€£¥]\s?[\u0335-\u0338])+)")
_NUMBER = re.compile(rf"(?<![\d.,])(?:{NUMBER})(?!\d)")
_ALL_SIGNS = rf"(?:{SIGN}|(?i:{'|'.join(_MORE_SIGNS)})(?![{LETTER}]))"
_BEFORE = re.compile(rf"(?<![{LETTER}])({_ALL_SIGNS})[.]?\s{{0,2}}$")
_AFTER = re.compile(rf"^\s{{0,2}}({_ALL_SIGNS})")
_CENTS_AFTER = re.compile(rf"^\s?(?:{_CENTS})(?![{LETTER}])", re.IGNORECASE)
_RANGE_AFTER = re.compile(rf"^\s?(?:-|–|—|to|bis|à|a|~|〜)\s?(?:{_ALL_SIGNS})?\s?(?:{NUMBER})\s{{0,2}}({_ALL_SIGNS})")
_RANGE_BEFORE = re.compile(rf"({_ALL_SIGNS})\s?(?:{NUMBER})\s?(?:-|–|—|to|bis|à|a|~|〜)\s?$")
_UNIT_AFTER = re.compile(rf"^\s?(?:{UNITS})(?![^\W\d_])", re.IGNORECASE)
_PRICE_BEFORE = re.compile(rf"(?<!\w)(?:{_PRICE_WORDS})\s?[:=]?\s?$", re.IGNORECASE)
_PRICE_NAMED = re.compile(
    r"(?<!\w)(?:price|preis|prix|precio|prezzo|prijs|preço|cena|fiyat|pris|価格)\s?[:=]?\s?$", re.IGNORECASE
)
_DASH_AFTER = re.compile(r"^[.,][-–—](?!\d)")
_TIMES = re.compile(r"^(k|tsd|mila|mil|万|千)(?!\w)", re.IGNORECASE)
_FACTORS = {"k": 1000, "tsd": 1000, "mila": 1000, "mil": 1000, "万": 10_000, "千": 1000}
_SPLIT = re.compile(rf"(?<![{LETTER}\d.,])(\d{{1,6}})\s?({_ALL_SIGNS})\s?(\d{{2}})(?!\d)")


@dataclass(frozen=True)
class Mention:
    """An amount in a text. Positions are those of `readable(text)`."""

    start: int
    end: int
    quote: str
    amounts: tuple[Decimal, ...]
    """What the digits may mean."""
    currencies: tuple[str, ...]
    """What the sign may mean; empty where there is none."""

    def minors(self, currency: str | None) -> set[int]:
        return {minor_of(amount, currency) for amount in self.amounts if _is_whole(amount, currency)}


def readable(text: str) -> str:
    """Return a text with plain digits and spaces, struck-out amounts between `~~`."""
    struck = _STRUCK.sub(lambda found: f"~~{re.sub('[̵-̸]', '', found.group())}~~", text)
    wide = re.sub(r"(?<=[$€£¥])\s?[.,](?=\d)", "0.", unicodedata.normalize("NFKC", struck))
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in wide)


def mentions(text: str, *, currency: str | None, language: str, known: str = "") -> Iterator[Mention]:
    """Find amounts of money in a readable text.

    `currency` is the product's: a sign that is another word too counts where it may mean that, or in its language.
    `known` is the product's own text: "iPhone 15 299 €" holds no 15,299 when the product is called that.
    """
    taken = 0
    for found in _SPLIT.finditer(text):  # 5€50
        meanings = _meanings(found.group(2), currency, language)
        if meanings:
            yield Mention(*found.span(), found.group(), (Decimal(f"{found.group(1)}.{found.group(3)}"),), meanings)
    split = [range(*found.span()) for found in _SPLIT.finditer(text) if _meanings(found.group(2), currency, language)]
    for found in _NUMBER.finditer(text):
        start, end = found.span()
        if start < taken or any(start in span for span in split):
            continue
        head, tail = text[:start], text[end:]
        is_exact = re.search(r"[.,]\d{2,3}$", found.group()) is not None and not re.match(r"[.]\s?\d?", tail)
        signs, reach = _signs(head, tail, currency, None if is_exact else language)
        is_cents = bool(_CENTS_AFTER.match(tail))
        if not signs and not is_cents and not _is_bare_price(found.group(), head, tail, currency):
            continue
        taken = end
        amounts = tuple(_amounts(found.group(), tail, head, currency, known))
        if is_cents and not signs:
            amounts = tuple(amount / 100 for amount in amounts)
        if amounts:
            yield Mention(start, end + reach, _quote(text, start, end + reach), amounts, signs)


def _signs(head: str, tail: str, currency: str | None, language: str | None) -> tuple[tuple[str, ...], int]:
    """Return what the sign at a number may mean, and how far behind the number it reaches."""
    for pattern, side in ((_AFTER, tail), (_BEFORE, head), (_RANGE_AFTER, tail), (_RANGE_BEFORE, head)):
        found = pattern.search(side)
        if found and (meanings := _meanings(found.group(1), currency, language)):
            return meanings, found.end() if pattern is _AFTER else 0
    return (), 0


def _meanings(sign: str, currency: str | None, language: str | None) -> tuple[str, ...]:
    """Return what a sign may mean. Without a language the number next to it leaves no doubt that it is money."""
    found = currencies_of(sign) or _MORE_SIGNS.get(sign.casefold(), ())
    key = sign if sign in CURRENCIES else sign.casefold()
    if key not in _HOMONYMS or currency in found or language is None:
        return found
    return found if language.casefold().startswith(_HOMONYMS[key] or "-") else ()


def _is_bare_price(number: str, head: str, tail: str, currency: str | None) -> bool:
    """Whether a number without a sign is a price by its shape or by the word before it."""
    if re.search(rf"[{LETTER}_]$", head):  # XM5
        return False
    if _DASH_AFTER.match(tail):
        return True
    if _UNIT_AFTER.match(tail) or re.match(r"\d|[.,:/]\d|\s?[-–]\s?\d", tail):
        return False
    has_decimals = re.search(r"[.,]\d{2}$", number) is not None and exponent(currency) == 2
    if _PRICE_NAMED.search(head):
        return True
    return has_decimals and bool(_PRICE_BEFORE.search(head) or not re.match(r"\s?[^\W\d_]{1,3}\b", tail))


def _amounts(number: str, tail: str, head: str, currency: str | None, known: str) -> Iterator[Decimal]:
    factor = _TIMES.match(tail.lstrip(" "))
    times = _FACTORS[factor.group(1).casefold()] if factor else 1
    amount = read_number(number, exponent(currency))
    if amount is not None:
        yield amount * times
    first, space, rest = number.partition(" ")
    word = re.search(r"([^\W\d_]+)\s$", head)
    if space and word and f"{word.group(1)} {first}".casefold() in known.casefold():
        other = read_number(rest, exponent(currency))
        if other is not None:
            yield other


def _is_whole(amount: Decimal, currency: str | None) -> bool:
    scaled = amount.scaleb(exponent(currency))
    return scaled == scaled.to_integral_value()


def _quote(text: str, start: int, end: int) -> str:
    sign = _BEFORE.search(text[:start])
    return text[sign.start() if sign else start : end].strip()
