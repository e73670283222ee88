"""Graph field expansion: `id,comments.limit(0).summary(true),attachments{target{id}}`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from sandbox.meta.errors import bad_parameter, refuse


class _Absent:
    """Marks a field that the platform leaves out."""


ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class Field:
    """One requested field with its modifiers and the fields below it."""

    name: str
    modifiers: dict[str, str] = field(default_factory=dict)
    below: tuple[Field, ...] = ()


@lru_cache(maxsize=512)
def parse(expression: str) -> tuple[Field, ...]:
    """Read the value of a `fields` parameter; malformed text is refused with code 2500."""
    result, at = _list(expression.replace(" ", ""), 0)
    if at != len(expression.replace(" ", "")):
        raise _syntax_error(expression, at)
    return result


def render(
    wanted: tuple[Field, ...], node_type: str, known: frozenset[str], value: Callable[[Field], Any]
) -> dict[str, Any]:
    """Build a node from the requested fields; an unknown field fails the call as the Graph API does."""
    node = {}
    for item in wanted:
        if item.name not in known:
            raise bad_parameter(f"Tried accessing nonexisting field ({item.name}) on node type ({node_type})")
        found = value(item)
        if found is not ABSENT:
            node[item.name] = found
    return node


def _list(text: str, at: int) -> tuple[tuple[Field, ...], int]:
    items = []
    while True:
        item, at = _one(text, at)
        items.append(item)
        if at < len(text) and text[at] == ",":
            at += 1
            continue
        return tuple(items), at


def _one(text: str, at: int) -> tuple[Field, int]:
    name, at = _word(text, at)
    modifiers: dict[str, str] = {}
    while at < len(text) and text[at] == ".":
        modifier, at = _word(text, at + 1)
        if at >= len(text) or text[at] != "(":
            raise _syntax_error(text, at)
        end = text.find(")", at)
        if end < 0:
            raise _syntax_error(text, at)
        modifiers[modifier] = text[at + 1 : end]
        at = end + 1
    below: tuple[Field, ...] = ()
    if at < len(text) and text[at] == "{":
        below, at = _list(text, at + 1)
        if at >= len(text) or text[at] != "}":
            raise _syntax_error(text, at)
        at += 1
    return Field(name, modifiers, below), at


def _word(text: str, at: int) -> tuple[str, int]:
    start = at
    while at < len(text) and (text[at].isalnum() or text[at] == "_"):
        at += 1
    if start == at:
        raise _syntax_error(text, at)
    return text[start:at], at


def _syntax_error(text: str, at: int) -> Exception:
    return refuse(f'Syntax error "Expected name at character {at}: {text[:80]}"', 2500)
