"""Strict reading of Graph parameters: what is unknown, missing or of the wrong type is refused with code 100."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.meta.errors import bad_parameter

Check = Callable[[str, Any], Any]

_ALWAYS = frozenset({"access_token", "appsecret_proof", "fields", "debug", "format", "pretty", "suppress_http_code"})


def read(params: Mapping[str, Any], checks: Mapping[str, Check], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the checked parameters that were sent."""
    values = {}
    for name, value in params.items():
        check = checks.get(name)
        if check is not None:
            values[name] = check(name, value)
        elif name not in _ALWAYS:
            raise bad_parameter(f"Unexpected parameter {name}")
    for name in required:
        if name not in values:
            raise bad_parameter(f"The parameter {name} is required")
    return values


def text(name: str, value: Any) -> str:
    """Accept a string."""
    if not isinstance(value, str):
        raise bad_parameter(f"Param {name} must be a string")
    return value


def number(name: str, value: Any) -> int:
    """Accept an integer, or its digits in a string."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lstrip("-").isdecimal() and value.count("-") <= 1:
        return int(value)
    raise bad_parameter(f"Param {name} must be an integer")


def boolean(name: str, value: Any) -> bool:
    """Accept true and false, also as words or digits in a form."""
    if isinstance(value, bool):
        return value
    if value in (1, "1", "true", "True"):
        return True
    if value in (0, "0", "false", "False"):
        return False
    raise bad_parameter(f"Param {name} must be a boolean")


def choice(*allowed: str) -> Check:
    """Accept one of some words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise bad_parameter(f'Param {name} must be one of {{{", ".join(allowed)}}} - got "{value}"')
        return value

    return check


def object_id(name: str, value: Any) -> str:
    """Accept an id: digits, possibly with an underscore."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and value.replace("_", "").isdecimal():
        return value
    raise bad_parameter(f"Param {name} must be a valid ID")


def array(name: str, value: Any) -> list[Any]:
    """Accept a list, also as JSON in a string."""
    items: list[Any] = _structure(name, value, list)
    return items


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Accept an object, also as JSON in a string."""
    items: dict[str, Any] = _structure(name, value, dict)
    return items


def _structure(name: str, value: Any, kind: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise bad_parameter(f"Param {name} must be valid JSON") from None
    if not isinstance(value, kind):
        raise bad_parameter(f"Param {name} must be {'an array' if kind is list else 'an object'}")
    return value


PAGING: dict[str, Check] = {"limit": number, "after": text, "before": text, "since": number, "until": number}
"""Parameters of every list."""
