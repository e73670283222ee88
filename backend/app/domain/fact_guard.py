"""Whether a caption says of a product what its record says: price, currency, name, discounts and delivery.

It errs on the side of asking: an amount that is not the product's price is a finding wherever it is not explained by
the record. What it cannot see: numbers in words, and claims without any of the words it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain import fact_words as words
from app.domain.fact_money import Mention, mentions, readable
from app.domain.fact_names import other_name
from app.domain.money import format_price
from app.domain.products import ProductFacts

_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)|[\n。！？]")


@dataclass(frozen=True)
class FactFinding:
    """One thing a caption says that the product's record does not."""

    code: str
    """`wrong_price`, `old_price`, `wrong_currency`, `invented_discount`, `invented_shipping` or `wrong_name`."""
    quote: str
    message: str
    """A sentence for the owner."""


def check(text: str, facts: ProductFacts, *, language: str) -> list[FactFinding]:
    """Return what in a caption contradicts the product's record; the same finding once."""
    plain = readable(text)
    found = [*_prices(plain, facts, language), *_discounts(plain, facts), *_shipping(plain, facts, language)]
    name = other_name(plain, facts)
    if name:
        found.append(
            FactFinding("wrong_name", name, f"The caption says “{name}”; the product is called “{facts.title}”.")
        )
    return list({(finding.code, finding.quote): finding for finding in found}.values())


# ---------------------------------------------------------------------------------------------------------------------
# Prices


def _prices(text: str, facts: ProductFacts, language: str) -> Iterator[FactFinding]:
    explained = _explained(facts, language)
    for mention in mentions(text, currency=facts.currency, language=language, known=_own_words(facts)):
        minors = mention.minors(facts.currency)
        is_price = facts.price_minor is not None and facts.price_minor in minors
        if facts.currency and mention.currencies and facts.currency not in mention.currencies:
            yield _wrong_currency(mention, facts)
            if is_price or facts.price_minor is None:
                continue
        elif is_price or minors & explained or _is_saving(text, mention, minors, facts):
            continue
        elif _is_old(text, mention, minors, facts):
            if _has_old_marker(text, mention):
                continue
            yield _old_price(mention, facts)
            continue
        yield _wrong_price(mention, facts)


def _wrong_price(mention: Mention, facts: ProductFacts) -> FactFinding:
    if facts.price_minor is None:
        return FactFinding("wrong_price", mention.quote, f"The caption says {mention.quote}; the product has no price.")
    return FactFinding(
        "wrong_price", mention.quote, f"The caption says {mention.quote}; the product costs {_amount(facts)}."
    )


def _old_price(mention: Mention, facts: ProductFacts) -> FactFinding:
    message = f"The caption says {mention.quote}, which is the old price; the product costs {_amount(facts)}."
    return FactFinding("old_price", mention.quote, message)


def _wrong_currency(mention: Mention, facts: ProductFacts) -> FactFinding:
    message = f"The caption says {mention.quote}; the product is priced in {facts.currency}."
    return FactFinding("wrong_currency", mention.quote, message)


def _amount(facts: ProductFacts) -> str:
    return "" if facts.price_minor is None else format_price(facts.price_minor, facts.currency, "en")


def _explained(facts: ProductFacts, language: str) -> set[int]:
    """Return amounts that the record names elsewhere: in the title, and in what the shop promises."""
    found: set[int] = set()
    for text in (facts.title, facts.shipping or "", facts.discount or ""):
        for mention in mentions(readable(text), currency=facts.currency, language=language):
            found |= mention.minors(facts.currency)
    return found


def _own_words(facts: ProductFacts) -> str:
    return " ".join((facts.title, facts.description, *facts.tags))


def _is_old(text: str, mention: Mention, minors: set[int], facts: ProductFacts) -> bool:
    return facts.compare_at_price_minor is not None and facts.compare_at_price_minor in minors


def _has_old_marker(text: str, mention: Mention) -> bool:
    before = text[max(0, mention.start - 40) : mention.start]
    return bool(words.OLD_PRICE_BEFORE.search(before) or words.OLD_PRICE_AFTER.match(text[mention.end :]))


def _is_saving(text: str, mention: Mention, minors: set[int], facts: ProductFacts) -> bool:
    """Whether an amount is what is saved against the crossed-out price, and is called that."""
    if facts.price_minor is None or facts.compare_at_price_minor is None:
        return False
    around = text[max(0, mention.start - 25) : mention.end + 25]
    return facts.compare_at_price_minor - facts.price_minor in minors and bool(words.PERCENT_OFF.search(around))


# ---------------------------------------------------------------------------------------------------------------------
# Discounts


def _discounts(text: str, facts: ProductFacts) -> Iterator[FactFinding]:
    stated = readable(facts.discount or "")
    saved = _saved_percent(facts)
    has_percent = False
    for found in words.PERCENT.finditer(text):
        around = _around(text, found.start(), found.end())
        if not (found.group("minus") and _stands_alone(text, found.start())) and not words.PERCENT_OFF.search(around):
            continue
        has_percent = True
        percent = float(found.group("number").replace(",", "."))
        is_stated = re.search(rf"(?<!\d){re.escape(found.group('number'))}\s?%", stated)
        if not is_stated and (saved is None or abs(percent - saved) > 1):
            quote = found.group().strip()
            yield FactFinding("invented_discount", quote, _discount_message(quote, facts))
    for found in words.DISCOUNT.finditer(words.FOR_SALE.sub(lambda m: " " * len(m.group()), text)):
        quote = found.group()
        if has_percent and "%" in quote:
            continue
        is_half = words.HALF.search(quote)
        is_second = is_half and words.SECOND_HALF.search(_around(text, found.start(), found.end()))
        beyond = words.NEEDS_TERMS.search(quote) or is_second or (is_half and (saved is None or abs(saved - 50) > 1))
        if not facts.discount and (facts.compare_at_price_minor is None or beyond):
            if quote.casefold() in facts.title.casefold():
                continue
            yield FactFinding("invented_discount", quote, _discount_message(quote, facts))


def _stands_alone(text: str, start: int) -> bool:
    return start == 0 or not (text[start - 1].isalnum() or text[start - 1 : start + 1].strip(" -−–") == "%")


def _saved_percent(facts: ProductFacts) -> float | None:
    if facts.price_minor is None or not facts.compare_at_price_minor:
        return None
    return 100 * (facts.compare_at_price_minor - facts.price_minor) / facts.compare_at_price_minor


def _discount_message(quote: str, facts: ProductFacts) -> str:
    saved = _saved_percent(facts)
    if saved is not None:
        return f"The caption promises “{quote}”; the product's price is lowered by {saved:.0f} %."
    return f"The caption promises “{quote}”; the product has no such offer."


# ---------------------------------------------------------------------------------------------------------------------
# Delivery


def _shipping(text: str, facts: ProductFacts, language: str) -> Iterator[FactFinding]:
    stated = " ".join((facts.shipping or "", facts.discount or "", str(dict(facts.other)) if facts.other else ""))
    for pattern, proof in (
        (words.FREE_SHIPPING, words.FREE),
        (words.FREE_RETURNS, words.RETURNS),
        (words.FAST, words.FAST),
    ):
        found = pattern.search(text)
        if found is None:
            continue
        quote = found.group()
        if not proof.search(stated):
            message = f"The caption promises “{quote}”; the product's record does not say so."
            yield FactFinding("invented_shipping", quote, message)
            continue
        least = _threshold(facts, language) if pattern is words.FREE_SHIPPING else None
        if least is not None and not _names(text, least, facts, language):
            amount = format_price(least, facts.currency, "en", short=True)
            message = f"The caption promises “{quote}” without saying that it is from {amount}."
            yield FactFinding("invented_shipping", quote, message)


def _threshold(facts: ProductFacts, language: str) -> int | None:
    """Return the order value from which delivery is free, if it is above the product's price."""
    amounts = [
        minor
        for mention in mentions(readable(facts.shipping or ""), currency=facts.currency, language=language)
        for minor in mention.minors(facts.currency)
    ]
    least = max(amounts, default=0)
    return least if facts.price_minor is not None and least > facts.price_minor else None


def _names(text: str, minor: int, facts: ProductFacts, language: str) -> bool:
    found = mentions(text, currency=facts.currency, language=language)
    return any(minor in mention.minors(facts.currency) for mention in found)


def _around(text: str, start: int, end: int) -> str:
    """Return what stands near in the same sentence."""
    before = _SENTENCE.split(text[max(0, start - 30) : start])[-1]
    after = _SENTENCE.split(text[end : end + 30])[0]
    return before + text[start:end] + after
