"""How a shop sounds: what its owner decided about tone, words, emoji, language and hashtags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class Emoji(StrEnum):
    none = "none"
    few = "few"
    many = "many"


TONES = ("engaging", "friendly", "professional", "playful", "elegant", "informative", "bold")
"""Tones with phrases of their own; any other word is passed on as it is."""


@dataclass(frozen=True)
class Voice:
    """A brand voice. Everything has a default, so that a new user has one."""

    shop_name: str = ""
    tone: str = "engaging"
    language: str = "en"
    """BCP 47 tag of the language that captions are written in."""
    emoji: Emoji = Emoji.few
    words_to_use: tuple[str, ...] = ()
    words_to_avoid: tuple[str, ...] = ()
    hashtags_always: tuple[str, ...] = ()
    hashtags_never: tuple[str, ...] = ()
    hashtags_count: int = 5
    """How many a caption gets, the constant ones included; a platform's own limit may be lower."""
    mentions: tuple[str, ...] = ()
    """Accounts, without '@', that captions may name."""
    link_domains: tuple[str, ...] = ()
    """Domains, besides the product's own, that captions may link to."""
    examples: tuple[str, ...] = ()
    """Captions the owner likes."""
    notes: str = ""
    """Anything else, in own words."""


def voice_of(settings: Mapping[str, Any]) -> Voice:
    """Read a stored voice; what is missing or unknown gets its default."""
    known: dict[str, Any] = {
        field.name: settings[field.name] for field in fields(Voice) if settings.get(field.name) is not None
    }
    if "emoji" in known:
        known["emoji"] = Emoji(known["emoji"])
    listed = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Voice(**{**known, **listed})
