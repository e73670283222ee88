"""Connecting profiles and Pages: consent at the platform, what it opened, and which of it the owner wants."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import (
    AccountNotFound,
    ChoiceNotFound,
    ConnectRefused,
    FieldError,
    InvalidRequest,
    InvalidState,
    PlatformUnavailable,
)
from app.domain.vocabulary import ADVANCE, AccountMode, AccountStatus, Platform
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.models import ConnectionChoice, SocialAccount
from app.platforms.base import Auth, ConnectedProfile, PlatformAdapter, PlatformError, RetryLater
from app.repositories.account_repository import AccountRepository
from app.repositories.choice_repository import ChoiceRepository
from app.repositories.hold_repository import HoldRepository
from app.services.entitlements import Entitlements
from app.services.token_service import TokenService, grant_from_json, grant_to_json

STATE_LIFE = timedelta(minutes=10)
SUBSCRIBE_SECONDS = 5.0
CHOICE_LIFE = timedelta(minutes=30)


class SandboxConsent(Protocol):
    """Does on the sandbox's consent page what a person would do."""

    async def approve(self, authorization_url: str, *, account_name: str, account_id_external: str | None) -> str:
        """Approve and return the address the browser would be sent to. Raises `RetryLater`."""
        ...


@dataclass(frozen=True)
class OfferedProfile:
    """One profile that a sign-in opened, as its owner sees it when choosing."""

    account_id_external: str
    account_name: str
    avatar_url: str | None
    usable: bool
    problem: str | None
    is_connected: bool


@dataclass(frozen=True)
class Choice:
    """Profiles that wait for their owner to pick."""

    id: UUID
    platform: str
    login: str
    expires_at: datetime
    profiles: list[OfferedProfile]


@dataclass(frozen=True)
class Finished:
    """What came of a sign-in: connected accounts, or a choice to make."""

    accounts: list[SocialAccount]
    choice_id: UUID | None = None


@dataclass(frozen=True)
class _Opened:
    """What a sign-in opened, before anything of it is an account."""

    user_id: UUID
    platform: Platform
    login: str
    profiles: list[ConnectedProfile]
    wanted: UUID | None


class ConnectionService:
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

    async def connect(
        self,
        user_id: UUID,
        *,
        platform: Platform,
        account_name: str,
        account_id_external: str | None,
        login: str | None = None,
    ) -> tuple[SocialAccount, str | None]:
        """Connect at once on the sandbox; on a live platform return an account that waits, and where to consent."""
        login = self._login(platform, login)
        if self._modes[platform] is AccountMode.live:
            async with unit_of_work(self._sessions) as uow:
                account = await AccountRepository(uow.session).add_pending(
                    user_id, platform=platform, account_name=account_name, mode=AccountMode.live, login=login
                )
            return account, await self.start(user_id, platform, account_id=account.id, login=login)
        url = await self.start(user_id, platform, login=login)
        try:
            answer = await self._consent.approve(
                url, account_name=account_name, account_id_external=account_id_external
            )
        except RetryLater as error:
            raise PlatformUnavailable(error.sentence) from error
        query = parse_qs(urlsplit(answer).query)
        opened = await self._open(
            platform, state=query.get("state", [""])[0], code=query.get("code", [None])[0], refusal=None
        )
        usable = _usable(opened.profiles)
        meant = [p for p in usable if p.account_id_external == account_id_external or p.account_name == account_name]
        accounts = await self._store(opened, (meant or usable)[:1])
        return accounts[0], None

    async def start(
        self, user_id: UUID, platform: Platform, *, account_id: UUID | None = None, login: str | None = None
    ) -> str:
        """Begin a sign-in and return the address of the platform's consent page. The state works once."""
        login = self._login(platform, login)
        state = secrets.token_urlsafe(32)
        request = self._adapters[platform].connector.authorize(
            state=state, redirect_uri=self.redirect_uri(platform), login=login
        )
        async with unit_of_work(self._sessions) as uow:
            await AccountRepository(uow.session).add_state(
                state_hash=_digest(state),
                user_id=user_id,
                account_id=account_id,
                platform=platform,
                login=login,
                code_verifier=request.code_verifier,
                expires_at=self._clock() + STATE_LIFE,
            )
        return request.url

    def _login(self, platform: Platform, login: str | None) -> str:
        known = self._adapters[platform].connector.logins
        if login is None:
            return known[0]
        if login not in known:
            sentence = f"{platform.title()} offers these ways to sign in here: {', '.join(known)}."
            raise InvalidRequest([FieldError(("body", "login"), sentence, "unknown_login")])
        return login

    async def reconnect(self, user_id: UUID, account_id: UUID) -> str:
        """Return the consent address for an account that exists; its history is kept."""
        async with unit_of_work(self._sessions) as uow:
            account = await AccountRepository(uow.session).find(user_id, account_id)
        if account is None:
            raise AccountNotFound
        platform = Platform(account.platform)
        login = account.login if account.login in self._adapters[platform].connector.logins else None
        return await self.start(user_id, platform, account_id=account.id, login=login)

    async def finish(self, platform: Platform, *, state: str, code: str | None, refusal: str | None) -> Finished:
        """Exchange the code of a callback and store what it opens, or keep it for its owner to choose from.

        Raises `InvalidState`, `ConnectRefused`, `PlatformUnavailable`; then nothing was stored.
        """
        opened = await self._open(platform, state=state, code=code, refusal=refusal)
        waiting = await self._waiting(opened)
        if waiting is not None and waiting.account_id_external is not None:
            profiles = [p for p in opened.profiles if p.account_id_external == waiting.account_id_external]
            if not profiles:
                raise ConnectRefused(
                    f"You signed in with another account. Sign in as {waiting.account_name} to reconnect it."
                )
            return Finished(await self._store(opened, _usable(profiles)))
        if len(opened.profiles) == 1:
            return Finished(await self._store(opened, _usable(opened.profiles)))
        return Finished([], await self._keep_choice(opened))

    async def _open(self, platform: Platform, *, state: str, code: str | None, refusal: str | None) -> _Opened:
        async with unit_of_work(self._sessions) as uow:
            begun = await AccountRepository(uow.session).take_state(
                _digest(state), platform=platform, now=self._clock()
            )
        if begun is None:
            raise InvalidState
        if not code:
            raise ConnectRefused("The connection was cancelled at the platform." if refusal else None)
        login = self._login(platform, begun.login or None)
        try:
            profiles = await self._adapters[platform].connector.exchange(
                code=code,
                redirect_uri=self.redirect_uri(platform),
                code_verifier=begun.code_verifier,
                login=login,
                now=self._clock(),
            )
        except RetryLater as error:
            raise PlatformUnavailable(error.sentence) from error
        except PlatformError as error:
            raise ConnectRefused(error.sentence) from error
        if not profiles:
            raise ConnectRefused
        return _Opened(begun.user_id, platform, login, profiles, begun.account_id)

    async def _waiting(self, opened: _Opened) -> SocialAccount | None:
        if opened.wanted is None:
            return None
        async with unit_of_work(self._sessions) as uow:
            return await AccountRepository(uow.session).find(opened.user_id, opened.wanted)

    # Choosing

    async def _keep_choice(self, opened: _Opened) -> UUID:
        choice_id = new_id()
        payload = {
            "wanted": str(opened.wanted) if opened.wanted else None,
            "profiles": [_profile_to_json(profile) for profile in opened.profiles],
        }
        ciphertext, key_version = self._tokens.seal_json(str(choice_id), payload)
        async with unit_of_work(self._sessions) as uow:
            await ChoiceRepository(uow.session).add(
                ConnectionChoice(
                    id=choice_id,
                    user_id=opened.user_id,
                    platform=opened.platform,
                    login=opened.login,
                    ciphertext=ciphertext,
                    key_version=key_version,
                    expires_at=self._clock() + CHOICE_LIFE,
                )
            )
        return choice_id

    async def choice(self, user_id: UUID, choice_id: UUID) -> Choice:
        """Return what a sign-in opened; profiles that cannot be used are there too, with the reason."""
        row, opened = await self._opened_by(user_id, choice_id)
        async with unit_of_work(self._sessions) as uow:
            accounts = await AccountRepository(uow.session).list_of(user_id)
        connected = {
            account.account_id_external
            for account in accounts
            if account.platform == row.platform and account.status == AccountStatus.connected
        }
        offered = [
            OfferedProfile(
                profile.account_id_external,
                profile.account_name,
                profile.avatar_url,
                profile.usable,
                profile.problem,
                profile.account_id_external in connected,
            )
            for profile in opened.profiles
        ]
        return Choice(row.id, row.platform, row.login, row.expires_at, offered)

    async def choose(self, user_id: UUID, choice_id: UUID, wanted: list[str]) -> list[SocialAccount]:
        """Connect the chosen profiles and forget the rest. Raises `ChoiceNotFound`, `InvalidRequest`."""
        _, opened = await self._opened_by(user_id, choice_id)
        known = {profile.account_id_external: profile for profile in opened.profiles}
        errors = []
        for index, external in enumerate(wanted):
            profile = known.get(external)
            loc = ("body", "account_ids_external", index)
            if profile is None:
                errors.append(FieldError(loc, "This sign-in opened no such profile.", "unknown_profile"))
            elif not profile.usable:
                sentence = profile.problem or "This profile cannot be used."
                errors.append(FieldError(loc, sentence, "profile_not_usable"))
        if errors:
            raise InvalidRequest(errors)
        accounts = await self._store(opened, [known[external] for external in dict.fromkeys(wanted)])
        async with unit_of_work(self._sessions) as uow:
            await ChoiceRepository(uow.session).remove(user_id, choice_id)
        return accounts

    async def _opened_by(self, user_id: UUID, choice_id: UUID) -> tuple[ConnectionChoice, _Opened]:
        async with unit_of_work(self._sessions) as uow:
            row = await ChoiceRepository(uow.session).find(user_id, choice_id)
        if row is None or row.expires_at <= self._clock():
            raise ChoiceNotFound
        payload = self._tokens.open_json(str(row.id), row.ciphertext, row.key_version)
        profiles = [_profile_from_json(value) for value in payload["profiles"]]
        wanted = UUID(payload["wanted"]) if payload["wanted"] else None
        return row, _Opened(user_id, Platform(row.platform), row.login, profiles, wanted)

    # Storing

    async def _store(self, opened: _Opened, profiles: list[ConnectedProfile]) -> list[SocialAccount]:
        now, user_id, platform = self._clock(), opened.user_id, opened.platform
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = AccountRepository(uow.session)
            externals = [profile.account_id_external for profile in profiles]
            await Entitlements(uow, self._clock).require_account_room(user_id, platform, externals)
            await rows.lock_lanes(user_id, platform, externals)
            waiting = await rows.find(user_id, opened.wanted) if opened.wanted else None
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
                    login=opened.login,
                    owner_ids=list(profile.owner_ids),
                    scopes=list(profile.grant.scopes),
                    now=now,
                )
                await self._tokens.store(uow.session, account.id, profile.grant)
                await uow.session.refresh(account)
                await HoldRepository(uow.session).resume(account.id, user_id=user_id, not_before=now - self._late_grace)
                accounts.append(account)
            uow.after_commit(ADVANCE)
        for account, profile in zip(accounts, profiles, strict=True):
            auth = Auth(
                str(account.id), profile.account_id_external, profile.grant.access_token, extra=profile.grant.extra
            )
            with suppress(TimeoutError):  # its owner waits for the page to come back
                async with asyncio.timeout(SUBSCRIBE_SECONDS):
                    await self._adapters[platform].connector.subscribe(auth)
        return accounts


def _usable(profiles: list[ConnectedProfile]) -> list[ConnectedProfile]:
    """Raises `ConnectRefused` with the first reason when none can be used."""
    usable = [profile for profile in profiles if profile.usable]
    if not usable:
        raise ConnectRefused(next((p.problem for p in profiles if p.problem), None))
    return usable


def _profile_to_json(profile: ConnectedProfile) -> dict[str, Any]:
    return {
        "account_id_external": profile.account_id_external,
        "account_name": profile.account_name,
        "avatar_url": profile.avatar_url,
        "grant": grant_to_json(profile.grant),
        "usable": profile.usable,
        "problem": profile.problem,
        "owner_ids": list(profile.owner_ids),
    }


def _profile_from_json(value: Mapping[str, Any]) -> ConnectedProfile:
    return ConnectedProfile(
        account_id_external=value["account_id_external"],
        account_name=value["account_name"],
        avatar_url=value["avatar_url"],
        grant=grant_from_json(value["grant"]),
        usable=value["usable"],
        problem=value["problem"],
        owner_ids=tuple(value["owner_ids"]),
    )


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
