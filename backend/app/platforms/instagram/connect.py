"""Connecting an Instagram account: consent, tokens, renewal.

Source: Instagram Platform › Business Login for Instagram and › Refresh Access Token, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from app.platforms.base import (
    JSON,
    Auth,
    AuthorizeRequest,
    ConnectedProfile,
    Grant,
    PlatformError,
    ReconnectAccount,
    RetryLater,
)
from app.platforms.http import Purpose
from app.platforms.instagram.client import InstagramClient
from app.platforms.instagram.errors import TITLE
from app.platforms.meta import needed, rows_of

SCOPES = (
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_insights",
)
"""All are asked for at once: a grant is frozen when it is given. Names in force since 2025-01-27."""
NEEDED = frozenset(SCOPES[:2])

REFRESH_AFTER = timedelta(days=7)
"""Ours: a token lives 60 days and cannot be revived once it has expired."""
REFRESH_NOT_BEFORE = timedelta(hours=24)
"""A younger token must not be refreshed (Refresh Access Token)."""
LIFE = timedelta(days=60)

_PROFILE_FIELDS = "id,user_id,username,name,account_type,profile_picture_url"


class InstagramConnector:
    """Signs in with Instagram Login; each sign-in connects exactly one professional account."""

    def __init__(self, client: InstagramClient) -> None:
        self.client = client
        self.config = client.config

    def authorize(self, *, state: str, redirect_uri: str) -> AuthorizeRequest:
        query = urlencode(
            {
                "client_id": self.config.app_id,
                "redirect_uri": redirect_uri,
                "response_type": "code",
                "scope": ",".join(SCOPES),
                "state": state,
                "force_reauth": "true",
            }
        )
        return AuthorizeRequest(f"{self.config.oauth_url.rstrip('/')}/oauth/authorize?{query}")

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str | None, now: datetime
    ) -> list[ConnectedProfile]:
        """Trade the code for a token of an hour, that for one of 60 days, and read whose it is."""
        try:
            short = await self._short_token(code.partition("#")[0], redirect_uri)
            _check_scopes(_scopes(short.get("permissions")))
            grant = await self._long_token(needed(short, "access_token", TITLE, Purpose.stage), now)
            auth = Auth("", "", grant.access_token)
            profile = _flat(await self.client.graph.get(auth, "instagram.me", "/me", f"fields={_PROFILE_FIELDS}"))
        except (RetryLater, ReconnectAccount):
            raise
        except PlatformError as error:
            raise _sign_in_failed(error) from error
        user_id = needed(profile, "user_id", TITLE, Purpose.stage)
        is_personal = str(profile.get("account_type") or "").upper() == "PERSONAL"
        return [
            ConnectedProfile(
                account_id_external=user_id,
                account_name=str(profile.get("username") or profile.get("name") or user_id),
                avatar_url=profile.get("profile_picture_url"),
                grant=replace(
                    grant,
                    scopes=_scopes(short.get("permissions")),
                    extra={**grant.extra, "app_scoped_id": str(profile.get("id") or "")},
                ),
                usable=not is_personal,
                problem="This is a personal account. Switch it to a professional account in the Instagram app, then "
                "connect it again."
                if is_personal
                else None,
            )
        ]

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Renew for another 60 days; a token younger than a day is returned as it is."""
        issued = grant.extra.get("issued_at")
        if issued and now - datetime.fromisoformat(issued) < REFRESH_NOT_BEFORE:
            return grant
        query = urlencode({"grant_type": "ig_refresh_token", "access_token": grant.access_token})
        data = await self._bare("instagram.refresh_token", f"/refresh_access_token?{query}")
        fresh = _grant(data, now)
        return replace(fresh, scopes=grant.scopes, extra={**grant.extra, **fresh.extra})

    async def check(self, auth: Auth) -> bool:
        try:
            await self.client.graph.get(auth, "instagram.me", "/me", "fields=user_id")
        except ReconnectAccount:
            return False
        return True

    async def revoke(self, grant: Grant) -> None:
        """Ask to drop the permissions. No such call is documented for Instagram Login; clients use this one."""
        url = f"{self.client.graph.base_url}/me/permissions"
        headers = {"authorization": f"Bearer {grant.access_token}"}
        auth = Auth("", "", grant.access_token)
        try:
            await self.client.graph.send(auth, "instagram.revoke", "DELETE", url, Purpose.stage, headers)
        except PlatformError:
            return

    async def _short_token(self, code: str, redirect_uri: str) -> JSON:
        parts = {
            "client_id": self.config.app_id,
            "client_secret": self.config.app_secret,
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
        }
        url = f"{self.config.api_url.rstrip('/')}/oauth/access_token"
        # Multipart without file names, as the documented `curl -F` sends it.
        files = {name: (None, value) for name, value in parts.items()}
        data = await self.client.graph.send(
            Auth("", "", ""), "instagram.code_exchange", "POST", url, Purpose.stage, {}, files=files
        )
        return _flat(data)

    async def _long_token(self, short: str, now: datetime) -> Grant:
        query = urlencode(
            {"grant_type": "ig_exchange_token", "client_secret": self.config.app_secret, "access_token": short}
        )
        return _grant(await self._bare("instagram.token_exchange", f"/access_token?{query}"), now)

    async def _bare(self, operation: str, path: str) -> JSON:
        """Call a token address of the Graph host: no version in the path, the token in the query as documented."""
        url = f"{self.client.bare_graph.base_url}{path}"
        return await self.client.bare_graph.send(Auth("", "", ""), operation, "GET", url, Purpose.read, {})


def _grant(data: JSON, now: datetime) -> Grant:
    seconds = data.get("expires_in")
    life = timedelta(seconds=int(seconds)) if seconds else LIFE
    return Grant(
        access_token=needed(data, "access_token", TITLE, Purpose.stage),
        expires_at=now + life,
        refresh_due_at=now + min(REFRESH_AFTER, life * 0.75),
        extra={"issued_at": now.isoformat()},
    )


def _flat(data: JSON) -> JSON:
    """Return the object of an answer that comes bare (as clients see it) or wrapped in `data[]` (as documented)."""
    rows = rows_of(data)
    return rows[0] if rows else data


def _scopes(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(str(part) for part in value) if isinstance(value, list) else ()


def _check_scopes(granted: tuple[str, ...]) -> None:
    missing = sorted(NEEDED - set(granted))
    if missing:
        raise ReconnectAccount(
            f"The permission “{missing[0]}” was not given, and PostPilot cannot post without it. Connect the account "
            "again and leave all permissions ticked.",
            code="permission_missing",
        )


def _sign_in_failed(error: PlatformError) -> ReconnectAccount:
    return ReconnectAccount(
        "Instagram did not complete the sign-in. Start it again from the Accounts page.",
        code="sign_in_failed",
        platform_code=error.platform_code,
        trace_id=error.trace_id,
    )
