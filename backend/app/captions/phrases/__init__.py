"""The built-in writer's phrases, one file per language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent
LANGUAGES = tuple(sorted(path.stem for path in _FOLDER.glob("??.toml")))


@dataclass(frozen=True)
class Phrases:
    """What one language has to offer."""

    language: str
    price: Sequence[str]
    reduced: Sequence[str]
    sold_out: Sequence[str]
    find: Sequence[str]
    find_at: Sequence[str]
    link: Sequence[str]
    openers: Mapping[str, Sequence[str]]
    asks: Mapping[str, Sequence[str]]
    labels: Mapping[str, str]
    stop_words: frozenset[str]


@lru_cache(maxsize=8)
def phrases_of(language: str) -> Phrases:
    """Return the phrases of a language; English where it has none."""
    code = language.replace("_", "-").partition("-")[0].lower()
    code = code if code in LANGUAGES else "en"
    data = tomllib.loads((_FOLDER / f"{code}.toml").read_text(encoding="utf-8"))
    return Phrases(language=code, **{**data, "stop_words": frozenset(data["stop_words"].split())})


@lru_cache(maxsize=1)
def emoji() -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """Return the emoji for anything, and those for certain beginnings of words."""
    data = tomllib.loads((_FOLDER / "emoji.toml").read_text(encoding="utf-8"))
    return tuple(data["neutral"]), {sign: tuple(words) for sign, words in data["words"].items()}
