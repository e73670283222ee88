"""Consent: what an authorization page asks for, and what happens when a person allows or refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.records import Code, Grant, Person, Persona, Platform

_SHARED_OWNER = "10200000000000001"
"""The person who owns the Pages picked by hand on the Facebook consent page."""


class ConsentError(Exception):
    """The authorization URL is not acceptable; the platform would show an error page."""


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A valid authorization URL."""

    platform: Platform
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    challenge: str = ""


def allow(sandbox: Sandbox, request: ConsentRequest, personas: Sequence[Persona], scopes: Sequence[str]) -> str:
    """Record the consent and return where the browser goes: the redirect URI with a code."""
    now = sandbox.clock.now()
    grant = Grant(
        id=ids.token("grant-", 16),
        platform=request.platform,
        user_id=_user_of(sandbox, request.platform, personas),
        account_ids=[persona.account_id for persona in personas],
        scopes=[scope for scope in request.scopes if scope in scopes],
        declined=[scope for scope in request.scopes if scope not in scopes],
        created_at=now,
    )
    code = Code(
        value=ids.token("AQ", 90) if request.platform != "tiktok" else ids.token("", 60),
        grant_id=grant.id,
        redirect_uri=request.redirect_uri,
        issued_at=now,
        challenge=request.challenge,
    )
    sandbox.state.grants.put(grant)
    sandbox.state.codes.put(code)
    sandbox.store.flush()
    values = {"code": code.value}
    if request.platform == "tiktok":
        values["scopes"] = ",".join(grant.scopes)
    return _redirect(request, values)


def deny(request: ConsentRequest) -> str:
    """Return where the browser goes when the person cancels."""
    if request.platform == "tiktok":
        return _redirect(request, {"error": "access_denied", "error_description": "User denied the request"})
    description = "The user denied your request" if request.platform == "instagram" else "Permissions error"
    values = {"error": "access_denied", "error_reason": "user_denied", "error_description": description}
    return _redirect(request, values)


def _redirect(request: ConsentRequest, values: dict[str, str]) -> str:
    query = urlencode({**values, "state": request.state} if request.state else values)
    mark = "&" if "?" in request.redirect_uri else "?"
    # Noise that the platforms append; no part of the code.
    tail = {"instagram": "#_", "facebook": "#_=_", "tiktok": ""}[request.platform] if "code" in values else ""
    return f"{request.redirect_uri}{mark}{query}{tail}"


def _user_of(sandbox: Sandbox, platform: Platform, personas: Sequence[Persona]) -> str:
    users = {persona.user_id for persona in personas}
    if platform != "facebook" or len(users) == 1:
        return users.pop()
    if _SHARED_OWNER not in sandbox.state.people:
        sandbox.state.people.put(Person(id=_SHARED_OWNER, name="Sandbox owner"))
    return _SHARED_OWNER
