"""What a product's own text offers for a caption: whole sentences, short features, words for hashtags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from app.domain.captions import hashtags_in, links_in, mentions_in
from app.domain.money import NUMBER, SIGN
from app.domain.products import ProductFacts

SENTENCE_CHARS = 220
"""A longer sentence is not for a caption."""
FEATURE_CHARS = 70
_END = re.compile(r"(?<=[.!?…。！？])[\"'”»)]*\s+(?=[\"'“„«(¡¿]*[^\W\d_]|[\"'“„«(¡¿]*\d)|(?<=[。！？])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:bzw|ca|ggf|inkl|exkl|max|min|Nr|No|St|Dr|Mrs?|etc|e\.g|i\.e|approx|incl|Art|vs|env|p\. ex)|\b\w)\.$"
)
_BULLET = re.compile(r"^\s*(?:[-–—•*·▪✓✔►+]|\d{1,2}[.)])\s+")
_MONEY = re.compile(rf"(?<![^\W\d_]){SIGN}\s?(?:{NUMBER})|(?:{NUMBER})\s?{SIGN}")
_CONTACT = re.compile(
    r"\S@\S|\bwww\.|\b[\w-]+\.(?:com|net|org|shop|store|de|fr|es|it|eu|io|co)\b|\+?\d[\d\s()/-]{7,}\d"
)
_STALE = re.compile(
    r"%|\b(?:sale|discount|coupon|voucher|code|deal|offer|free|ships?|shipping|delivery|deliver\w*|return\w*|refund\w*"
    r"|warranty|guarantee\w*|stock|order (?:now|today)|buy (?:now|today)|click|checkout|price\w*|limited|hurry"
    r"|rabatt\w*|angebot\w*|gratis|kostenlos\w*|versand\w*|liefer\w*|rückgabe\w*|garantie\w*|lager\w*|bestell\w*|klick\w*"
    r"|preis\w*|aktion\w*|soldes?|remise\w*|promo\w*|gratuit\w*|livraison|livré\w*|expédi\w*|retours?|stocks?|command\w*"
    r"|cliquez|prix|oferta\w*|descuento\w*|rebaja\w*|envíos?|envio\w*|entrega\w*|devoluci\w*|garantía|pedido\w*|precio\w*"
    r"|scont\w*|saldi|offert\w*|spedizion\w*|consegn\w*|resi|garanzia|ordin\w*|prezz\w*|clicca)\b",
    re.IGNORECASE,
)
"""Words of offers, delivery and stock: true when the description was written, perhaps not today."""
_PURE = re.compile(r"\b100\s?%")
"""What something consists of wholly: no offer."""
_INJECTED = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instruction|previous|above|rule|prompt)|\bsystem prompt\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def sentences(facts: ProductFacts) -> list[str]:
    """Return the sentences of a description that may stand in a caption, in order: whole, not too long, without
    prices, offers, addresses or what only repeats the title."""
    found: list[str] = []
    for line in _paragraphs(facts.description):
        if _BULLET.match(line) or (
            not line.endswith((".", "!", "?", "…", "。", "！", "？")) and len(line) <= FEATURE_CHARS
        ):
            continue
        found += [sentence for sentence in _split(line) if is_usable(sentence, SENTENCE_CHARS)]
    return [sentence for sentence in dict.fromkeys(found) if _bare(sentence) != _bare(facts.title)]


def features(facts: ProductFacts) -> list[str]:
    """Return the short lines of a description: bullet points and what stands on a line of its own."""
    lines = (_BULLET.sub("", line).strip() for line in facts.description.split("\n"))
    short = (
        line.rstrip(" ,;.") for line in lines if 2 < len(line) <= FEATURE_CHARS and not re.search(r"[.!?]\s", line)
    )
    listed = [line for line in short if is_usable(line, FEATURE_CHARS) and not line.endswith((":", "!", "?"))]
    return [line for line in dict.fromkeys(listed) if _bare(line) != _bare(facts.title)]


def is_usable(text: str, max_chars: int) -> bool:
    """Whether a piece of a shop's text says something lasting about the product, and nothing else."""
    if not 3 <= len(text) <= max_chars or (text.isupper() and len(text) > 12):
        return False
    text = _PURE.sub("", text)
    unwanted = (_MONEY, _CONTACT, _STALE, _INJECTED)
    return not (
        any(pattern.search(text) for pattern in unwanted) or links_in(text) or mentions_in(text) or hashtags_in(text)
    )


def _paragraphs(text: str) -> list[str]:
    """Return the lines of a text; lines that were broken in the middle of a sentence are joined again."""
    lines: list[str] = []
    for line in (line.strip() for line in text.split("\n")):
        goes_on = lines and lines[-1] and line[:1].islower() and not _BULLET.match(line)
        if goes_on and not lines[-1].endswith((".", "!", "?", ":")):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return [line for line in lines if line]


def _split(line: str) -> list[str]:
    parts: list[str] = []
    for part in _END.split(line):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] += f" {part}"
        else:
            parts.append(part)
    return [part.strip() for part in parts if part.strip()]


def _bare(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))


# ---------------------------------------------------------------------------------------------------------------------
# Details

DETAILS = {
    "material": ("material", "materials", "fabric", "matière", "stoff", "materiale"),
    "color": ("color", "colors", "colour", "colours", "farbe", "farben", "couleur", "couleurs", "colore", "colores"),
    "size": ("size", "sizes", "größe", "größen", "taille", "tailles", "talla", "tallas", "taglia", "taglie"),
    "dimensions": ("dimensions", "dimension", "measurements", "maße", "medidas", "misure"),
    "weight": ("weight", "gewicht", "poids", "peso"),
    "capacity": ("capacity", "volume", "contents", "inhalt", "contenance", "capacidad", "capacità"),
    "scent": ("scent", "fragrance", "duft", "parfum", "aroma", "profumo"),
    "flavour": ("flavour", "flavor", "taste", "geschmack", "sabor", "gusto"),
    "origin": ("origin", "made_in", "country_of_origin", "herkunft", "origine", "origen"),
}
"""What a detail is called in product data, by the name of its label."""


def details(facts: ProductFacts) -> dict[str, str]:
    """Return the details that product data name outright, by the name of their label."""
    values = {str(key).casefold().replace(" ", "_"): value for key, value in facts.other.items()}
    found = {}
    for label, names in DETAILS.items():
        value = next((_listed(values[name]) for name in names if name in values), "")
        if value and is_usable(value.replace("%", ""), FEATURE_CHARS):  # "100 % linen" is no offer
            found[label] = value
    return found


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value[:8] if isinstance(item, str | int))
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


# ---------------------------------------------------------------------------------------------------------------------
# Hashtags


def hashtag_words(facts: ProductFacts, stop_words: Iterable[str]) -> list[str]:
    """Return hashtags out of the product's own words, the telling ones first: its tags, its category, pairs of words
    of the title, the brand, single words of the title."""
    stop = set(stop_words)
    leaf = re.split(r"[>/|»]", facts.category or "")[-1]
    title = [word for word in _words(re.sub(r"[(\[].*?[)\]]", " ", facts.title)) if word not in stop and len(word) > 2]
    brand = _joined(_words(facts.brand or ""))
    pairs = ["".join(pair) for pair in pairwise(title) if not brand or brand not in pair]
    tags = [_joined([word for word in _words(tag) if word not in stop]) for tag in facts.tags]
    category = [_joined([word for word in _words(leaf) if word not in stop])]
    found = [*tags[:3], *category, *pairs[-1:], brand, *title[::-1], *tags[3:], *pairs[:-1]]
    return [tag for tag in dict.fromkeys(found) if 3 <= len(tag) <= 30]


def _words(text: str) -> list[str]:
    return [word.replace("'", "").replace("’", "") for word in _WORD.findall(text.casefold())]


def _joined(words: list[str]) -> str:
    return "".join(words[:3])
