"""Captions with placeholders from a product's fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from app.domain.money import format_price
from app.domain.products import ProductFacts

_PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s")


def _first_sentence(facts: ProductFacts) -> str:
    return _SENTENCE_END.split(facts.description.strip(), maxsplit=1)[0]


def _price(minor: int | None, facts: ProductFacts, language: str) -> str:
    return "" if minor is None else format_price(minor, facts.currency, language)


FIELDS: Mapping[str, Callable[[ProductFacts, str], str]] = {
    "title": lambda facts, _: facts.title,
    "description": lambda facts, _: facts.description,
    "first_sentence": lambda facts, _: _first_sentence(facts),
    "price": lambda facts, language: _price(facts.price_minor, facts, language),
    "old_price": lambda facts, language: _price(facts.compare_at_price_minor, facts, language),
    "brand": lambda facts, _: facts.brand or "",
    "category": lambda facts, _: facts.category or "",
    "url": lambda facts, _: facts.url or "",
    "shipping": lambda facts, _: facts.shipping or "",
    "discount": lambda facts, _: facts.discount or "",
}
"""What a template may name in braces; prices are written the way the language does."""


def unknown_placeholders(content: str) -> list[str]:
    """Return names in braces that are no field of a product, in order."""
    return [name for name in _PLACEHOLDER.findall(content) if name not in FIELDS]


def rendered(content: str, facts: ProductFacts, *, language: str) -> str:
    """Return the caption for a product. A line whose placeholders all came out empty is left out, so that nothing
    reads "Only  today"."""
    lines = []
    for line in content.split("\n"):
        names = _PLACEHOLDER.findall(line)
        values = {name: FIELDS[name](facts, language).strip() for name in names}
        if names and not any(values.values()):
            continue
        lines.append(_PLACEHOLDER.sub(lambda match, filled=values: filled[match[1]], line).rstrip())  # type: ignore[misc]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
