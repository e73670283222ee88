"""Connecting Facebook Pages: consent, tokens, and which Pages a person may post to.

Source: Facebook Login › Long-Lived Tokens, Pages API › Posts, Graph reference User › accounts, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

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
from app.platforms.facebook.client import FacebookClient
from app.platforms.facebook.errors import TITLE
from app.platforms.http import Purpose
from app.platforms.meta import needed, next_page, rows_of, secret_proof

SCOPES = (
    "pages_show_list",
    "pages_read_engagement",
    "pages_manage_posts",
    "pages_manage_engagement",
    "pages_read_user_content",
    "read_insights",
    "business_management",
)
"""Asked for at once: a grant is frozen when given. Without `business_management` a portfolio's Pages are hidden."""
NEEDED = ("pages_show_list", "pages_manage_posts", "pages_read_engagement")

PUBLISH_TASKS = frozenset({"CREATE_CONTENT", "MANAGE", "PROFILE_PLUS_CREATE_CONTENT", "PROFILE_PLUS_FULL_CONTROL"})
"""Either spelling of the task that lets a person publish for a Page (classic and New Page Experience)."""

PAGES_MAX = 50
"""Result pages followed at most; ours, against an endless list."""

_PAGE_FIELDS = "id,name,username,access_token,tasks,picture{url}"


class FacebookConnector:
    """Signs in with Facebook Login; one sign-in connects every Page that was ticked."""

    def __init__(self, client: FacebookClient) -> None:
        self.client = client
        self.config = client.config

    def authorize(self, *, state: str, redirect_uri: str) -> AuthorizeRequest:
        query = {
            "client_id": self.config.app_id,
            "redirect_uri": redirect_uri,
            "state": state,
            "response_type": "code",
        }
        if self.config.login_config_id:
            query["config_id"] = self.config.login_config_id
        else:
            query["scope"] = ",".join(SCOPES)
        base = f"{self.config.oauth_url.rstrip('/')}/{self.config.graph_version}"
        return AuthorizeRequest(f"{base}/dialog/oauth?{urlencode(query)}")

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str | None, now: datetime
    ) -> list[ConnectedProfile]:
        """Trade the code for a long-lived token first, then list the Pages: only so do their tokens not expire."""
        try:
            short = await self._token(
                "facebook.code_exchange",
                {
                    "client_id": self.config.app_id,
                    "redirect_uri": redirect_uri,
                    "client_secret": self.config.app_secret,
                    "code": code.partition("#")[0],
                },
            )
            user_token, expires_at = await self._long_lived(needed(short, "access_token", TITLE, Purpose.stage), now)
            auth = Auth("", "", user_token)
            granted = await self._granted(auth)
            me = await self.client.graph.get(auth, "facebook.me", "/me", "fields=id,name")
            pages = {str(page["id"]): page async for page in self._pages(auth) if page.get("id")}
        except (RetryLater, ReconnectAccount):
            raise
        except PlatformError as error:
            raise ReconnectAccount(
                "Facebook did not complete the sign-in. Start it again from the Accounts page.",
                code="sign_in_failed",
                platform_code=error.platform_code,
                trace_id=error.trace_id,
            ) from error
        extra = {
            "user_id": str(me.get("id") or ""),
            "user_token": user_token,
            "user_token_expires_at": expires_at.isoformat() if expires_at else None,
        }
        return [_profile(page, granted, extra) for page in pages.values()]

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Return the grant with its person's token renewed where Facebook allows; Page tokens do not expire."""
        token = grant.extra.get("user_token")
        if not token:
            return grant
        user_token, expires_at = await self._long_lived(str(token), now)
        fresh = {"user_token": user_token, "user_token_expires_at": expires_at.isoformat() if expires_at else None}
        return replace(grant, extra={**grant.extra, **fresh})

    async def check(self, auth: Auth) -> bool:
        """Ask about the token with the app's own; a dead one is described in an answer of status 200."""
        query = urlencode(
            {
                "input_token": auth.access_token,
                "access_token": f"{self.config.app_id}|{self.config.app_secret}",
            }
        )
        nobody = replace(auth, access_token="")
        data = await self.client.graph.get(nobody, "facebook.debug_token", "/debug_token", query)
        described = data.get("data")
        return isinstance(described, dict) and described.get("is_valid") is True

    async def revoke(self, grant: Grant) -> None:
        """Drop all permissions of the person who connected: this ends every Page of theirs in this app."""
        token = str(grant.extra.get("user_token") or "")
        if not token:
            return
        proof = secret_proof(self.config.app_secret, token)
        url = f"{self.client.graph.base_url}/me/permissions?appsecret_proof={proof}"
        headers = {"authorization": f"Bearer {token}"}
        try:
            await self.client.graph.send(Auth("", "", token), "facebook.revoke", "DELETE", url, Purpose.stage, headers)
        except PlatformError:
            return

    async def _token(self, operation: str, query: dict[str, str]) -> JSON:
        return await self.client.graph.get(Auth("", "", ""), operation, "/oauth/access_token", urlencode(query))

    async def _long_lived(self, token: str, now: datetime) -> tuple[str, datetime | None]:
        data = await self._token(
            "facebook.token_exchange",
            {
                "grant_type": "fb_exchange_token",
                "client_id": self.config.app_id,
                "client_secret": self.config.app_secret,
                "fb_exchange_token": token,
            },
        )
        seconds = data.get("expires_in")
        expires_at = now + timedelta(seconds=int(seconds)) if seconds else None
        return needed(data, "access_token", TITLE, Purpose.stage), expires_at

    async def _granted(self, auth: Auth) -> tuple[str, ...]:
        """Read what was really granted: single permissions can be unticked."""
        data = await self.client.graph.get(auth, "facebook.permissions", "/me/permissions")
        granted = tuple(str(row.get("permission")) for row in rows_of(data) if row.get("status") == "granted")
        missing = [scope for scope in NEEDED if scope not in granted]
        if missing:
            raise ReconnectAccount(
                f"The permission “{missing[0]}” was not given, and PostPilot cannot post without it. Connect again and "
                "leave all permissions ticked.",
                code="permission_missing",
            )
        return granted

    async def _pages(self, auth: Auth) -> AsyncIterator[JSON]:
        async for page in self._listed(auth, "/me/accounts", _PAGE_FIELDS):
            yield page
        try:
            businesses = [row async for row in self._listed(auth, "/me/businesses", "id")]
        except RetryLater:
            raise
        except PlatformError:
            return
        for business in businesses:
            for edge in ("owned_pages", "client_pages"):
                try:
                    async for page in self._listed(auth, f"/{quote(str(business.get('id')))}/{edge}", _PAGE_FIELDS):
                        if page.get("access_token"):
                            yield page
                except PlatformError:  # a portfolio that may not be read is no reason to refuse the other Pages
                    continue

    async def _listed(self, auth: Auth, path: str, fields: str) -> AsyncIterator[JSON]:
        query = f"fields={quote(fields, safe=',')}&limit=100"
        after: str | None = None
        for _ in range(PAGES_MAX):
            data = await self.client.graph.get(auth, "facebook.list", path, f"{query}&{after}" if after else query)
            for row in rows_of(data):
                yield row
            after = next_page(data)
            if after is None:
                return


def _profile(page: JSON, granted: tuple[str, ...], extra: JSON) -> ConnectedProfile:
    tasks = page.get("tasks")
    may_post = not isinstance(tasks, list) or bool(PUBLISH_TASKS & set(tasks))
    token = str(page.get("access_token") or "")
    picture = page.get("picture")
    data = picture.get("data") if isinstance(picture, dict) else None
    return ConnectedProfile(
        account_id_external=str(page["id"]),
        account_name=str(page.get("name") or page["id"]),
        avatar_url=data.get("url") if isinstance(data, dict) else None,
        grant=Grant(access_token=token, expires_at=None, scopes=granted, extra=extra),
        usable=may_post and bool(token),
        problem=None
        if may_post and token
        else "Your role on this Page does not allow posting. Ask an administrator of the Page for the task “Content”.",
    )
