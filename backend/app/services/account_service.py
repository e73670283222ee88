"""Connecting profiles and Pages, and letting them go."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import AccountNotFound, ConnectRefused, InvalidState, PlatformUnavailable
from app.domain.vocabulary import ADVANCE, HOLD_DISCONNECTED, AccountMode, AccountStatus, Platform
from app.kit.clock import Clock
from app.models import SocialAccount
from app.platforms.base import ConnectedProfile, PlatformAdapter, PlatformError, ReconnectAccount, RetryLater
from app.repositories.account_repository import AccountRepository
from app.repositories.credential_repository import CredentialRepository
from app.repositories.hold_repository import HoldRepository
from app.services.token_service import TokenService

log = structlog.get_logger()

STATE_LIFE = timedelta(minutes=10)


class SandboxConsent(Protocol):
    """Does on the sandbox's consent page what a person would do."""

    async def approve(self, authorization_url: str, *, account_name: str, account_id_external: str | None) -> str:
        """Approve and return the address the browser would be sent to. Raises `RetryLater`."""
        ...


@dataclass(frozen=True)
class AccountView:
    """An account, and where to send its owner if it waits for consent."""

    account: SocialAccount
    authorization_url: str | None = None


class AccountService:
    """Works in steps of its own: platforms are called between transactions, never inside one."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        tokens: TokenService,
        consent: SandboxConsent,
        modes: Mapping[str, AccountMode],
        public_base: str,
        late_grace: timedelta,
        clock: Clock,
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._consent = consent
        self._modes = modes
        self._public_base = public_base
        self._late_grace = late_grace
        self._clock = clock
        self._send = send

    def redirect_uri(self, platform: str) -> str:
        """Return the callback address to register with the platform's app."""
        return f"{self._public_base}/api/v1/accounts/oauth/{platform}/callback"

    async def list_of(self, user_id: UUID) -> list[SocialAccount]:
        async with unit_of_work(self._sessions) as uow:
            return await AccountRepository(uow.session).list_of(user_id)

    async def get(self, user_id: UUID, account_id: UUID) -> SocialAccount:
        """Raises `AccountNotFound`, also for somebody else's."""
        async with unit_of_work(self._sessions) as uow:
            account = await AccountRepository(uow.session).find(user_id, account_id)
        if account is None:
            raise AccountNotFound
        return account

    async def connect(
        self, user_id: UUID, *, platform: Platform, account_name: str, account_id_external: str | None
    ) -> AccountView:
        """Connect at once on the sandbox; on a live platform return an account that waits for consent."""
        if self._modes[platform] is AccountMode.live:
            async with unit_of_work(self._sessions) as uow:
                account = await AccountRepository(uow.session).add_pending(
                    user_id, platform=platform, account_name=account_name, mode=AccountMode.live
                )
            return AccountView(account, await self.start(user_id, platform, account_id=account.id))
        url = await self.start(user_id, platform)
        try:
            answer = await self._consent.approve(
                url, account_name=account_name, account_id_external=account_id_external
            )
        except RetryLater as error:
            raise PlatformUnavailable(error.sentence) from error
        query = parse_qs(urlsplit(answer).query)
        accounts = await self.finish(
            platform, state=query.get("state", [""])[0], code=query.get("code", [None])[0], refusal=None
        )
        return AccountView(accounts[0])

    async def start(self, user_id: UUID, platform: Platform, *, account_id: UUID | None = None) -> str:
        """Begin a sign-in and return the address of the platform's consent page. The state works once."""
        state = secrets.token_urlsafe(32)
        request = self._adapters[platform].connector.authorize(state=state, redirect_uri=self.redirect_uri(platform))
        async with unit_of_work(self._sessions) as uow:
            await AccountRepository(uow.session).add_state(
                state_hash=_digest(state),
                user_id=user_id,
                account_id=account_id,
                platform=platform,
                code_verifier=request.code_verifier,
                expires_at=self._clock() + STATE_LIFE,
            )
        return request.url

    async def reconnect(self, user_id: UUID, account_id: UUID) -> str:
        """Return the consent address for an account that exists; its history is kept."""
        account = await self.get(user_id, account_id)
        return await self.start(user_id, Platform(account.platform), account_id=account.id)

    async def finish(
        self, platform: Platform, *, state: str, code: str | None, refusal: str | None
    ) -> list[SocialAccount]:
        """Exchange the code of a callback and store what it opens.

        Raises `InvalidState`, `ConnectRefused`, `PlatformUnavailable`; then nothing was stored.
        """
        async with unit_of_work(self._sessions) as uow:
            begun = await AccountRepository(uow.session).take_state(
                _digest(state), platform=platform, now=self._clock()
            )
        if begun is None:
            raise InvalidState
        if not code:
            raise ConnectRefused("The connection was cancelled at the platform." if refusal else None)
        try:
            profiles = await self._adapters[platform].connector.exchange(
                code=code,
                redirect_uri=self.redirect_uri(platform),
                code_verifier=begun.code_verifier,
                now=self._clock(),
            )
        except RetryLater as error:
            raise PlatformUnavailable(error.sentence) from error
        except PlatformError as error:
            raise ConnectRefused(error.sentence) from error
        usable = [profile for profile in profiles if profile.usable]
        if not usable:
            raise ConnectRefused(next((p.problem for p in profiles if p.problem), None))
        return await self._store(begun.user_id, platform, usable, wanted=begun.account_id)

    async def _store(
        self, user_id: UUID, platform: Platform, profiles: list[ConnectedProfile], *, wanted: UUID | None
    ) -> list[SocialAccount]:
        now = self._clock()
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = AccountRepository(uow.session)
            waiting = await rows.find(user_id, wanted) if wanted else None
            if waiting is not None and waiting.account_id_external is not None:
                profiles = [p for p in profiles if p.account_id_external == waiting.account_id_external]
                if not profiles:
                    raise ConnectRefused(
                        f"You signed in with another account. Sign in as {waiting.account_name} to reconnect it."
                    )
            await rows.lock_lanes(user_id, platform, [profile.account_id_external for profile in profiles])
            if waiting is not None and waiting.account_id_external is None:
                await rows.give_identity(waiting, profiles[0].account_id_external)
            accounts = []
            for profile in profiles:
                account = await rows.connect(
                    user_id,
                    platform=platform,
                    account_id_external=profile.account_id_external,
                    account_name=profile.account_name,
                    avatar_url=profile.avatar_url,
                    mode=self._modes[platform],
                    scopes=list(profile.grant.scopes),
                    now=now,
                )
                await self._tokens.store(uow.session, account.id, profile.grant)
                account.token_expires_at = profile.grant.expires_at
                await HoldRepository(uow.session).resume(account.id, user_id=user_id, not_before=now - self._late_grace)
                accounts.append(account)
            uow.after_commit(ADVANCE)
        return accounts

    async def disconnect(self, user_id: UUID, account_id: UUID) -> SocialAccount:
        """Erase the tokens, put waiting posts on hold with the reason, and give the grant back at the platform."""
        async with unit_of_work(self._sessions) as uow:
            account = await AccountRepository(uow.session).find(user_id, account_id)
        if account is None:
            raise AccountNotFound
        grant = None
        try:
            grant, _ = await self._tokens.current(account_id)
        except ReconnectAccount:
            log.info("account.had_no_tokens", account_id=str(account_id))
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
        if grant is not None:
            await self._adapters[account.platform].connector.revoke(grant)
        return fresh


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
