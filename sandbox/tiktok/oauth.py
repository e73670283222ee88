"""Authorization, tokens that rotate, revocation. Source: oauth-get-a-user-access-token (2026-11-02); login-kit-web."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from sandbox import ids
from sandbox.consent import ConsentError, ConsentRequest
from sandbox.media import is_loopback
from sandbox.records import Code, Grant, Token
from sandbox.settings import APP_ID
from sandbox.tiktok.errors import oauth_refusal
from sandbox.wire import Answer, Call, PlatformError, ok

SCOPES = {
    "user.info.basic": "Read your profile (avatar, display name)",
    "user.info.profile": "Read your additional profile information",
    "user.info.stats": "Read your profile statistics",
    "video.publish": "Post content to TikTok",
    "video.upload": "Upload draft content to your account for further editing",
    "video.list": "Read your public videos on TikTok",
}
"""Scopes and what the consent page says about them. Source: scopes-overview (2026-09-11)."""

REFRESH_SECONDS = 180 * 86_400
"""Life of a refresh token, seconds (180 days). Source: oauth-get-a-user-access-token (2026-11-02)."""
CODE_SECONDS = 3_600
"""Life of a code, seconds: not documented; one hour as on the other platforms."""
REDIRECT_CHARS = 512
"""A redirect URI must be shorter than this, characters. Source: login-kit-web."""

_AUTHORIZE = {
    "client_key",
    "response_type",
    "scope",
    "redirect_uri",
    "state",
    "disable_auto_auth",
    "code_challenge",
    "code_challenge_method",
}
_FORM = "application/x-www-form-urlencoded"


def read_authorization(query: Mapping[str, str]) -> ConsentRequest:
    """Check an authorization URL; raises `ConsentError`."""
    unknown = query.keys() - _AUTHORIZE
    if unknown:
        raise ConsentError(f"Unknown parameter: {min(unknown)}")
    if query.get("client_key") != APP_ID:
        raise ConsentError("client_key: unknown client")
    if query.get("response_type") != "code":
        raise ConsentError("unsupported_response_type: response_type must be code")
    redirect_uri = query.get("redirect_uri", "")
    challenge = query.get("code_challenge", "")
    _check_redirect(redirect_uri, challenge)
    if challenge and query.get("code_challenge_method") != "S256":
        raise ConsentError("code_challenge_method must be S256")
    if challenge and not re.fullmatch(r"[0-9a-f]{64}", challenge):
        raise ConsentError("code_challenge must be the SHA-256 of the verifier in hexadecimal")
    scopes = tuple(dict.fromkeys(query.get("scope", "").split(",")))
    for scope in scopes:
        if scope not in SCOPES:
            raise ConsentError(f"invalid_scope: {scope or '(none)'}")
    return ConsentRequest("tiktok", redirect_uri, query.get("state", ""), scopes, challenge)


def _check_redirect(redirect_uri: str, challenge: str) -> None:
    parts = urlsplit(redirect_uri)
    if not parts.hostname or len(redirect_uri) >= REDIRECT_CHARS or parts.query or parts.fragment:
        raise ConsentError("redirect_uri: absolute, shorter than 512 characters, without query and fragment")
    if parts.hostname in ("localhost", "127.0.0.1") or is_loopback(parts.hostname):
        if not parts.port:
            raise ConsentError("redirect_uri: a desktop app needs a port")
        if not challenge:
            raise ConsentError("code_challenge: a desktop app must send one")
    elif parts.scheme != "https":
        raise ConsentError("redirect_uri: https is required")


async def token(call: Call) -> Answer:
    """`POST /v2/oauth/token/`: a code or a refresh token becomes a pair of tokens."""
    _check_app(call)
    match call.params.get("grant_type"):
        case "authorization_code":
            return _exchange(call)
        case "refresh_token":
            return _refresh(call)
    raise _refuse(call, "unsupported_grant_type", "The grant type is not supported.")


async def revoke(call: Call) -> Answer:
    """`POST /v2/oauth/revoke/`: the grant ends."""
    _check_app(call)
    _check_names(call, {"token"})
    state = call.sandbox.state
    found = state.tokens.get(str(call.params.get("token", "")))
    if found is None or found.platform != "tiktok":
        raise _refuse(call, "invalid_request", "The token is unknown.")
    grant = state.grants.get(found.grant_id)
    if grant is not None:
        grant.revoked = True
        state.grants.put(grant)
    return ok({})


def _exchange(call: Call) -> Answer:
    _check_names(call, {"grant_type", "code", "redirect_uri", "code_verifier"})
    state = call.sandbox.state
    code = state.codes.get(str(call.params.get("code", "")))
    grant = state.grants.get(code.grant_id) if code else None
    if code is None or grant is None or grant.platform != "tiktok":
        raise _refuse(call, "invalid_grant", "Authorization code is invalid.")
    if call.sandbox.clock.now() - code.issued_at > CODE_SECONDS:
        raise _refuse(call, "invalid_grant", "Authorization code is expired.")
    if code.used:
        raise _refuse(call, "invalid_request", "Authorization code was used already.")
    if call.params.get("redirect_uri") != code.redirect_uri:
        raise _refuse(call, "invalid_request", "Redirect_uri is not matched with the uri when requesting code.")
    if not _is_verified(code, call.params.get("code_verifier")):
        raise _refuse(call, "invalid_request", "Code verifier or code challenge is invalid.")
    code.used = True
    state.codes.put(code)
    return _pair(call, grant)


def _is_verified(code: Code, verifier: object) -> bool:
    if not code.challenge:
        return verifier is None
    if not isinstance(verifier, str) or not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier):
        return False
    return hashlib.sha256(verifier.encode()).hexdigest() == code.challenge


def _refresh(call: Call) -> Answer:
    _check_names(call, {"grant_type", "refresh_token"})
    state = call.sandbox.state
    old = state.tokens.get(str(call.params.get("refresh_token", "")))
    grant = state.grants.get(old.grant_id) if old else None
    if (
        old is None
        or grant is None
        or grant.revoked
        or old.platform != "tiktok"
        or old.kind != "refresh"
        or old.dead
        or old.expires_at <= call.sandbox.clock.now()
    ):
        raise _refuse(call, "invalid_grant", "Refresh token is invalid or expired.")
    # The token just used stops working. Source: oauth-refresh-a-user-access-token (2026-11-02).
    old.dead = 1
    state.tokens.put(old)
    return _pair(call, grant)


def _pair(call: Call, grant: Grant) -> Answer:
    now = call.sandbox.clock.now()
    open_id = grant.account_ids[0]
    seconds = call.sandbox.knobs.tiktok_access_seconds
    access = Token(
        value=ids.token("act.", 68),
        platform="tiktok",
        kind="access",
        grant_id=grant.id,
        account_id=open_id,
        issued_at=now,
        expires_at=now + seconds,
    )
    refresh = Token(
        value=ids.token("rft.", 68),
        platform="tiktok",
        kind="refresh",
        grant_id=grant.id,
        account_id=open_id,
        issued_at=now,
        expires_at=now + REFRESH_SECONDS,
    )
    call.sandbox.state.tokens.put(access)
    call.sandbox.state.tokens.put(refresh)
    return ok(
        {
            "access_token": access.value,
            "expires_in": seconds,
            "open_id": open_id,
            "refresh_expires_in": REFRESH_SECONDS,
            "refresh_token": refresh.value,
            "scope": ",".join(grant.scopes),
            "token_type": "Bearer",
        }
    )


def _check_app(call: Call) -> None:
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise _refuse(call, "invalid_request", "Only `application/x-www-form-urlencoded` is supported as Content-Type.")
    if call.params.get("client_key") != APP_ID or call.params.get("client_secret") != call.sandbox.settings.app_secret:
        raise _refuse(call, "invalid_client", "Client key or secret is incorrect.")


def _check_names(call: Call, allowed: set[str]) -> None:
    unknown = call.params.keys() - allowed - {"client_key", "client_secret"}
    if unknown:
        raise _refuse(call, "invalid_request", f"Unexpected parameter {min(unknown)}.")


def _refuse(call: Call, error: str, description: str) -> PlatformError:
    return oauth_refusal(error, description, call.sandbox.knobs.tiktok_oauth_error_status)
