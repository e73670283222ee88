"""Money: amounts in the smallest unit of their currency, read from texts of shops and written for people. No floats."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError


def _codes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CURRENCIES = frozenset(
    _codes(
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
        "GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT "
        "LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR "
        "NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
        "STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST "
        "XAF XCD XOF XPF YER ZAR ZMW ZWG"
    )
)
"""Codes of money in use. Source: ISO 4217 list one, read 2026-11-24."""
_EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(_codes("BHD IQD JOD KWD LYD OMR TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Decimals of a currency where it is not two. Source: ISO 4217 list one, read 2026-11-24."""

SIGNS: Mapping[str, tuple[str, ...]] = {
    "us$": ("USD",),
    "$us": ("USD",),
    "ca$": ("CAD",),
    "c$": ("CAD",),
    "$ca": ("CAD",),
    "a$": ("AUD",),
    "au$": ("AUD",),
    "nz$": ("NZD",),
    "hk$": ("HKD",),
    "s$": ("SGD",),
    "mx$": ("MXN",),
    "nt$": ("TWD",),
    "r$": ("BRL",),
    "ec$": ("XCD",),
    "$": ("USD", "CAD", "AUD", "NZD", "MXN", "SGD", "HKD", "TWD", "ARS", "CLP", "COP", "UYU", "BRL"),
    "€": ("EUR",),
    "£gb": ("GBP",),
    "£": ("GBP", "GIP", "FKP", "SHP", "EGP"),
    "jp¥": ("JPY",),
    "cn¥": ("CNY",),
    "¥": ("JPY", "CNY"),
    "円": ("JPY",),
    "元": ("CNY", "TWD"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "zł": ("PLN",),
    "zl": ("PLN",),
    "kč": ("CZK",),
    "ft": ("HUF",),
    "lei": ("RON", "MDL"),
    "лв": ("BGN",),
    "₺": ("TRY",),
    "tl": ("TRY",),
    "fr": ("CHF",),
    "fcfa": ("XOF", "XAF"),
    "f cfa": ("XOF",),
    "cfpf": ("XPF",),
    "sfr": ("CHF",),
    "₹": ("INR",),
    "rs": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "₽": ("RUB",),
    "₴": ("UAH",),
    "₩": ("KRW",),
    "₫": ("VND",),
    "₪": ("ILS",),
    "฿": ("THB",),
    "₱": ("PHP",),
    "₦": ("NGN",),
    "₸": ("KZT",),
    "د.ك": ("KWD",),
    "د.إ": ("AED",),
    "ر.س": ("SAR",),
    "euro": ("EUR",),
    "euros": ("EUR",),
    "dollar": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "dollars": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD"),
    "yen": ("JPY",),
    "lira": ("TRY",),
    **{c.lower(): (c,) for c in _codes("AED AUD BRL CAD CHF CZK DKK EUR GBP HUF INR JPY MXN NOK PLN SEK USD")},
}
"""What people write for a currency, in lower case, and what it may mean; the likeliest first."""
_GUESSED = {"$": "USD", "¥": "JPY", "£": "GBP", "dollar": "USD", "dollars": "USD"}
"""Ambiguous signs that mean this where nothing else is known; `kr` and `Rs` stay open."""


LETTER = "A-Za-zÀ-ɏЀ-ӿ"
"""Letters of scripts that put spaces between words, as a range of a regular expression."""


def _either(words: Iterable[str]) -> str:
    """Match any of them, the longest first; one that ends in a letter or `$` is not the beginning of a word."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(
        re.escape(w) + (f"(?![{LETTER}])" if re.match("[^\\W円元]|[$£]", w[-1]) else "") for w in longest_first
    )


SIGN = rf"(?:(?i:{_either(SIGNS)})|{_either(CURRENCIES)})"
"""What names a currency, as a regular expression. Codes in lower case count where they are no words elsewhere."""
NUMBER = r"\d{1,3}(?:[ '’٬]\d{3})+(?!\d)(?:[.,٫]\d+)?|\d+(?:[.,٫٬]\d+)*"
"""Digits with what may group them, as a regular expression; `read_number` says whether they make a number."""
_SIGN = re.compile(rf"(?<![{LETTER}]){SIGN}")
_NUMBER = re.compile(NUMBER)
_NOT_PRICE = re.compile(r"[-−–]\s*$")


def exponent(currency: str | None) -> int:
    """Return how many decimals a currency has; two where it is not known."""
    return _EXPONENTS.get(currency or "", 2)


def minor_of(amount: Decimal, currency: str | None) -> int:
    """Return an amount in the smallest unit, halves rounded up."""
    return int(amount.scaleb(exponent(currency)).to_integral_value(rounding=ROUND_HALF_UP))


def amount_of(minor: int, currency: str | None) -> Decimal:
    """Return an amount in the currency's main unit, with all its decimals."""
    return Decimal(minor).scaleb(-exponent(currency))


def plain(minor: int, currency: str | None) -> str:
    """Return an amount as machines write it: `1299.00`."""
    return f"{amount_of(minor, currency):f}"


def normalised(text: str) -> str:
    """Return a text with plain digits, signs and spaces: full-width and other digits become ASCII."""
    wide = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in wide)


def read_number(text: str, decimals: int) -> Decimal | None:
    """Return the amount that digits with separators stand for, in a currency with so many decimals.

    A single `.` or `,` before three digits groups them, unless the currency has three decimals. None where the
    separators make no number, as in `1.2.2026`.
    """
    number = re.sub(r"[ '’٬]", "", text).replace("٫", ".")
    marks = [mark for mark in number if mark in ".,"]
    if not marks:
        return Decimal(number)
    last = marks[-1]
    head, _, tail = number.rpartition(last)
    if len(set(marks)) == 2:
        groups = re.split(r"[.,]", head)
        return Decimal("".join(groups) + "." + tail) if marks.count(last) == 1 and _is_grouped(groups) else None
    if len(marks) > 1:
        groups = number.split(last)
        return Decimal("".join(groups)) if _is_grouped(groups) and len(groups[-1]) == 3 else None
    is_group = len(tail) == 3 and decimals != 3 and 1 <= len(head) <= 3 and head[0] != "0"
    return Decimal(head + tail) if is_group else Decimal(f"{head}.{tail}")


def _is_grouped(groups: list[str]) -> bool:
    """Whether digits are grouped as anywhere in the world: by three, or by two before the last three."""
    return 1 <= len(groups[0]) <= 3 and all(len(group) in (2, 3) for group in groups[1:]) and len(groups[-1]) == 3


def parse_price(text: str, default_currency: str | None = None) -> tuple[int | None, str | None]:
    """Read one price as shops and feeds write it: `1.299,00 €`, `$1,299.00`, `CHF 1'299.–`, `EUR 12`, `12,50`.

    Returns the amount in the smallest unit and the currency; each is None where the text does not say. An ambiguous
    sign is read as the default currency where it may mean that. Without any currency the amount is in hundredths. A
    text with several numbers, a percentage or a negative number is no price.
    """
    plain_text = normalised(text).strip()
    currency = _currency(plain_text, default_currency)
    found = list(_NUMBER.finditer(plain_text))
    if len(found) != 1 or re.match(r"\s*%", plain_text[found[0].end() :]):
        return None, currency
    if _NOT_PRICE.search(plain_text[: found[0].start()]):
        return None, currency
    amount = read_number(found[0].group(), exponent(currency))
    return (None if amount is None else minor_of(amount, currency)), currency


def _currency(text: str, default: str | None) -> str | None:
    default = default.upper() if default and default.upper() in CURRENCIES else None
    found = _SIGN.search(text)
    if found is None:
        return default
    meanings = currencies_of(found.group())
    if default in meanings or len(meanings) == 1:
        return default if default in meanings else meanings[0]
    return _GUESSED.get(found.group().casefold())


def currencies_of(sign: str) -> tuple[str, ...]:
    """Return what a sign or code may mean, the likeliest first; empty for an unknown one."""
    return (sign,) if sign in CURRENCIES else SIGNS.get(sign.casefold(), ())


def format_price(minor: int, currency: str | None, language: str, *, short: bool = False) -> str:
    """Write a price as the language does: `12,50 €`, `$12.50`; `short` leaves `.00` out. Spaces in it do not break.

    Without a currency it is the number alone. An unknown language is written as English.
    """
    locale = _locale(language)
    decimals = exponent(currency)
    amount = amount_of(minor, currency)
    if short and decimals == 2 and amount == amount.to_integral_value():
        decimals = 0
    pattern = copy.copy(locale.currency_formats["standard"] if currency else locale.decimal_formats[None])
    pattern.frac_prec = (decimals, decimals)
    written = str(pattern.apply(amount, locale, currency=currency, currency_digits=False)).replace("\u202f", "\u00a0")
    return re.sub(r"(?<=[A-Z]{3})(?=\d)|(?<=\d)(?=[A-Z]{3})", "\u00a0", written)


@lru_cache(maxsize=32)
def _locale(language: str) -> Locale:
    for name in (language, language.partition("-")[0], "en"):
        try:
            return Locale.parse(name.replace("_", "-"), sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    raise AssertionError("English is known")
