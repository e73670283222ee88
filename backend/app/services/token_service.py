"""The only place that opens, renews and stores the tokens of accounts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.kit.crypto import KeyRing, KeyRingError
from app.platforms.base import Auth, CallRecord, Grant, PlatformAdapter, PlatformError, ReconnectAccount, RetryLater
from app.repositories.account_repository import AccountRepository
from app.repositories.credential_repository import CredentialRepository, StoredCredential

log = structlog.get_logger()

REFRESH_LEASE = timedelta(seconds=120)
REFRESH_SECONDS = 90
"""Longest time a renewal may take: well within its lease."""
REFRESH_RETRY = timedelta(minutes=10)
STILL_GOOD = timedelta(minutes=2)
"""A token that lives this long is used when it cannot be renewed just now."""
FRESH_ENOUGH = timedelta(minutes=30)
"""A token that lives no longer than this is renewed before it is used (tiktok.md, section 2.3)."""


class TokenService:
    def __init__(
        self, sessions: Sessions, keyring: KeyRing, adapters: Mapping[str, PlatformAdapter], clock: Clock
    ) -> None:
        self._sessions = sessions
        self._keyring = keyring
        self._adapters = adapters
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    def seal(self, account_id: UUID, grant: Grant) -> tuple[bytes, str]:
        """Encrypt a grant for one account; it opens under no other account's id."""
        return self.seal_json(str(account_id), grant_to_json(grant))

    def open(self, account_id: UUID, ciphertext: bytes, key_version: str) -> Grant:
        """Decrypt the grant of one account. Raises `KeyRingError`."""
        return grant_from_json(self.open_json(str(account_id), ciphertext, key_version))

    def seal_json(self, context: str, value: Mapping[str, Any]) -> tuple[bytes, str]:
        """Encrypt a JSON object; it opens under no other context."""
        return self._keyring.encrypt(json.dumps(value).encode(), context=context)

    def open_json(self, context: str, ciphertext: bytes, key_version: str) -> dict[str, Any]:
        """Decrypt a JSON object. Raises `KeyRingError`."""
        value: dict[str, Any] = json.loads(self._keyring.decrypt(ciphertext, version=key_version, context=context))
        return value

    def needs_refresh(self, *, expires_at: datetime | None, refresh_due_at: datetime | None) -> bool:
        """Whether a token should be renewed before the next use. Those with more time are renewed in the background."""
        if expires_at is None or refresh_due_at is None:
            return False
        return expires_at - self._clock() <= FRESH_ENOUGH

    async def current(self, account_id: UUID) -> tuple[Grant, int]:
        """Return the stored grant and its version. Raises `ReconnectAccount` when there is none."""
        async with unit_of_work(self._sessions) as uow:
            stored = await CredentialRepository(uow.session).find(account_id)
        if stored is None:
            raise ReconnectAccount("This account is not connected. Connect it again, then retry.")
        return self.open(account_id, stored.ciphertext, stored.key_version), stored.version

    async def speak_for(
        self,
        account_id: UUID,
        *,
        external: str,
        name: str = "",
        journal: Callable[[CallRecord], None] = lambda _call: None,
    ) -> Auth:
        """Return what is needed to call the platform for an account, its token renewed when that is due.

        Raises `ReconnectAccount` when there is no token, and what `refresh` raises.
        """
        grant, version = await self.current(account_id)
        if self.needs_refresh(expires_at=grant.expires_at, refresh_due_at=grant.refresh_due_at):
            try:
                grant, _ = await self.refresh(account_id, seen_version=version)
            except RetryLater:
                if grant.expires_at is None or grant.expires_at - self._clock() < STILL_GOOD:
                    raise
        return Auth(
            account_id=str(account_id),
            account_id_external=external,
            access_token=grant.access_token,
            extra={**grant.extra, "account_name": name},
            journal=journal,
        )

    async def refresh(self, account_id: UUID, *, seen_version: int) -> tuple[Grant, int]:
        """Renew a token once, however many ask: whoever comes second gets the winner's token, or is told to wait.

        Raises `RetryLater` while another refresh runs or the platform is away, `ReconnectAccount` when the platform
        names the grant as dead. A failure that names nothing never disconnects anybody.
        """
        async with unit_of_work(self._sessions) as uow:
            credentials = CredentialRepository(uow.session)
            lease_id = await credentials.lease_refresh(account_id, version=seen_version, lease=REFRESH_LEASE)
            stored = await credentials.find(account_id)
        if stored is None:
            raise ReconnectAccount("This account is not connected. Connect it again, then retry.")
        if lease_id is None:
            if stored.version != seen_version:
                return self.open(account_id, stored.ciphertext, stored.key_version), stored.version
            raise RetryLater("The account's access is just being renewed.", after=timedelta(seconds=2))
        return await self._refresh_under(stored, lease_id)

    async def _refresh_under(self, stored: StoredCredential, lease_id: UUID) -> tuple[Grant, int]:
        grant = self.open(stored.account_id, stored.ciphertext, stored.key_version)
        connector = self._adapters[stored.platform].connector
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                renewed = await connector.refresh(
                    grant, account_id_external=stored.account_id_external, now=self._clock()
                )
        except ReconnectAccount as error:
            await self._lose(stored.account_id, lease_id, error, seen_version=stored.version)
            raise
        except TimeoutError as error:
            await self._put_off(stored.account_id, lease_id, grant)
            raise RetryLater("The platform did not answer in time.", code="platform_silent") from error
        except PlatformError:
            await self._put_off(stored.account_id, lease_id, grant)
            raise
        async with unit_of_work(self._sessions) as uow:
            credentials = CredentialRepository(uow.session)
            is_ours = await credentials.may_replace(stored.account_id, lease_id=lease_id, seen=stored.ciphertext)
            if is_ours:
                await self.store(uow.session, stored.account_id, renewed)
        if is_ours is None:  # disconnected meanwhile: what was erased does not come back
            await connector.revoke(renewed)
            raise ReconnectAccount("This account is not connected. Connect it again, then retry.")
        if not is_ours:
            log.warning("token.refresh_overtaken", account_id=str(stored.account_id))
            return await self.current(stored.account_id)
        log.info("token.refreshed", account_id=str(stored.account_id), platform=stored.platform)
        return renewed, stored.version + 1

    async def _put_off(self, account_id: UUID, lease_id: UUID, grant: Grant) -> None:
        """Try again later; while renewing does not work, access ends with the last token that could be renewed."""
        async with unit_of_work(self._sessions) as uow:
            credentials = CredentialRepository(uow.session)
            await credentials.end_refresh(account_id, lease_id=lease_id, retry_at=self._clock() + REFRESH_RETRY)
            await credentials.access_ends_at(account_id, grant.refresh_expires_at or grant.expires_at)

    async def _lose(self, account_id: UUID, lease_id: UUID, error: ReconnectAccount, *, seen_version: int) -> None:
        async with unit_of_work(self._sessions) as uow:
            credentials = CredentialRepository(uow.session)
            if await credentials.holds_refresh(account_id, lease_id=lease_id):
                await AccountRepository(uow.session).mark_expired(
                    account_id, reason=error.sentence, seen_version=seen_version
                )
                await credentials.end_refresh(account_id, lease_id=lease_id, retry_at=None)

    async def store(self, session: Any, account_id: UUID, grant: Grant) -> None:
        """Write a grant within the caller's transaction."""
        ciphertext, version = self.seal(account_id, grant)
        await CredentialRepository(session).store(
            account_id,
            ciphertext=ciphertext,
            key_version=version,
            expires_at=grant.expires_at,
            refresh_due_at=grant.refresh_due_at,
            ends_at=_access_ends_at(grant),
        )

    async def refresh_due(self, *, limit: int = 50) -> int:
        """Renew what is due ahead of expiry and return how many were tried. One failure does not stop the others."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            async with unit_of_work(self._sessions) as uow:
                due = await CredentialRepository(uow.session).due_for_refresh(limit=limit)
            for account_id in due:
                try:
                    _, version = await self.current(account_id)
                    await self.refresh(account_id, seen_version=version)
                except PlatformError as error:
                    log.warning("token.refresh_failed", account_id=str(account_id), error=type(error).__name__)
                except KeyRingError as error:  # a key is missing: it must not stand in the others' way
                    log.warning("token.unreadable", account_id=str(account_id), error=type(error).__name__)
                    async with unit_of_work(self._sessions) as uow:
                        await CredentialRepository(uow.session).put_off_refresh(
                            account_id, retry_at=self._clock() + REFRESH_RETRY
                        )
        return len(due)


def grant_to_json(grant: Grant) -> dict[str, Any]:
    """Return a grant as JSON: only ever to be encrypted."""
    return {
        "access_token": grant.access_token,
        "expires_at": _iso(grant.expires_at),
        "refresh_token": grant.refresh_token,
        "refresh_expires_at": _iso(grant.refresh_expires_at),
        "refresh_due_at": _iso(grant.refresh_due_at),
        "ends_at": _iso(grant.ends_at),
        "scopes": list(grant.scopes),
        "extra": dict(grant.extra),
    }


def grant_from_json(value: Mapping[str, Any]) -> Grant:
    return Grant(
        access_token=value["access_token"],
        expires_at=_moment(value["expires_at"]),
        refresh_token=value["refresh_token"],
        refresh_expires_at=_moment(value["refresh_expires_at"]),
        refresh_due_at=_moment(value["refresh_due_at"]),
        ends_at=_moment(value.get("ends_at")),
        scopes=tuple(value["scopes"]),
        extra=value["extra"],
    )


def _access_ends_at(grant: Grant) -> datetime | None:
    """Return when access ends whatever we do; `None` while renewing goes on by itself."""
    if grant.ends_at is not None:
        return grant.ends_at
    return grant.expires_at if grant.refresh_due_at is None else None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
