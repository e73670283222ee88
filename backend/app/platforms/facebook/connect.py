"""Connecting Facebook Pages: consent, tokens, and which Pages a person may post to.

Source: Facebook Login › Long-Lived Tokens, Pages API › Posts, Graph reference User › accounts, v25.0, read 2026-11-23.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

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
from app.platforms.meta_login import FacebookLogin, UserToken

SCOPES = (
    "pages_show_list",
    "pages_read_engagement",
    "pages_manage_posts",
    "pages_manage_engagement",
    "pages_read_user_content",
    "read_insights",
    "pages_manage_metadata",
    "business_management",
)
"""Asked for at once: a grant is frozen when given. Without `business_management` a portfolio's Pages are hidden."""
NEEDED = ("pages_show_list", "pages_manage_posts", "pages_read_engagement")

PUBLISH_TASKS = frozenset({"CREATE_CONTENT", "MANAGE", "PROFILE_PLUS_CREATE_CONTENT", "PROFILE_PLUS_FULL_CONTROL"})
"""Either spelling of the task that lets a person publish for a Page (classic and New Page Experience)."""

_PAGE_FIELDS = "id,name,username,access_token,tasks,picture{url}"


class FacebookConnector:
    """Signs in with Facebook Login; one sign-in opens every Page that was ticked, and its owner picks among them."""

    logins: tuple[str, ...] = ("facebook",)

    def __init__(self, client: FacebookClient) -> None:
        self.client = client
        self.config = client.config
        self.login = FacebookLogin(
            graph=client.graph,
            app_id=self.config.app_id,
            app_secret=self.config.app_secret,
            oauth_url=self.config.oauth_url,
            version=self.config.graph_version,
        )

    def authorize(self, *, state: str, redirect_uri: str, login: str) -> AuthorizeRequest:
        url = self.login.consent_url(
            state=state, redirect_uri=redirect_uri, scopes=SCOPES, config_id=self.config.login_config_id
        )
        return AuthorizeRequest(url)

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str | None, login: str, now: datetime
    ) -> list[ConnectedProfile]:
        """Trade the code for a long-lived token first, then list the Pages: only so do their tokens not expire."""
        try:
            user = await self.login.sign_in(code=code, redirect_uri=redirect_uri, now=now)
            auth = Auth("", "", user.token)
            granted = await self.login.granted(auth, NEEDED)
            extra = {"user_id": await self.login.user_id(auth), **_user(user)}
            pages = await self.login.pages(auth, _PAGE_FIELDS)
        except (RetryLater, ReconnectAccount):
            raise
        except PlatformError as error:
            raise ReconnectAccount(
                "Facebook did not complete the sign-in. Start it again from the Accounts page.",
                code="sign_in_failed",
                platform_code=error.platform_code,
                trace_id=error.trace_id,
            ) from error
        return [_profile(page, granted, extra) for page in pages]

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Return the grant with its person's token renewed where Facebook allows; Page tokens do not expire."""
        token = grant.extra.get("user_token")
        if not token:
            return grant
        return replace(grant, extra={**grant.extra, **_user(await self.login.long_lived(str(token), now))})

    async def check(self, auth: Auth) -> bool:
        """Whether the token works. Raises for everything that says nothing about it."""
        described = await self.login.describe(auth.access_token)
        if "is_valid" not in described:
            raise RetryLater(
                "Facebook gave an incomplete answer. PostPilot tries again by itself.", code="platform_busy"
            )
        return described["is_valid"] is True

    async def subscribe(self, auth: Auth) -> None:
        """Ask for the Page's feed events. Without the permission, or without a webhook, looking does all the same."""
        try:
            await self.client.subscribe(auth)
        except PlatformError:
            return

    async def revoke(self, grant: Grant) -> None:
        """Drop all permissions of the person who connected: this ends every Page of theirs in this app."""
        token = str(grant.extra.get("user_token") or "")
        if token:
            await self.login.revoke(token)


def _user(user: UserToken) -> JSON:
    return {
        "user_token": user.token,
        "user_token_expires_at": user.expires_at.isoformat() if user.expires_at else None,
    }


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
        owner_ids=tuple(owner for owner in (str(extra["user_id"]),) if owner),
        usable=may_post and bool(token),
        problem=None
        if may_post and token
        else "Your role on this Page does not allow posting. Ask an administrator of the Page for the task “Content”.",
    )
