"""Connected accounts: what they are, whether they still work, what they may do, and letting them go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import AccountNotConnected, AccountNotFound, PlatformUnavailable
from app.domain.forecast import access_forecast
from app.domain.vocabulary import HOLD_DISCONNECTED, AccountStatus, Platform
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.models import SocialAccount
from app.platforms.base import AccountFacts, Grant, PlatformAdapter, PlatformError, ReconnectAccount, RefreshToken
from app.repositories.account_repository import AccountRepository
from app.repositories.credential_repository import CredentialRepository
from app.repositories.hold_repository import HoldRepository
from app.services.token_service import TokenService

log = structlog.get_logger()

CHECK_EVERY = timedelta(days=1)
REVOKE_SECONDS = 10.0
"""How long an owner waits for the platform to take a grant back. It is erased here whatever the answer."""
CHECK_AGAIN = timedelta(hours=1)
"""When a check that could not be made is tried again: it says nothing about the account."""


@dataclass(frozen=True)
class AccountView:
    """An account, and what will happen to its scheduled posts."""

    account: SocialAccount
    posts_at_risk: int = 0
    """Scheduled posts after access ends."""
    forecast: str | None = None
    authorization_url: str | None = None


@dataclass(frozen=True)
class AccountCapabilities:
    """What the platform says that an account may do at this moment."""

    account: SocialAccount
    as_of: datetime
    facts: Mapping[str, Any]


class AccountService:
    """Works in steps of its own: platforms are called between transactions, never inside one."""

    def __init__(
        self, *, sessions: Sessions, adapters: Mapping[str, PlatformAdapter], tokens: TokenService, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def list_of(self, user_id: UUID, *, zone: ZoneInfo) -> list[AccountView]:
        """Return every account, oldest first, with its forecast."""
        async with unit_of_work(self._sessions) as uow:
            rows = AccountRepository(uow.session)
            accounts = await rows.list_of(user_id)
            at_risk = await rows.posts_at_risk(user_id)
        return [self._view(account, at_risk.get(account.id, 0), zone) for account in accounts]

    async def view(self, user_id: UUID, account_id: UUID, *, zone: ZoneInfo) -> AccountView:
        """Raises `AccountNotFound`, also for somebody else's."""
        async with unit_of_work(self._sessions) as uow:
            rows = AccountRepository(uow.session)
            account = await rows.find(user_id, account_id)
            at_risk = await rows.posts_at_risk(user_id)
        if account is None:
            raise AccountNotFound
        return self._view(account, at_risk.get(account.id, 0), zone)

    def _view(self, account: SocialAccount, posts: int, zone: ZoneInfo) -> AccountView:
        if account.access_ends_at is None or account.status != AccountStatus.connected:
            return AccountView(account)
        sentence = access_forecast(account.account_name, account.access_ends_at, posts, now=self._clock(), zone=zone)
        return AccountView(account, posts, sentence)

    async def get(self, user_id: UUID, account_id: UUID) -> SocialAccount:
        """Raises `AccountNotFound`, also for somebody else's."""
        async with unit_of_work(self._sessions) as uow:
            account = await AccountRepository(uow.session).find(user_id, account_id)
        if account is None:
            raise AccountNotFound
        return account

    async def capabilities(self, user_id: UUID, account_id: UUID) -> AccountCapabilities:
        """Ask the platform what the account may do now, for the composer.

        Raises `AccountNotFound`, `AccountNotConnected`, `PlatformUnavailable`.
        """
        account = await self.get(user_id, account_id)
        if account.status != AccountStatus.connected:
            raise AccountNotConnected(f"{account.account_name} is not connected. Reconnect it first.")
        try:
            facts = await self._facts(account)
        except ReconnectAccount as error:
            raise AccountNotConnected(error.sentence) from error
        except KeyRingError as error:
            raise AccountNotConnected from error
        except PlatformError as error:
            raise PlatformUnavailable(error.sentence) from error
        return AccountCapabilities(account, self._clock(), facts.facts)

    async def _facts(self, account: SocialAccount) -> AccountFacts:
        publisher = self._adapters[account.platform].publisher
        external = account.account_id_external or ""
        try:
            auth = await self._tokens.speak_for(account.id, external=external, name=account.account_name)
            return await publisher.facts(auth)
        except RefreshToken:  # dead before its time: one new token, one more try
            _, version = await self._tokens.current(account.id)
            await self._tokens.refresh(account.id, seen_version=version)
            auth = await self._tokens.speak_for(account.id, external=external, name=account.account_name)
            return await publisher.facts(auth)

    # Whether they still work

    async def check_due(self, *, limit: int = 50) -> int:
        """Ask the platforms about accounts that were not asked about for a day; return how many were asked about.

        Only a platform that names the grant as dead ends a connection: a failure on the way changes nothing.
        """
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            async with unit_of_work(self._sessions) as uow:
                due = await AccountRepository(uow.session).take_due_for_check(
                    every=CHECK_EVERY, again=CHECK_AGAIN, limit=limit
                )
            for account in due:
                try:
                    await self._check(account)
                except ReconnectAccount as error:
                    log.warning("account.check_lost", account_id=str(account.id), code=error.platform_code)
                except (PlatformError, KeyRingError, OSError, TimeoutError) as error:
                    log.info("account.not_checked", account_id=str(account.id), error=type(error).__name__)
        return len(due)

    async def _check(self, account: SocialAccount) -> None:
        connector = self._adapters[account.platform].connector
        external = account.account_id_external or ""
        auth = await self._tokens.speak_for(account.id, external=external, name=account.account_name)
        grant, version = await self._tokens.current(account.id)
        works = await connector.check(auth)
        if not works and grant.refresh_token is not None:
            await self._tokens.refresh(account.id, seen_version=version)  # names the grant as dead, if it is
            works = True
        async with unit_of_work(self._sessions) as uow:
            rows = AccountRepository(uow.session)
            if works:
                await rows.note_checked(account.id, owner_ids=_owner_ids(account, grant))
            else:
                reason = f"{account.platform.title()} no longer accepts this connection. Connect the account again."
                await rows.mark_expired(account.id, reason=reason, seen_version=version)

    # Letting go

    async def disconnect(self, user_id: UUID, account_id: UUID) -> SocialAccount:
        """Erase the tokens, put waiting posts on hold with the reason, and give the grant back at the platform."""
        account = await self.get(user_id, account_id)
        grant = None
        try:
            grant, _ = await self._tokens.current(account_id)
        except (ReconnectAccount, KeyRingError) as error:
            log.info("account.had_no_tokens", account_id=str(account_id), error=type(error).__name__)
        async with unit_of_work(self._sessions) as uow:
            await HoldRepository(uow.session).hold(
                account_id,
                code=HOLD_DISCONNECTED,
                sentence=f"{account.account_name} was disconnected. Connect it again, and this post goes on.",
            )
            await CredentialRepository(uow.session).erase(account_id)
            rows = AccountRepository(uow.session)
            await rows.set_status(account_id, AccountStatus.disconnected, reason="Disconnected by its owner.")
            fresh = await rows.find(user_id, account_id)
            assert fresh is not None
            await uow.session.refresh(fresh)
            fresh.token_expires_at = None
            fresh.access_ends_at = None
            # Revoking ends every connection that the same person made through the same app.
            owner_ids = _owner_ids(account, grant) if grant is not None else []
            is_last = bool(owner_ids) and not await rows.others_of_owner(account_id, owner_ids)
        if grant is not None and is_last:
            with suppress(TimeoutError):
                async with asyncio.timeout(REVOKE_SECONDS):
                    await self._adapters[account.platform].connector.revoke(grant)
        return fresh


def _owner_ids(account: SocialAccount, grant: Grant) -> list[str]:
    """Return the ids of an account's owner: those noted with it, or, of an older one, those in its grant."""
    if account.owner_ids_external:
        return list(account.owner_ids_external)
    known = (grant.extra.get("user_id"), grant.extra.get("app_scoped_id"))
    found = [str(value) for value in known if value]
    if account.platform != Platform.facebook and account.account_id_external:
        found.append(account.account_id_external)
    return list(dict.fromkeys(found))
