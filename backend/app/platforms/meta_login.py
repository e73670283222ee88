"""Signing in with Facebook: consent, tokens, granted permissions and the lists of Pages.

Source: Facebook Login › Long-Lived Tokens and › Authentication vs Data Access, Graph reference User › accounts, v25.0,
read 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from app.platforms.base import JSON, Auth, PlatformError, ReconnectAccount, RetryLater
from app.platforms.http import Purpose
from app.platforms.meta import GraphClient, graph_time, needed, next_page, rows_of

TITLE = "Facebook"
PUBLISH_TASKS = frozenset({"CREATE_CONTENT", "MANAGE", "PROFILE_PLUS_CREATE_CONTENT", "PROFILE_PLUS_FULL_CONTROL"})
"""Either spelling of the task that lets a person publish for a Page (classic and New Page Experience)."""
PAGES_MAX = 50
"""Result pages followed at most; ours, against an endless list."""


@dataclass(frozen=True)
class UserToken:
    """The long-lived token of the person who signed in. Never logged."""

    token: str = field(repr=False)
    expires_at: datetime | None


def may_publish(page: JSON) -> bool:
    """Whether the person's role on a Page lets them publish; where no tasks are told, having its token is enough."""
    tasks = page.get("tasks")
    return bool(page.get("access_token")) and (not isinstance(tasks, list) or bool(PUBLISH_TASKS & set(tasks)))


@dataclass(frozen=True)
class FacebookLogin:
    """One app's sign-in. Every call carries the app's proof, which `graph` adds."""

    graph: GraphClient
    app_id: str
    app_secret: str = field(repr=False)
    oauth_url: str
    version: str

    def consent_url(self, *, state: str, redirect_uri: str, scopes: Sequence[str], config_id: str | None = None) -> str:
        """Return the dialog's address; a configuration of Facebook Login for Business replaces the scopes."""
        query = {"client_id": self.app_id, "redirect_uri": redirect_uri, "state": state, "response_type": "code"}
        query |= {"config_id": config_id} if config_id else {"scope": ",".join(scopes)}
        return f"{self.oauth_url.rstrip('/')}/{self.version}/dialog/oauth?{urlencode(query)}"

    async def sign_in(self, *, code: str, redirect_uri: str, now: datetime) -> UserToken:
        """Trade a callback's code for the person's long-lived token: only with that are Page tokens without end."""
        short = await self._token(
            "facebook.code_exchange",
            {
                "client_id": self.app_id,
                "redirect_uri": redirect_uri,
                "client_secret": self.app_secret,
                "code": code.partition("#")[0],
            },
        )
        return await self.long_lived(needed(short, "access_token", TITLE, Purpose.stage), now)

    async def long_lived(self, token: str, now: datetime) -> UserToken:
        """Return a token of about 60 days for a shorter one, or for a long-lived one that still works."""
        data = await self._token(
            "facebook.token_exchange",
            {
                "grant_type": "fb_exchange_token",
                "client_id": self.app_id,
                "client_secret": self.app_secret,
                "fb_exchange_token": token,
            },
        )
        seconds = data.get("expires_in")
        expires_at = now + timedelta(seconds=int(seconds)) if seconds else None
        return UserToken(needed(data, "access_token", TITLE, Purpose.stage), expires_at)

    async def granted(self, auth: Auth, needs: Sequence[str]) -> tuple[str, ...]:
        """Read what was really granted: single permissions can be unticked. Raises `ReconnectAccount` naming one."""
        data = await self.graph.get(auth, "facebook.permissions", "/me/permissions")
        granted = tuple(str(row.get("permission")) for row in rows_of(data) if row.get("status") == "granted")
        missing = [scope for scope in needs if scope not in granted]
        if missing:
            raise ReconnectAccount(
                f"The permission “{missing[0]}” was not given, and PostPilot cannot post without it. Connect again and "
                "leave all permissions ticked.",
                code="permission_missing",
            )
        return granted

    async def user_id(self, auth: Auth) -> str:
        """Return who signed in."""
        return str((await self.graph.get(auth, "facebook.me", "/me", "fields=id,name")).get("id") or "")

    async def pages(self, auth: Auth, fields: str) -> list[JSON]:
        """Return every Page the person may act for, once, those of business portfolios included."""
        found: dict[str, JSON] = {}
        async for page in self._pages(auth, fields):
            if page.get("id"):
                found.setdefault(str(page["id"]), page)  # only the person's own list says what they may do
        return list(found.values())

    async def describe(self, token: str) -> JSON:
        """Ask about a token with the app's own; a dead one is described in an answer of status 200."""
        query = urlencode({"input_token": token, "access_token": f"{self.app_id}|{self.app_secret}"})
        data = await self.graph.get(Auth("", "", ""), "facebook.debug_token", "/debug_token", query)
        described = data.get("data")
        return described if isinstance(described, dict) else {}

    async def data_access_ends_at(self, token: str) -> datetime | None:
        """Return when this token stops reading what is not exempt, unless the person signs in again.

        `None` when it does not end, or when that cannot be read now.
        """
        try:
            ends = (await self.describe(token)).get("data_access_expires_at")
        except PlatformError:
            return None
        return graph_time(ends) if isinstance(ends, int) and ends > 0 else None

    async def revoke(self, token: str) -> None:
        """Drop all permissions of the person, best effort: this ends everything of theirs in this app."""
        try:
            await self.graph.delete(Auth("", "", token), "facebook.revoke", "/me/permissions")
        except PlatformError:
            return

    async def _token(self, operation: str, query: dict[str, str]) -> JSON:
        return await self.graph.get(Auth("", "", ""), operation, "/oauth/access_token", urlencode(query))

    async def _pages(self, auth: Auth, fields: str) -> AsyncIterator[JSON]:
        async for page in self._listed(auth, "/me/accounts", fields):
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
                    async for page in self._listed(auth, f"/{quote(str(business.get('id')))}/{edge}", fields):
                        yield page
                except PlatformError:  # a portfolio that may not be read is no reason to refuse the other Pages
                    continue

    async def _listed(self, auth: Auth, path: str, fields: str) -> AsyncIterator[JSON]:
        query = f"fields={quote(fields, safe=',')}&limit=100"
        after: str | None = None
        for _ in range(PAGES_MAX):
            data = await self.graph.get(auth, "facebook.list", path, f"{query}&{after}" if after else query)
            for row in rows_of(data):
                yield row
            after = next_page(data)
            if after is None:
                return
