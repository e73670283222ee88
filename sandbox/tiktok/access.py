"""Bearer tokens, scopes and strict JSON bodies. Source: tiktok-api-v2-error-handling; scopes-overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.records import Persona, Token
from sandbox.tiktok.errors import bad_parameter, refuse
from sandbox.wire import Call


def creator(call: Call, *scopes: str) -> Persona:
    """Return the account of a valid token that has one of the scopes."""
    token = call.token
    grant = call.sandbox.state.grants.get(token.grant_id) if token else None
    if token is None or grant is None or grant.revoked or token.kind != "access" or token.dead:
        raise refuse("access_token_invalid")
    if token.expires_at <= call.sandbox.clock.now():
        raise refuse("access_token_invalid")
    if scopes and not any(scope in grant.scopes for scope in scopes):
        raise refuse("scope_not_authorized")
    persona = call.sandbox.state.persona("tiktok", token.account_id)
    if persona is None:
        raise refuse("access_token_invalid")
    return persona


def granted(call: Call) -> list[str]:
    """Return the scopes of the token of a call."""
    grant = call.sandbox.state.grants.get(call.token.grant_id) if call.token else None
    return grant.scopes if grant else []


def find_token(call: Call) -> Token | None:
    """Return the token sent as `Authorization: Bearer`, if it is known."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    token = call.sandbox.state.tokens.get(value.strip()) if scheme == "Bearer" else None
    return token if token is not None and token.platform == "tiktok" else None


def json_body(call: Call) -> dict[str, Any]:
    """Return the JSON body of a call; an empty one counts as `{}`."""
    if not call.body:
        return {}
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise bad_parameter("Content-Type must be application/json; charset=UTF-8")
    return call.json_object()


def typed(values: Any, where: str, types: Mapping[str, type], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return an object whose fields are known and of the right type."""
    if not isinstance(values, dict):
        raise bad_parameter(f"{where or 'The body'} must be an object")
    prefix = f"{where}." if where else ""
    for name, value in values.items():
        kind = types.get(name)
        if kind is None:
            raise bad_parameter(f"{prefix}{name} is not a known field")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise bad_parameter(f"{prefix}{name} has the wrong type")
    for name in required:
        if name not in values:
            raise bad_parameter(f"{prefix}{name} is required")
    return values
