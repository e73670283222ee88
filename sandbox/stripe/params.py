"""Stripe's parameters: forms with brackets, checked name by name as the API does. Source: stripe.md §2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.stripe.errors import refuse

MAP = {"*": "text"}
"""Metadata: any name, only texts."""
RANGE = {"gt": "int", "gte": "int", "lt": "int", "lte": "int"}
LISTED: dict[str, Any] = {"limit": "int", "starting_after": "text", "ending_before": "text", "expand": ["text"]}
EXPAND: dict[str, Any] = {"expand": ["text"]}
METADATA_KEYS_MAX, METADATA_KEY_CHARS_MAX, METADATA_VALUE_CHARS_MAX = 50, 40, 500


def nest(flat: Mapping[str, str]) -> dict[str, Any]:
    """Turn `a[b][0][c]=1` into `{"a": {"b": [{"c": "1"}]}}`."""
    root: dict[str, Any] = {}
    for name, value in flat.items():
        first, _, rest = name.partition("[")
        parts = [first, *(rest[:-1].split("][") if rest else [])]
        at = root
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise refuse(f"Invalid parameter: {name}", param=name)
        at[parts[-1]] = value
    listed = _listed(root)
    assert isinstance(listed, dict)
    return listed


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() or not key for key in value):
        return [_listed(value[key]) for key in sorted(value, key=lambda key: int(key or 0))]
    return {key: _listed(inner) for key, inner in value.items()}


def check(schema: Any, value: Any, path: str = "") -> Any:
    """Return a value as its schema types it; raises Stripe's errors for what is unknown or of another type.

    A schema is a dict of names, a list with the schema of its items, or one of `text`, `int`, `bool`, `when` (a time,
    or empty to unset it); a text may be any of several, as `a|b`.
    """
    if isinstance(schema, dict):
        if value == "" and path:
            return {}
        if not isinstance(value, dict):
            raise refuse("Invalid object", code="parameter_invalid_object", param=path)
        return _checked_object(schema, value, path)
    if isinstance(schema, list):
        if value == "":
            return []
        if not isinstance(value, list):
            raise refuse("Invalid array", param=path)
        return [check(schema[0], item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        raise refuse(f"Invalid string: {value}", param=path)
    return _checked_value(schema, value, path)


def _checked_object(schema: dict[str, Any], value: dict[str, Any], path: str) -> dict[str, Any]:
    if "*" in schema:
        if len(value) > METADATA_KEYS_MAX:
            raise refuse("Metadata can have up to 50 keys", param=path)
        for name, inner in value.items():
            if (
                len(name) > METADATA_KEY_CHARS_MAX
                or not isinstance(inner, str)
                or len(inner) > METADATA_VALUE_CHARS_MAX
            ):
                raise refuse("Metadata keys have up to 40 and values up to 500 characters", param=f"{path}[{name}]")
        return dict(value)
    checked = {}
    for name, inner in value.items():
        where = f"{path}[{name}]" if path else name
        if name not in schema:
            raise refuse(f"Received unknown parameter: {where}", code="parameter_unknown", param=where)
        checked[name] = check(schema[name], inner, where)
    return checked


def _checked_value(schema: str, value: str, path: str) -> Any:
    match schema:
        case "text":
            return value
        case "int" | "when":
            if schema == "when" and not value:
                return None
            if not value.lstrip("-").isdigit():
                raise refuse(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
            return int(value)
        case "bool":
            if value.lower() not in ("true", "false"):
                raise refuse(f"Invalid boolean: {value}", param=path)
            return value.lower() == "true"
    if value not in schema.split("|"):
        raise refuse(f"Invalid {path}: must be one of {schema.replace('|', ', ')}", param=path)
    return value


def require(params: dict[str, Any], *names: str) -> None:
    """Raise the error for a parameter that is missing or empty."""
    for name in names:
        if params.get(name) in (None, "", [], {}):
            raise refuse(f"Missing required param: {name}.", code="parameter_missing", param=name)
