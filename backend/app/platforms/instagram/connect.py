"""Connecting an Instagram account: consent, tokens, renewal.

Source: Instagram Platform › Business Login for Instagram and › Refresh Access Token, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
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
from app.platforms.http import Purpose
from app.platforms.instagram.client import (
    FACEBOOK_LOGIN,
    INSTAGRAM_LOGIN,
    InstagramClient,
    is_facebook_login,
)
from app.platforms.instagram.errors import TITLE
from app.platforms.meta import needed, rows_of
from app.platforms.meta_login import FacebookLogin, may_publish

SCOPES = (
    "instagram_business_basic",
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_insights",
)
"""All are asked for at once: a grant is frozen when it is given. Names in force since 2025-01-27."""
NEEDED = SCOPES[:2]
DELETE_SCOPE = "instagram_manage_contents"
FACEBOOK_SCOPES = (
    "instagram_basic",
    "instagram_content_publish",
    "pages_read_engagement",
    "pages_show_list",
    "instagram_manage_comments",
    "instagram_manage_insights",
    DELETE_SCOPE,
    "business_management",
)
"""What Facebook Login is asked for. Without `business_management` a portfolio's Pages are hidden; deleting needs
`instagram_manage_contents` (Changelog, 2025-12-03)."""
FACEBOOK_NEEDED = FACEBOOK_SCOPES[:4]

REFRESH_AFTER = timedelta(days=7)
"""Ours: a token lives 60 days and cannot be revived once it has expired."""
REFRESH_NOT_BEFORE = timedelta(hours=24)
"""A younger token must not be refreshed (Refresh Access Token)."""
LIFE = timedelta(days=60)

_PROFILE_FIELDS = "id,user_id,username,name,account_type,profile_picture_url"
_PAGE_FIELDS = "id,name,access_token,tasks,instagram_business_account{id,username,name,profile_picture_url}"
EVENTS = "comments"
"""What is asked to be reported to the webhook: publishing itself is never reported."""


class InstagramConnector:
    """Signs in with Instagram Login, which connects one professional account at a time, or with Facebook Login, which
    connects every account that is linked to a Page of the person."""

    def __init__(self, client: InstagramClient) -> None:
        self.client = client
        self.config = client.config
        has_facebook = bool(self.config.facebook_app_id)
        self.logins: tuple[str, ...] = (INSTAGRAM_LOGIN, FACEBOOK_LOGIN) if has_facebook else (INSTAGRAM_LOGIN,)
        self.facebook = FacebookLogin(
            graph=client.facebook_graph,
            app_id=self.config.facebook_app_id,
            app_secret=self.config.facebook_app_secret,
            oauth_url=self.config.facebook_oauth_url,
            version=self.config.graph_version,
        )

    def authorize(self, *, state: str, redirect_uri: str, login: str) -> AuthorizeRequest:
        if login == FACEBOOK_LOGIN:
            url = self.facebook.consent_url(state=state, redirect_uri=redirect_uri, scopes=FACEBOOK_SCOPES)
            return AuthorizeRequest(url)
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
        self, *, code: str, redirect_uri: str, code_verifier: str | None, login: str, now: datetime
    ) -> list[ConnectedProfile]:
        """Trade the code for long-lived tokens, and read whose they are."""
        try:
            if login == FACEBOOK_LOGIN:
                return await self._exchange_facebook(code, redirect_uri, now)
            return [await self._exchange_instagram(code, redirect_uri, now)]
        except (RetryLater, ReconnectAccount):
            raise
        except PlatformError as error:
            raise _sign_in_failed(error) from error

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Renew for another 60 days; a token younger than a day is returned as it is."""
        if grant.extra.get("login") == FACEBOOK_LOGIN:
            return await self._refresh_facebook(grant, now)
        issued = grant.extra.get("issued_at")
        if issued and now - datetime.fromisoformat(issued) < REFRESH_NOT_BEFORE:
            return grant
        query = urlencode({"grant_type": "ig_refresh_token", "access_token": grant.access_token})
        data = await self._bare("instagram.refresh_token", f"/refresh_access_token?{query}")
        fresh = _grant(data, now)
        return replace(fresh, scopes=grant.scopes, extra={**grant.extra, **fresh.extra})

    async def check(self, auth: Auth) -> bool:
        """Whether the token works. Raises for everything that says nothing about it."""
        if is_facebook_login(auth):
            described = await self._describe(auth.access_token)
            if "is_valid" not in described:
                raise RetryLater("Facebook gave an incomplete answer.", code="platform_busy")
            return described["is_valid"] is True
        try:
            await self.client.graph.get(auth, "instagram.me", "/me", "fields=user_id")
        except ReconnectAccount:
            return False
        return True

    async def revoke(self, grant: Grant) -> None:
        """Ask to drop the permissions. No such call is documented for Instagram Login; clients use this one.

        With Facebook Login it ends everything that the person connected through this app.
        """
        if grant.extra.get("login") == FACEBOOK_LOGIN:
            token = str(grant.extra.get("user_token") or "")
            if token:
                await self.facebook.revoke(token)
            return
        try:
            await self.client.graph.delete(Auth("", "", grant.access_token), "instagram.revoke", "/me/permissions")
        except PlatformError:
            return

    async def subscribe(self, auth: Auth) -> None:
        """Ask for comments to be reported. With Facebook Login clients name the account, the docs its Page."""
        subjects = [auth.account_id_external]
        if is_facebook_login(auth) and auth.extra.get("page_id"):
            subjects.append(str(auth.extra["page_id"]))
        for subject in subjects:
            try:
                await self.client.graph_for(auth).post(
                    auth,
                    "instagram.subscribe",
                    f"/{quote(subject)}/subscribed_apps",
                    {},
                    query=f"subscribed_fields={EVENTS}",
                )
            except PlatformError:
                continue
            return

    # -- Instagram Login

    async def _exchange_instagram(self, code: str, redirect_uri: str, now: datetime) -> ConnectedProfile:
        """Trade the code for a token of an hour, that for one of 60 days, and read whose it is."""
        short = await self._short_token(code.partition("#")[0], redirect_uri)
        scopes = _scopes(short.get("permissions"))
        _check_scopes(scopes)
        grant = await self._long_token(needed(short, "access_token", TITLE, Purpose.stage), now)
        auth = Auth("", "", grant.access_token)
        profile = _flat(await self.client.graph.get(auth, "instagram.me", "/me", f"fields={_PROFILE_FIELDS}"))
        user_id = needed(profile, "user_id", TITLE, Purpose.stage)
        scoped_id = str(profile.get("id") or "")
        is_personal = str(profile.get("account_type") or "").upper() == "PERSONAL"
        return ConnectedProfile(
            account_id_external=user_id,
            account_name=str(profile.get("username") or profile.get("name") or user_id),
            avatar_url=profile.get("profile_picture_url"),
            grant=replace(
                grant, scopes=scopes, extra={**grant.extra, "login": INSTAGRAM_LOGIN, "app_scoped_id": scoped_id}
            ),
            usable=not is_personal,
            problem="This is a personal account. Switch it to a professional account in the Instagram app, then "
            "connect it again."
            if is_personal
            else None,
            owner_ids=_ids(user_id, scoped_id),
        )

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

    # -- Facebook Login

    async def _exchange_facebook(self, code: str, redirect_uri: str, now: datetime) -> list[ConnectedProfile]:
        """Trade the code for the person's long-lived token, then list their Pages with the accounts linked to them."""
        user = await self.facebook.sign_in(code=code, redirect_uri=redirect_uri, now=now)
        auth = Auth("", "", user.token)
        granted = await self.facebook.granted(auth, FACEBOOK_NEEDED)
        user_id = await self.facebook.user_id(auth)
        grant = Grant(
            access_token="",  # each Page's own comes with the list
            expires_at=None,  # Page tokens do not expire
            refresh_due_at=now + REFRESH_AFTER,
            ends_at=await self.facebook.data_access_ends_at(user.token),
            scopes=granted,
            extra={
                "login": FACEBOOK_LOGIN,
                "user_id": user_id,
                "may_delete": DELETE_SCOPE in granted,
                "user_token": user.token,
                "user_token_expires_at": user.expires_at.isoformat() if user.expires_at else None,
            },
        )
        pages = await self.facebook.pages(auth, _PAGE_FIELDS)
        return [_linked(page, grant, user_id) for page in pages]

    async def _describe(self, token: str) -> JSON:
        """Ask about a token with the app's own; a refusal of that one says nothing about the account's."""
        try:
            return await self.facebook.describe(token)
        except ReconnectAccount as error:
            sentence = "Facebook did not tell whether this connection works."
            raise RetryLater(sentence, code="platform_busy") from error

    async def _refresh_facebook(self, grant: Grant, now: datetime) -> Grant:
        """Renew the person's token where Facebook allows; the Page's does not expire, and lives on without it."""
        extra = dict(grant.extra)
        try:
            user = await self.facebook.long_lived(str(extra.get("user_token") or ""), now)
        except ReconnectAccount:
            if (await self._describe(grant.access_token)).get("is_valid") is False:
                raise
        else:
            extra["user_token"] = user.token
            extra["user_token_expires_at"] = user.expires_at.isoformat() if user.expires_at else None
        ends_at = await self.facebook.data_access_ends_at(grant.access_token)
        return replace(grant, refresh_due_at=now + REFRESH_AFTER, ends_at=ends_at or grant.ends_at, extra=extra)


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
    missing = [scope for scope in NEEDED if scope not in granted]
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


def _linked(page: JSON, grant: Grant, user_id: str) -> ConnectedProfile:
    """Return the professional account linked to a Page, or the Page itself with the reason why there is none."""
    page_id, page_name = str(page["id"]), str(page.get("name") or page["id"])
    token = str(page.get("access_token") or "")
    grant = replace(grant, access_token=token, extra={**grant.extra, "page_id": page_id})
    linked = page.get("instagram_business_account")
    if not isinstance(linked, dict) or not linked.get("id"):
        return ConnectedProfile(
            account_id_external=f"page-{page_id}",
            account_name=page_name,
            avatar_url=None,
            grant=grant,
            usable=False,
            problem=f"No professional Instagram account is linked to the Page “{page_name}”. Link one in the Page's "
            "settings on Facebook, then connect again.",
        )
    role = f"Your role on the Page “{page_name}” does not allow posting. Ask its administrator for the task “Content”."
    return ConnectedProfile(
        account_id_external=str(linked["id"]),
        account_name=str(linked.get("username") or linked.get("name") or linked["id"]),
        avatar_url=linked.get("profile_picture_url"),
        grant=grant,
        usable=may_publish(page),
        problem=None if may_publish(page) else role,
        owner_ids=_ids(str(linked["id"]), user_id),
    )


def _ids(*ids: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in ids if one))
