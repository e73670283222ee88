"""Whether a caption calls a product by another product's name."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from app.domain.fact_money import UNITS
from app.domain.products import ProductFacts

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_CORE = re.compile(r"\s[-–—|·]\s|[(\[,;:]")
_QUOTED = re.compile(r"[“„«「『\"]([^“”„«»「」『』\"\n]{2,60})[”“»」』\"]")
_NO_NAMES = frozenset(
    re.findall(
        r"\S+",
        "a an and the of for our your my this that these with in on at by to from new now meet "
        "und der die das den dem des ein eine einen unser unsere dein deine mit für von aus im in am zum zur neu jetzt "
        "et de du des le la les un une notre nos votre vos avec pour en dans ce cette voici "
        "y el los las una nuestro nuestra tu su con para por este esta "
        "e il lo gli i nostro nostra per questo questa di da del della "
        "het een de onze jouw met voor van deze dit o os as um uma nosso nossa com este esta "
        "nasz nasza z do dla ten ta bu bir ve ile için",
    )
)
"""Words that stand before names and are none."""


def other_name(text: str, facts: ProductFacts) -> str | None:
    """Return the words of a text that name a product which is not this one; None where there are none."""
    title = [token for token in _TOKEN.findall(_CORE.split(facts.title)[0]) if token.casefold() not in _NO_NAMES]
    if not title:
        return None
    words = _TOKEN.findall(text)
    own = _own_text(facts)
    known = {word.casefold() for word in _TOKEN.findall(own)}
    found = _other_model(text, words, facts.title, known) or _other_quoted(text, title, words, own, facts.title)
    if found or all(any(_alike(token, word) for word in words) for token in title):
        return found
    return _replaced(text, title, words, known) or _misspelt(words, title, known)


def _own_text(facts: ProductFacts) -> str:
    known = (facts.title, facts.description, facts.brand or "", facts.category or "", *facts.tags)
    return " ".join((*known, *map(str, facts.other.values()))).casefold()


def _other_model(text: str, words: list[str], title: str, known: set[str]) -> str | None:
    """Return a name of the title with another number: "iPhone 14" for "iPhone 15"; "XM4" for "XM5"."""
    for found in re.finditer(rf"([^\W\d_]\w+)\s(\d+)\b(?!\s?(?:{UNITS})(?![^\W\d_])|[.,]\d)", title):
        name, number = found.groups()
        if name == name.lower():
            continue
        for other in re.finditer(rf"(?<!\w){re.escape(name)}\s(\d+)\b(?!\s?(?:{UNITS}|[$€£¥])|[.,]\d)", text):
            if other.group(1) != number and other.group(1) not in known:
                return other.group()
    models = [token for token in _TOKEN.findall(title) if re.match(r"[^\W\d_]{2,}.*\d", token) and len(token) > 3]
    for model in models:
        stem = re.split(r"\d", model)[0].casefold()
        for word in words:
            if word.casefold().startswith(stem) and re.search(r"\d", word) and word.casefold() not in known:
                return word
    return None


def _other_quoted(text: str, title: list[str], words: list[str], own: str, whole: str) -> str | None:
    """Return something else in quotation marks that looks like a name, where the title stands nowhere."""
    if whole.casefold() in text.casefold():
        return None
    is_silent = not any(_alike(token, word) for token in title for word in words)
    for quoted in _QUOTED.findall(text):
        tokens = [token for token in _TOKEN.findall(quoted) if token.casefold() not in _NO_NAMES]
        if not tokens or len(tokens) > 6 or quoted.casefold() in own or any(token[0].islower() for token in tokens):
            continue
        is_like = any(_alike(a, b) for a in title for b in tokens) and len(tokens) <= len(title) + 1
        if (is_like or is_silent) and not all(token.casefold() in own for token in tokens):
            return str(quoted)
    return None


def _replaced(text: str, title: list[str], words: list[str], known: set[str]) -> str | None:
    """Return a row of capitalised words like the title, with another word in the place of one of its own."""
    for row in _capitalised(text):
        matcher = SequenceMatcher(None, [_stem(t) for t in title], [_stem(t) for t in row], autojunk=False)
        codes = matcher.get_opcodes()
        if not any(kind == "equal" for kind, *_ in codes):
            continue
        for kind, a, _, c, _ in codes:
            if kind != "replace" or row[c].casefold() in known or row[c][0].isdigit() or title[a][0].isdigit():
                continue
            if not any(_alike(title[a], word) for word in words):
                return " ".join(row)
    return None


def _capitalised(text: str) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    end = 0
    for found in _TOKEN.finditer(text):
        token, between = found.group(), text[end : found.start()]
        is_name = token[0].isupper() or token[0].isdigit()
        if not is_name or token.casefold() in _NO_NAMES or re.search(r"[^\s&'’-]", between):
            rows.append([])
        if is_name and token.casefold() not in _NO_NAMES:
            rows[-1].append(token)
        end = found.end()
    return [row for row in rows if len(row) > 1]


def _misspelt(words: list[str], title: list[str], known: set[str]) -> str | None:
    """Return a word that is nearly, but in its middle not quite, a name of the title that stands nowhere itself."""
    names = [t for t in title if len(t) >= 5 and t[0].isupper() and not any(_alike(t, word) for word in words)]
    others = [word for word in words if len(word) >= 5 and word[0].isupper() and word.casefold() not in known]
    return next((word for name in names for word in others if _is_near(name.casefold(), word.casefold())), None)


def _is_near(a: str, b: str) -> bool:
    """Whether two words share beginning and most letters, and differ before their ending."""
    is_like = SequenceMatcher(None, a, b, autojunk=False).ratio() >= 0.7
    return is_like and a[:2] == b[:2] and a[:-2] != b[: len(a) - 2] and abs(len(a) - len(b)) <= 2


def _alike(a: str, b: str) -> bool:
    """Whether two words are the same but for an ending."""
    a, b = a.casefold(), b.casefold()
    shared = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return a == b or (shared >= 4 and max(len(a), len(b)) - shared <= 3)


def _stem(token: str) -> str:
    token = token.casefold()
    return token[:-1] if len(token) > 4 and token.endswith(("s", "n", "e")) else token
