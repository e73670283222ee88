"""What a caption must not carry out of a product's text: addresses, contacts, mentions, and words of the prompt.

A sentence with a web address of others, an e-mail address, a phone number or a mention nobody asked for is taken out,
and the owner is told. An answer with pieces of the prompt in it, or with nothing left, is not used at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.captions.prompt import RULES
from app.domain.brand_voice import Voice
from app.domain.captions import mentions_in
from app.domain.products import ProductFacts

_TLDS = (
    "com|net|org|shop|store|info|biz|io|co|me|app|dev|xyz|site|online|link|ly|gg|tv|cc|ru|cn|in|br|mx|se|no|dk|fi|de|fr|es"
    "|it|nl|pt|pl|tr|jp|uk|eu|us|ca|au|nz|ch|at|be|ie|cz|gr|ro|hu|top|club|live|page|pro|vip|win|bid|click|zip"
    "|example|test"
)
_ADDRESS = re.compile(
    rf"(?:https?://|www\.)[^\s<>\"“”]+|(?<![\w@.-])(?:[\w-]+\.)+(?:{_TLDS})(?![\w-])(?:[/?#][^\s<>\"“”]*)?",
    re.IGNORECASE,
)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+|[\w.+-]+\s?(?:\(at\)|\[at\])\s?[\w-]+", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w.,])(?:\+|00)?\d[\d\s()/.-]{7,}\d(?![\w%])")
_PROMPT = re.compile(
    r"</?(?:request|previous_captions)\b|\b(?:system prompt|product_data|brand_voice|owner_asks)\b",
    re.IGNORECASE,
)
_PIECES = re.compile(r"(?<=[.!?…。！？])\s+|\n")
LEAST_CHARS = 15
"""What is left after taking sentences out must at least be this long to be a caption."""
RULE_CHARS = 40
"""So many characters of a rule, word for word, are a piece of the prompt."""
_RULES = [line.strip("- ").casefold() for line in RULES.splitlines() if len(line) > RULE_CHARS]


@dataclass(frozen=True)
class Screened:
    """A caption without what it must not carry; `removed` says what kinds of things it held."""

    text: str
    removed: tuple[str, ...]
    is_usable: bool


def screen(text: str, facts: ProductFacts, voice: Voice) -> Screened:
    """Take out what must not go out."""
    plain = text.casefold()
    if _PROMPT.search(text) or any(rule[:RULE_CHARS] in plain for rule in _RULES):
        return Screened(text, ("prompt",), is_usable=False)
    removed: dict[str, None] = {}
    kept = text
    for piece in _PIECES.split(text):
        reason = _unwanted(piece, facts, voice)
        if reason is not None:
            removed[reason] = None
            kept = kept.replace(piece, "", 1)
    kept = re.sub(r"\n{3,}", "\n\n", re.sub(r" {2,}", " ", kept)).strip()
    return Screened(kept, tuple(removed), is_usable=not removed or len(kept) >= LEAST_CHARS)


def _unwanted(piece: str, facts: ProductFacts, voice: Voice) -> str | None:
    if _MAIL.search(piece):
        return "e-mail address"
    allowed = allowed_domains(facts, voice)
    if any(not _is_within(found.group(), allowed) for found in _ADDRESS.finditer(piece)):
        return "web address"
    wanted = {name.casefold().lstrip("@") for name in voice.mentions}
    if any(name.casefold().rstrip(".") not in wanted for name in mentions_in(piece)):
        return "mention"
    if _PHONE.search(_ADDRESS.sub(" ", piece)):
        return "phone number"
    return None


def allowed_domains(facts: ProductFacts, voice: Voice) -> tuple[str, ...]:
    """Return the domains that a caption of this product may link to."""
    named = (facts.url or "", *voice.link_domains)
    return tuple(domain for domain in map(_domain, named) if domain)


def _domain(address: str) -> str:
    try:
        host = urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    except ValueError:
        return ""
    return host.casefold().removeprefix("www.")


def _is_within(address: str, allowed: tuple[str, ...]) -> bool:
    host = _domain(address.rstrip(".,;:!?)'\""))
    return any(host == domain or host.endswith(f".{domain}") for domain in allowed)
