"""Connecting a TikTok account: consent, tokens, renewal.

Source: Login Kit for Web and Desktop, and User Access Token pages of 2026-11-02 and 2026-11-05, read 2026-11-23. Three
departures from OAuth: `client_key`, scopes with commas, and a code challenge in hex.
"""

from __future__ import annotations

import hashlib
import secrets
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
    RefreshToken,
    RetryLater,
)
from app.platforms.http import Answer, Fault, Purpose
from app.platforms.tiktok.client import TikTokClient
from app.platforms.tiktok.errors import OAUTH, TITLE, error, oauth_fault_of

SCOPES = ("user.info.basic", "user.info.profile", "video.publish", "video.upload", "video.list")
NEEDED = ("user.info.basic", "video.publish")

REFRESH_MARGIN = timedelta(minutes=30)
"""Ours: no publication should meet the end of a token, which lives 2 hours since November 2026."""
REFRESH_SHARE = 0.75
"""Share of a short life after which a token is renewed."""


class TikTokConnector:
    """Signs in with Login Kit; each sign-in connects exactly one account."""

    logins: tuple[str, ...] = ("tiktok",)

    def __init__(self, client: TikTokClient) -> None:
        self.client = client
        self.config = client.config

    def authorize(self, *, state: str, redirect_uri: str, login: str) -> AuthorizeRequest:
        verifier = secrets.token_hex(32)
        query = urlencode(
            {
                "client_key": self.config.client_key,
                "response_type": "code",
                "scope": ",".join(SCOPES),
                "redirect_uri": redirect_uri,
                "state": state,
                "disable_auto_auth": "1",  # else the last account is silently connected again
                "code_challenge": hashlib.sha256(verifier.encode()).hexdigest(),
                "code_challenge_method": "S256",
            }
        )
        return AuthorizeRequest(f"{self.config.auth_url.rstrip('/')}/v2/auth/authorize/?{query}", verifier)

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str | None, login: str, now: datetime
    ) -> list[ConnectedProfile]:
        """Trade the code for tokens and read whose they are."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if code_verifier:
            form["code_verifier"] = code_verifier
        try:
            data = await self._token("tiktok.code_exchange", form)
            grant = _grant(data, now, old=None)
            missing = [scope for scope in NEEDED if scope not in grant.scopes]
            if missing:
                raise ReconnectAccount(
                    f"The permission “{missing[0]}” was not given, and PostPilot cannot post without it. Connect the "
                    "account again and leave all permissions on.",
                    code="permission_missing",
                )
            fields = "open_id,union_id,avatar_url,display_name"
            if "user.info.profile" in grant.scopes:
                fields += ",username"
            answer = await self.client.get(
                Auth("", "", grant.access_token), "tiktok.user_info", f"/v2/user/info/?fields={fields}"
            )
        except RetryLater:
            raise
        except ReconnectAccount as refusal:
            if refusal.code == "permission_missing":
                raise
            raise _sign_in_failed(refusal) from refusal
        except PlatformError as refusal:
            raise _sign_in_failed(refusal) from refusal
        user = answer.get("user")
        profile: JSON = user if isinstance(user, dict) else {}
        open_id = str(data.get("open_id") or profile.get("open_id") or "")
        if not open_id:
            raise RetryLater("TikTok gave an incomplete answer. Try again.", code="platform_busy")
        name = profile.get("username") or profile.get("display_name") or open_id
        return [
            ConnectedProfile(
                account_id_external=open_id,
                account_name=str(name),
                avatar_url=profile.get("avatar_url"),
                grant=grant,
                owner_ids=(open_id,),
            )
        ]

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Renew. The refresh token just used is dead afterwards: the new one must be stored before anything else."""
        if not grant.refresh_token:
            raise ReconnectAccount("The connection to TikTok has expired. Connect the account again.")
        data = await self._token(
            "tiktok.refresh_token", {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
        )
        return _grant(data, now, old=grant)

    async def check(self, auth: Auth) -> bool:
        try:
            await self.client.get(auth, "tiktok.user_info", "/v2/user/info/?fields=open_id")
        except (RefreshToken, ReconnectAccount):
            return False
        return True

    async def revoke(self, grant: Grant) -> None:
        try:
            await self._send("tiktok.revoke", "/v2/oauth/revoke/", {"token": grant.access_token})
        except PlatformError:
            return

    async def subscribe(self, auth: Auth) -> None:
        """TikTok reports every account's events by itself, to the address registered with the app."""

    async def _token(self, operation: str, form: dict[str, str]) -> JSON:
        answer = await self._send(operation, "/v2/oauth/token/", form)
        data = answer.data
        if not isinstance(data, dict) or not data.get("access_token"):  # its presence decides, never the status
            answer.fault = Fault(code="server_error", parsed=False)
            raise error(answer, Purpose.stage, OAUTH)
        return data

    async def _send(self, operation: str, path: str, form: dict[str, str]) -> Answer:
        answer = await self.client.http.call(
            operation,
            "POST",
            self.client.base_url + path,
            purpose=Purpose.stage,
            headers={"cache-control": "no-cache"},
            fault_of=oauth_fault_of,
            form={"client_key": self.config.client_key, "client_secret": self.config.client_secret, **form},
        )
        if answer.fault is not None:
            raise error(answer, Purpose.stage, OAUTH)
        return answer


def _grant(data: JSON, now: datetime, *, old: Grant | None) -> Grant:
    """Read tokens and lifetimes; only what the answer says counts, and an empty refresh token replaces nothing."""
    life = _seconds(data.get("expires_in"))
    refresh_life = _seconds(data.get("refresh_expires_in"))
    scope = str(data.get("scope") or "")
    scopes = tuple(part.strip() for part in scope.split(",") if part.strip())
    due = max(life - REFRESH_MARGIN, life * REFRESH_SHARE) if life else None
    return Grant(
        access_token=str(data["access_token"]),
        expires_at=now + life if life else None,
        refresh_token=data.get("refresh_token") or (old.refresh_token if old else None),
        refresh_expires_at=now + refresh_life if refresh_life else (old.refresh_expires_at if old else None),
        refresh_due_at=now + due if due else None,
        scopes=scopes or (old.scopes if old else ()),
        extra=dict(old.extra) if old else {},
    )


def _seconds(value: Any) -> timedelta | None:
    try:
        return timedelta(seconds=int(value)) if int(value) > 0 else None
    except (TypeError, ValueError):
        return None


def _sign_in_failed(refusal: PlatformError) -> ReconnectAccount:
    return ReconnectAccount(
        f"{TITLE} did not complete the sign-in. Start it again from the Accounts page.",
        code="sign_in_failed",
        platform_code=refusal.platform_code,
        trace_id=refusal.trace_id,
    )
