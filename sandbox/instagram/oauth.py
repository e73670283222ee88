"""Consent, code exchange, long-lived tokens and refresh. Source: Business Login for Instagram; Refresh Access Token."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sandbox import ids
from sandbox.consent import ConsentError, ConsentRequest
from sandbox.meta import params
from sandbox.meta.auth import CODE_SECONDS, LONG_SECONDS, SHORT_SECONDS, check_app, require_token, token_problem
from sandbox.meta.errors import bad_parameter, refuse, token_refused
from sandbox.records import Token
from sandbox.settings import APP_ID
from sandbox.wire import Answer, Call, PlatformError, ok

SCOPES = {
    "instagram_business_basic": "Read your profile and posts",
    "instagram_business_content_publish": "Publish posts",
    "instagram_business_manage_comments": "Manage comments",
    "instagram_business_manage_insights": "Read insights",
    "instagram_business_manage_messages": "Manage messages",
}
"""Scopes and what the consent page says about them. Source: Business Login for Instagram."""

REFRESH_AGE_SECONDS = 24 * 3_600
"""Least age of a token that may be refreshed, seconds (24 h). Source: Refresh Access Token."""

_AUTHORIZE = {"client_id", "redirect_uri", "response_type", "scope", "state", "force_reauth", "enable_fb_login"}


def read_authorization(query: Mapping[str, str]) -> ConsentRequest:
    """Check an authorization URL; raises `ConsentError`."""
    unknown = query.keys() - _AUTHORIZE
    if unknown:
        raise ConsentError(f"Unknown parameter: {min(unknown)}")
    if query.get("client_id") != APP_ID:
        raise ConsentError("Invalid platform app: client_id is unknown")
    if query.get("response_type") != "code":
        raise ConsentError("response_type must be code")
    redirect_uri = query.get("redirect_uri", "")
    if not urlsplit(redirect_uri).scheme:
        raise ConsentError("Invalid redirect_uri")
    scopes = tuple(dict.fromkeys(query.get("scope", "").replace(" ", ",").split(",")))
    for scope in scopes:
        if scope not in SCOPES:
            raise ConsentError(f"Invalid scope: {scope or '(none)'}")
    if "instagram_business_basic" not in scopes:
        raise ConsentError("instagram_business_basic is required")
    return ConsentRequest("instagram", redirect_uri, query.get("state", ""), scopes)


async def exchange(call: Call) -> Answer:
    """Code → short-lived token."""
    values = call.params
    unknown = values.keys() - {"client_id", "client_secret", "grant_type", "redirect_uri", "code"}
    if unknown or call.method != "POST":
        raise _flat_error("Unsupported request")
    if values.get("client_id") != APP_ID or values.get("client_secret") != call.sandbox.settings.app_secret:
        raise _flat_error("Invalid client_id or client_secret")
    if values.get("grant_type") != "authorization_code":
        raise _flat_error("grant_type must be authorization_code")
    state, now = call.sandbox.state, call.sandbox.clock.now()
    code = state.codes.get(str(values.get("code", "")))
    grant = state.grants.get(code.grant_id) if code else None
    if code is None or grant is None or code.used or grant.platform != "instagram":
        raise _flat_error("Matching code was not found or was already used")
    if now - code.issued_at > CODE_SECONDS:
        raise _flat_error("This authorization code has expired")
    if values.get("redirect_uri") != code.redirect_uri:
        raise _flat_error(
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used"
            " in the OAuth dialog request"
        )
    code.used = True
    state.codes.put(code)
    token = _mint(call, "short", grant.id, grant.account_ids[0], SHORT_SECONDS)
    if call.sandbox.knobs.envelope == "data":
        wrapped = {
            "access_token": token.value,
            "user_id": token.account_id,
            "permissions": ",".join(grant.scopes),
        }
        return ok({"data": [wrapped]})
    return ok({"access_token": token.value, "user_id": int(token.account_id), "permissions": grant.scopes})


async def long_lived(call: Call) -> Answer:
    """Short-lived → long-lived token."""
    values = params.read(
        call.params,
        {"grant_type": params.choice("ig_exchange_token"), "client_secret": params.text},
        ("grant_type", "client_secret"),
    )
    check_app(call, values)
    token = require_token(call)
    if token.kind != "short":
        raise refuse("Unsupported get request: the token is not a short-lived one", 100)
    return _token_answer(_mint(call, "long", token.grant_id, token.account_id, LONG_SECONDS), call)


async def refresh(call: Call) -> Answer:
    """Long-lived token → another one, valid 60 days from now; the old one lives on until its own end."""
    params.read(call.params, {"grant_type": params.choice("ig_refresh_token")}, ("grant_type",))
    token = require_token(call)
    if token.kind != "long":
        raise bad_parameter("Only long-lived tokens can be refreshed")
    if call.sandbox.clock.now() - token.issued_at < REFRESH_AGE_SECONDS:
        # The platform documents the rule but not this error.
        raise bad_parameter("The token must be at least 24 hours old to be refreshed")
    return _token_answer(_mint(call, "long", token.grant_id, token.account_id, LONG_SECONDS), call)


async def revoke(call: Call) -> Answer:
    """`DELETE /me/permissions`: the grant ends."""
    params.read(call.params, {})
    token = require_token(call)
    grant = call.sandbox.state.grants.get(token.grant_id)
    if grant is None or token_problem(call.sandbox, token):
        raise token_refused(458)
    grant.revoked = True
    call.sandbox.state.grants.put(grant)
    return ok({"success": True})


def _mint(call: Call, kind: str, grant_id: str, account_id: str, seconds: float) -> Token:
    now = call.sandbox.clock.now()
    token = Token(
        value=ids.token("IGAA", 140),
        platform="instagram",
        kind="short" if kind == "short" else "long",
        grant_id=grant_id,
        account_id=account_id,
        issued_at=now,
        expires_at=now + seconds,
    )
    call.sandbox.state.tokens.put(token)
    return token


def _token_answer(token: Token, call: Call) -> Answer:
    seconds = int(token.expires_at - call.sandbox.clock.now())
    return ok({"access_token": token.value, "token_type": "bearer", "expires_in": seconds})


def _flat_error(message: str) -> PlatformError:
    return PlatformError(ok({"error_type": "OAuthException", "code": 400, "error_message": message}, 400))
