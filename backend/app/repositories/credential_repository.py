"""SQL of accounts' encrypted tokens. Refresh tokens rotate, so that only the holder of the refresh lease may renew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class StoredCredential:
    account_id: UUID
    platform: str
    account_id_external: str
    account_status: str
    ciphertext: bytes
    key_version: str
    version: int
    expires_at: datetime | None
    refresh_due_at: datetime | None


_SELECT = """
SELECT c.account_id, a.platform, a.account_id_external, a.status, c.ciphertext, c.key_version, c.version, c.expires_at,
       c.refresh_due_at
FROM account_credentials c JOIN social_accounts a ON a.id = c.account_id
"""


class CredentialRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, account_id: UUID) -> StoredCredential | None:
        rows = await self._session.execute(text(_SELECT + "WHERE c.account_id = :id"), {"id": account_id})
        row = rows.first()
        return StoredCredential(*row) if row else None

    async def find_many(self, account_ids: Sequence[UUID]) -> list[StoredCredential]:
        rows = await self._session.execute(text(_SELECT + "WHERE c.account_id = ANY(:ids)"), {"ids": list(account_ids)})
        return [StoredCredential(*row) for row in rows]

    async def store(
        self,
        account_id: UUID,
        *,
        ciphertext: bytes,
        key_version: str,
        expires_at: datetime | None,
        refresh_due_at: datetime | None,
        ends_at: datetime | None,
    ) -> None:
        """Replace the tokens of an account and end any refresh under way."""
        await self._session.execute(
            text("""
            INSERT INTO account_credentials (account_id, ciphertext, key_version, expires_at, refresh_due_at)
            VALUES (:id, :ciphertext, :key_version, :expires_at, :refresh_due_at)
            ON CONFLICT (account_id) DO UPDATE SET
                ciphertext = excluded.ciphertext, key_version = excluded.key_version,
                expires_at = excluded.expires_at, refresh_due_at = excluded.refresh_due_at,
                version = account_credentials.version + 1, refresh_lease_id = NULL, refresh_lease_until = NULL,
                updated_at = now()
            """),
            {
                "id": account_id,
                "ciphertext": ciphertext,
                "key_version": key_version,
                "expires_at": expires_at,
                "refresh_due_at": refresh_due_at,
            },
        )
        await self._session.execute(
            text("""
            UPDATE social_accounts SET token_expires_at = :at, access_ends_at = :ends_at,
                checked_at = clock_timestamp(), updated_at = now()
            WHERE id = :id
            """),
            {"id": account_id, "at": expires_at, "ends_at": ends_at},
        )

    async def access_ends_at(self, account_id: UUID, at: datetime | None) -> None:
        """Note that the token cannot be renewed at present: when access ends if that stays so."""
        await self._session.execute(
            text("""
            UPDATE social_accounts SET updated_at = now(),
                access_ends_at = LEAST(COALESCE(access_ends_at, :at), :at)
            WHERE id = :id
            """),
            {"id": account_id, "at": at},
        )

    async def put_off_refresh(self, account_id: UUID, *, retry_at: datetime) -> None:
        await self._session.execute(
            text("UPDATE account_credentials SET refresh_due_at = :at WHERE account_id = :id"),
            {"id": account_id, "at": retry_at},
        )

    async def erase(self, account_id: UUID) -> None:
        await self._session.execute(text("DELETE FROM account_credentials WHERE account_id = :id"), {"id": account_id})

    async def lease_refresh(self, account_id: UUID, *, version: int, lease: timedelta) -> UUID | None:
        """Win the right to refresh version `version`, or `None`: somebody else does it, or has done it."""
        rows = await self._session.execute(
            text("""
            UPDATE account_credentials
            SET refresh_lease_id = gen_random_uuid(), refresh_lease_until = clock_timestamp() + :lease
            WHERE account_id = :id AND version = :version
              AND (refresh_lease_until IS NULL OR refresh_lease_until < clock_timestamp())
            RETURNING refresh_lease_id
            """),
            {"id": account_id, "version": version, "lease": lease},
        )
        return rows.scalar_one_or_none()

    async def end_refresh(self, account_id: UUID, *, lease_id: UUID, retry_at: datetime | None) -> None:
        """Give the right to refresh back without new tokens; `retry_at` is when to try again by itself."""
        await self._session.execute(
            text("""
            UPDATE account_credentials SET refresh_lease_id = NULL, refresh_lease_until = NULL,
                refresh_due_at = COALESCE(:retry_at, refresh_due_at)
            WHERE account_id = :id AND refresh_lease_id = :lease
            """),
            {"id": account_id, "lease": lease_id, "retry_at": retry_at},
        )

    async def holds_refresh(self, account_id: UUID, *, lease_id: UUID) -> bool:
        """Lock the credential and say whether the refresh lease is still ours."""
        rows = await self._session.execute(
            text("SELECT 1 FROM account_credentials WHERE account_id = :id AND refresh_lease_id = :lease FOR UPDATE"),
            {"id": account_id, "lease": lease_id},
        )
        return rows.first() is not None

    async def may_replace(self, account_id: UUID, *, lease_id: UUID, seen: bytes) -> bool | None:
        """Lock the credential and say whether tokens made from `seen` may replace it: the lease is ours, or nobody has
        written since. `None` when there is none any more."""
        rows = await self._session.execute(
            text("""
            SELECT refresh_lease_id IS NOT DISTINCT FROM :lease OR ciphertext = :seen FROM account_credentials
            WHERE account_id = :id FOR UPDATE
            """),
            {"id": account_id, "lease": lease_id, "seen": seen},
        )
        return rows.scalar_one_or_none()

    async def due_for_refresh(self, *, limit: int) -> list[UUID]:
        """Return connected accounts whose tokens should be renewed now."""
        rows = await self._session.execute(
            text("""
            SELECT c.account_id FROM account_credentials c JOIN social_accounts a ON a.id = c.account_id
            WHERE c.refresh_due_at <= clock_timestamp() AND a.status = 'connected'
              AND (c.refresh_lease_until IS NULL OR c.refresh_lease_until < clock_timestamp())
            ORDER BY c.refresh_due_at LIMIT :limit
            """),
            {"limit": limit},
        )
        return [row.account_id for row in rows]
