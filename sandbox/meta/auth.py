"""Tokens of the Graph API: finding, checking and minting them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from sandbox.core import Sandbox
from sandbox.meta.errors import refuse, token_refused
from sandbox.records import Grant, Token
from sandbox.settings import APP_ID
from sandbox.wire import Call

SHORT_SECONDS = 3_600
"""Life of a short-lived token, seconds. Source: Business Login for Instagram; Facebook: Long-Lived Tokens."""
LONG_SECONDS = 60 * 86_400
"""Life of a long-lived token, seconds (60 days). Source: Refresh Access Token; Facebook Login › Long-Lived Tokens."""
CODE_SECONDS = 3_600
"""Life of an authorization code, seconds (1 h). Source: Business Login for Instagram."""


def sent_token(call: Call) -> str:
    """Return the token as sent: `access_token`, or `Authorization: Bearer` (rupload: `OAuth`)."""
    value = call.params.get("access_token")
    if isinstance(value, str) and value:
        return value
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme in ("Bearer", "OAuth") else ""


def require_token(call: Call) -> Token:
    """Return the valid token of a call, or refuse: missing 104, otherwise 190 with the subcode that says why."""
    value = sent_token(call)
    if not value:
        raise refuse("An access token is required to request this resource.", 104)
    token = call.token
    if token is None:
        raise token_refused()
    problem = token_problem(call.sandbox, token)
    if problem:
        raise token_refused(problem)
    _check_proof(call, value)
    return token


def token_problem(sandbox: Sandbox, token: Token) -> int:
    """Return the subcode of code 190 that a token would meet now; 0 = it is valid."""
    grant = sandbox.state.grants.get(token.grant_id)
    if grant is None or grant.revoked:
        return 458
    if token.dead:
        return token.dead
    if token.expires_at and token.expires_at <= sandbox.clock.now():
        return 463
    return 0


def grant_of(call: Call, token: Token) -> Grant:
    """Return the consent behind a valid token."""
    grant = call.sandbox.state.grants.get(token.grant_id)
    if grant is None:
        raise token_refused(458)
    return grant


def require_scope(call: Call, token: Token, *scopes: str) -> None:
    """Refuse with code 10 unless every scope was granted."""
    granted = grant_of(call, token).scopes
    for scope in scopes:
        if scope not in granted:
            raise refuse(f"(#10) Application does not have permission for this action: {scope}", 10, status=403)


def check_app(call: Call, values: dict[str, Any]) -> None:
    """Refuse a wrong client id or secret."""
    if values.get("client_id", APP_ID) != APP_ID:
        raise refuse("Error validating application. Cannot get application info due to a system error.", 101)
    if not hmac.compare_digest(str(values.get("client_secret", "")), call.sandbox.settings.app_secret):
        raise refuse("Error validating client secret.", 1, status=400)


def _check_proof(call: Call, token: str) -> None:
    proof = call.params.get("appsecret_proof")
    if proof is None:
        if call.sandbox.knobs.require_appsecret_proof and call.segments[0] != "upload":
            raise refuse(
                "API calls from the server require an appsecret_proof argument", 100, kind="GraphMethodException"
            )
        return
    expected = hmac.new(call.sandbox.settings.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(str(proof), expected):
        raise refuse("Invalid appsecret_proof provided in the API argument", 104, kind="GraphMethodException")
