"""Login dialog, tokens, permissions. Source: Facebook Login › Long-Lived Tokens; Manually Build a Login Flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from sandbox import ids
from sandbox.consent import ConsentError, ConsentRequest
from sandbox.meta import params
from sandbox.meta.auth import (
    CODE_SECONDS,
    LONG_SECONDS,
    SHORT_SECONDS,
    check_app,
    grant_of,
    require_token,
    token_problem,
)
from sandbox.meta.errors import bad_parameter, refuse, token_refused
from sandbox.records import Token
from sandbox.settings import APP_ID
from sandbox.wire import Answer, Call, ok

SCOPES = {
    "pages_show_list": "See the Pages you manage",
    "pages_read_engagement": "Read posts and followers of your Pages",
    "pages_manage_posts": "Publish posts on your Pages",
    "pages_manage_engagement": "Comment as your Pages",
    "pages_read_user_content": "Read comments on your Pages",
    "pages_manage_metadata": "Subscribe to events of your Pages",
    "read_insights": "Read insights of your Pages",
    "business_management": "Manage Pages owned by a business portfolio",
    "public_profile": "See your name",
    "publish_video": "Publish videos",
    "instagram_basic": "Read the Instagram accounts linked to your Pages",
    "instagram_content_publish": "Publish on these Instagram accounts",
    "instagram_manage_comments": "Manage comments of these Instagram accounts",
    "instagram_manage_insights": "Read insights of these Instagram accounts",
    "instagram_manage_contents": "Delete posts of these Instagram accounts",
}
"""Permissions and what the consent page says about them. Source: Permissions reference, as far as Pages need it."""

_AUTHORIZE = {"client_id", "redirect_uri", "state", "response_type", "scope", "config_id", "auth_type", "display"}

USED_CODE = 36009
EXPIRED_CODE = 36007
WRONG_REDIRECT = 36008


def read_authorization(query: Mapping[str, str]) -> ConsentRequest:
    """Check an authorization URL; raises `ConsentError`. A `config_id` stands for every permission."""
    unknown = query.keys() - _AUTHORIZE
    if unknown:
        raise ConsentError(f"Unknown parameter: {min(unknown)}")
    if query.get("client_id") != APP_ID:
        raise ConsentError("Invalid App ID: the provided app ID does not look like a valid app ID")
    if query.get("response_type", "code") != "code":
        raise ConsentError("response_type must be code")
    redirect_uri = query.get("redirect_uri", "")
    if not urlsplit(redirect_uri).scheme:
        raise ConsentError("URL blocked: the redirect URI is not valid")
    if "config_id" in query:
        return ConsentRequest("facebook", redirect_uri, query.get("state", ""), tuple(SCOPES))
    scopes = tuple(dict.fromkeys(query.get("scope", "public_profile").replace(" ", ",").split(",")))
    for scope in scopes:
        if scope not in SCOPES:
            raise ConsentError(f"Invalid Scopes: {scope or '(none)'}")
    return ConsentRequest("facebook", redirect_uri, query.get("state", ""), scopes)


async def access_token(call: Call) -> Answer:
    """`/oauth/access_token`: a code or a user token becomes a user token."""
    if call.params.get("grant_type") == "fb_exchange_token":
        return _long_lived(call)
    checks: dict[str, params.Check] = {
        "client_id": params.text,
        "client_secret": params.text,
        "redirect_uri": params.text,
        "code": params.text,
        "grant_type": params.choice("authorization_code"),
    }
    values = params.read(call.params, checks, ("client_id", "client_secret", "redirect_uri", "code"))
    check_app(call, values)
    state = call.sandbox.state
    code = state.codes.get(values["code"])
    grant = state.grants.get(code.grant_id) if code else None
    if code is None or grant is None or grant.platform != "facebook":
        raise refuse("Invalid verification code format.", 100)
    if code.used:
        raise refuse("This authorization code has been used.", 100, USED_CODE)
    if call.sandbox.clock.now() - code.issued_at > CODE_SECONDS:
        raise refuse("This authorization code has expired.", 100, EXPIRED_CODE)
    if code.redirect_uri != values["redirect_uri"]:
        raise refuse(
            "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in"
            " the OAuth dialog request",
            100,
            WRONG_REDIRECT,
        )
    code.used = True
    state.codes.put(code)
    return _token_answer(call, _mint(call, "user_short", grant.id, SHORT_SECONDS))


def _long_lived(call: Call) -> Answer:
    checks: dict[str, params.Check] = {
        "grant_type": params.text,
        "client_id": params.text,
        "client_secret": params.text,
        "fb_exchange_token": params.text,
    }
    values = params.read(call.params, checks, tuple(checks))
    check_app(call, values)
    token = call.sandbox.state.tokens.get(values["fb_exchange_token"])
    if token is None or token.kind not in ("user_short", "user_long"):
        raise token_refused()
    problem = token_problem(call.sandbox, token)
    if problem:
        raise token_refused(problem)
    return _token_answer(call, _mint(call, "user_long", token.grant_id, LONG_SECONDS))


async def debug_token(call: Call) -> Answer:
    """`GET /debug_token` with an app token: a dead token is an answer, not an error."""
    values = params.read(call.params, {"input_token": params.text}, ("input_token",))
    sent = call.params.get("access_token") or call.headers.get("authorization", "").partition(" ")[2]
    if sent != f"{APP_ID}|{call.sandbox.settings.app_secret}":
        raise refuse("You must provide an app access token, or a user access token of an owner of the app", 100)
    token = call.sandbox.state.tokens.get(values["input_token"])
    if token is None or token.platform != "facebook":
        error = {"code": 190, "message": "Invalid OAuth access token - Cannot parse access token"}
        return ok({"data": {"error": error, "is_valid": False, "scopes": []}})
    grant = grant_of(call, token)
    data: dict[str, Any] = {
        "app_id": APP_ID,
        "type": "PAGE" if token.kind == "page" else "USER",
        "application": "PostPilot",
        "is_valid": True,
        "issued_at": int(token.issued_at),
        "expires_at": int(token.expires_at),
        "data_access_expires_at": int(token.issued_at + 90 * 86_400),
        "scopes": grant.scopes,
        "user_id": grant.user_id,
    }
    if token.kind == "page":
        data["profile_id"] = token.account_id
    problem = token_problem(call.sandbox, token)
    if problem:
        data |= {
            "is_valid": False,
            "error": {"code": 190, "subcode": problem, "message": "Error validating access token."},
        }
    return ok({"data": data})


async def permissions(call: Call) -> Answer:
    """`GET /me/permissions`."""
    grant = grant_of(call, require_token(call))
    params.read(call.params, {})
    granted = [{"permission": scope, "status": "granted"} for scope in grant.scopes]
    return ok({"data": granted + [{"permission": scope, "status": "declined"} for scope in grant.declined]})


async def revoke(call: Call) -> Answer:
    """`DELETE /me/permissions` or `/me/permissions/{name}`."""
    token = require_token(call)
    params.read(call.params, {})
    grant = grant_of(call, token)
    if token.kind == "page":
        raise bad_parameter("A user access token is required")
    if call.node == "":
        grant.revoked = True
    elif call.node in grant.scopes:
        grant.scopes.remove(call.node)
        grant.declined.append(call.node)
    call.sandbox.state.grants.put(grant)
    return ok({"success": True})


def page_token(call: Call, parent: Token, page_id: str) -> Token:
    """Return the Page token that belongs to a user token; from a long-lived one it never expires."""
    state = call.sandbox.state
    key = f"{parent.value}:{page_id}"
    known = state.page_tokens.get(key)
    if known is not None:
        return known
    expires_at = 0.0 if parent.kind == "user_long" else parent.expires_at
    token = _mint(call, "page", parent.grant_id, 0, page_id=page_id, expires_at=expires_at, parent=parent.value)
    state.page_tokens[key] = token
    return token


def _mint(
    call: Call,
    kind: Literal["user_short", "user_long", "page"],
    grant_id: str,
    seconds: float,
    *,
    page_id: str = "",
    expires_at: float | None = None,
    parent: str = "",
) -> Token:
    now = call.sandbox.clock.now()
    token = Token(
        value=ids.token("EAAG" if kind == "page" else "EAAB", 160),
        platform="facebook",
        kind=kind,
        grant_id=grant_id,
        account_id=page_id,
        issued_at=now,
        expires_at=now + seconds if expires_at is None else expires_at,
        parent=parent,
    )
    call.sandbox.state.tokens.put(token)
    return token


def _token_answer(call: Call, token: Token) -> Answer:
    seconds = int(token.expires_at - call.sandbox.clock.now())
    return ok({"access_token": token.value, "token_type": "bearer", "expires_in": seconds})
