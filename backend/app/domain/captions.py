"""Captions: putting content and hashtags together, and counting the way each platform counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_HASHTAG = re.compile(r"(?<![\w&/])#(\w+)")
_MENTION = re.compile(r"(?<![\w@/])@(\w[\w.]*)")
_LINK = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_SPACES = re.compile(r"\s+")


def compose(content: str, hashtags: Iterable[str] = (), *, inline: bool = False) -> str:
    """Return the caption that goes out: the content, and the hashtags that it does not hold already with their '#'.

    They stand below an empty line, or, `inline`, right behind the text.
    """
    text = content.strip()
    written = {tag.casefold() for tag in hashtags_in(text)}
    names = [tag.strip().lstrip("#") for tag in hashtags]
    tags = " ".join(f"#{name}" for name in names if name and name.casefold() not in written)
    if not tags:
        return text
    return f"{text}{' ' if inline else chr(10) * 2}{tags}" if text else tags


def code_points(text: str) -> int:
    """Count Unicode code points, as Meta does: an emoji may be several."""
    return len(text)


def utf16_units(text: str) -> int:
    """Count UTF-16 units, as TikTok does: a character outside the basic plane counts twice."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def hashtags_in(text: str) -> list[str]:
    """Return the hashtags written in a text, without '#', in order and with repetitions."""
    return _HASHTAG.findall(text)


def links_in(text: str) -> list[str]:
    """Return the web addresses written in a text, in order."""
    return [link.rstrip(".,;:!?)'\"") for link in _LINK.findall(text)]


def mentions_in(text: str) -> list[str]:
    """Return the accounts mentioned in a text, without '@', in order and with repetitions."""
    return _MENTION.findall(text)


def normalised(text: str | None, *, drop: str = "") -> str:
    """Return a text in the form in which two readings of the same caption are equal: NFC, single spaces, trimmed."""
    plain = unicodedata.normalize("NFC", text or "")
    for character in drop:
        plain = plain.replace(character, "")
    return _SPACES.sub(" ", plain).strip()
