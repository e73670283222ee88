"""SQL of connected accounts and of sign-ins at platforms that wait for their answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.vocabulary import AccountStatus
from app.kit.ids import new_id
from app.models import AccountCredential, OAuthState, SocialAccount


class ConnectedAccount(NamedTuple):
    """An account that takes a place in its user's plan: one that only asks to be connected again keeps it."""

    id: UUID
    platform: str
    account_id_external: str


class AccountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, user_id: UUID, account_id: UUID) -> SocialAccount | None:
        return await self._session.scalar(
            select(SocialAccount).where(SocialAccount.id == account_id, SocialAccount.user_id == user_id)
        )

    async def list_of(self, user_id: UUID) -> list[SocialAccount]:
        rows = await self._session.scalars(
            select(SocialAccount).where(SocialAccount.user_id == user_id).order_by(SocialAccount.created_at)
        )
        return list(rows)

    async def connected_platforms(self, user_id: UUID) -> list[str]:
        """Return the platforms on which a user has a connected account, in alphabetical order."""
        rows = await self._session.execute(
            text("""
            SELECT DISTINCT platform FROM social_accounts
            WHERE user_id = :user_id AND status = 'connected' ORDER BY platform
            """),
            {"user_id": user_id},
        )
        return [row.platform for row in rows]

    async def connected(self, user_id: UUID) -> list[ConnectedAccount]:
        """Return a user's connected accounts, the one connected first first."""
        rows = await self._session.execute(
            text("""
            SELECT id, platform, account_id_external FROM social_accounts
            WHERE user_id = :user_id AND status IN ('connected', 'expired', 'revoked')
              AND account_id_external IS NOT NULL
            ORDER BY created_at, id
            """),
            {"user_id": user_id},
        )
        return [ConnectedAccount(*row) for row in rows]

    async def find_many(self, user_id: UUID, account_ids: list[UUID]) -> dict[UUID, SocialAccount]:
        rows = await self._session.scalars(
            select(SocialAccount).where(SocialAccount.user_id == user_id, SocialAccount.id.in_(account_ids))
        )
        return {account.id: account for account in rows}

    async def connect(
        self,
        user_id: UUID,
        *,
        platform: str,
        account_id_external: str,
        account_name: str,
        avatar_url: str | None,
        mode: str,
        login: str,
        owner_ids: list[str],
        scopes: list[str],
        now: datetime,
    ) -> SocialAccount:
        """Insert the account, or bring the one of the same identity back to life; its history stays."""
        values = {
            "account_name": account_name,
            "avatar_url": avatar_url,
            "mode": mode,
            "status": AccountStatus.connected,
            "status_reason": None,
            "login": login,
            "owner_ids_external": owner_ids,
            "granted_scopes": scopes,
            "connected_at": now,
        }
        statement = (
            insert(SocialAccount)
            .values(id=new_id(), user_id=user_id, platform=platform, account_id_external=account_id_external, **values)
            .on_conflict_do_update(
                index_elements=["user_id", "platform", "account_id_external"],
                set_={**values, "updated_at": func.now()},
            )
            .returning(SocialAccount)
        )
        account = (await self._session.scalars(statement, execution_options={"populate_existing": True})).one()
        await self._session.execute(
            text("INSERT INTO publishing_lanes (account_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": account.id}
        )
        return account

    async def add_pending(
        self, user_id: UUID, *, platform: str, account_name: str, mode: str, login: str
    ) -> SocialAccount:
        """Insert an account that waits for its owner's consent at the platform."""
        account = SocialAccount(
            id=new_id(),
            user_id=user_id,
            platform=platform,
            account_name=account_name,
            mode=mode,
            login=login,
            status=AccountStatus.disconnected,
            status_reason="Waiting for consent at the platform.",
        )
        self._session.add(account)
        await self._session.flush()
        return account

    async def lock_lanes(self, user_id: UUID, platform: str, externals: list[str]) -> None:
        """Lock lanes, then credentials, of accounts about to be connected again: the order everybody keeps."""
        for table in ("publishing_lanes", "account_credentials"):
            await self._session.execute(
                text(f"""
                SELECT 1 FROM {table} WHERE account_id IN (
                    SELECT id FROM social_accounts
                    WHERE user_id = :user_id AND platform = :platform AND account_id_external = ANY(:externals)
                ) ORDER BY account_id FOR UPDATE
                """),  # noqa: S608 - fixed names
                {"user_id": user_id, "platform": platform, "externals": externals},
            )

    async def give_identity(self, waiting: SocialAccount, external: str) -> None:
        """Tell an account that waited for consent who it is; where that one exists already, its drafts go there."""
        known = await self._session.scalar(
            select(SocialAccount.id).where(
                SocialAccount.user_id == waiting.user_id,
                SocialAccount.platform == waiting.platform,
                SocialAccount.account_id_external == external,
            )
        )
        if known is None:
            waiting.account_id_external = external
        else:
            await self._session.execute(
                text("UPDATE posts SET account_id = :known WHERE account_id = :waiting AND user_id = :user_id"),
                {"known": known, "waiting": waiting.id, "user_id": waiting.user_id},
            )
            await self._session.delete(waiting)
        await self._session.flush()

    async def set_status(self, account_id: UUID, status: AccountStatus, *, reason: str | None) -> None:
        await self._session.execute(
            update(SocialAccount)
            .where(SocialAccount.id == account_id)
            .values(status=status, status_reason=reason, updated_at=func.now())
        )

    async def mark_expired(self, account_id: UUID, *, reason: str, seen_version: int) -> None:
        """Say that a connected account needs its owner, unless it was disconnected or connected anew meanwhile."""
        seen = exists().where(AccountCredential.account_id == account_id, AccountCredential.version == seen_version)
        await self._session.execute(
            update(SocialAccount)
            .where(SocialAccount.id == account_id, SocialAccount.status == AccountStatus.connected, seen)
            .values(status=AccountStatus.expired, status_reason=reason, updated_at=func.now())
        )

    async def posts_at_risk(self, user_id: UUID) -> dict[UUID, int]:
        """Return how many scheduled posts of each account come after its access ends."""
        rows = await self._session.execute(
            text("""
            SELECT account.id, count(*) AS posts FROM social_accounts account
            JOIN posts post ON post.account_id = account.id AND post.user_id = account.user_id
                AND post.status = 'scheduled' AND post.scheduled_for > account.access_ends_at
            WHERE account.user_id = :user_id AND account.status = 'connected' AND account.access_ends_at IS NOT NULL
            GROUP BY account.id
            """),
            {"user_id": user_id},
        )
        return {row.id: row.posts for row in rows}

    async def take_due_for_check(self, *, every: timedelta, again: timedelta, limit: int) -> list[SocialAccount]:
        """Return connected accounts that were not asked about for `every`; one that fails comes up after `again`."""
        due = (
            select(SocialAccount.id)
            .where(
                SocialAccount.status == AccountStatus.connected,
                SocialAccount.checked_at <= func.clock_timestamp() - every,
            )
            .order_by(SocialAccount.checked_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        rows = await self._session.scalars(
            update(SocialAccount)
            .where(SocialAccount.id.in_(due.scalar_subquery()))
            .values(checked_at=func.clock_timestamp() - every + again)
            .returning(SocialAccount)
        )
        return list(rows)

    async def note_checked(self, account_id: UUID, *, owner_ids: list[str]) -> None:
        """Note that the platform says the tokens work, and whose they are."""
        await self._session.execute(
            update(SocialAccount)
            .where(SocialAccount.id == account_id)
            .values(checked_at=func.clock_timestamp(), owner_ids_external=owner_ids)
        )

    async def others_of_owner(self, account_id: UUID, owner_ids: list[str]) -> bool:
        """Whether the same person at the platform has another account connected here."""
        rows = await self._session.execute(
            select(SocialAccount.id)
            .where(
                SocialAccount.id != account_id,
                SocialAccount.status == AccountStatus.connected,
                SocialAccount.owner_ids_external.overlap(owner_ids),
            )
            .limit(1)
        )
        return rows.first() is not None

    async def of_owner(self, platforms: list[str], owner_id: str) -> list[SocialAccount]:
        """Return every account, of any user, that the platform means by this owner's id."""
        rows = await self._session.scalars(
            select(SocialAccount)
            .where(SocialAccount.platform.in_(platforms), SocialAccount.owner_ids_external.contains([owner_id]))
            .order_by(SocialAccount.id)
        )
        return list(rows)

    async def of_external(self, platform: str, external: str) -> list[SocialAccount]:
        """Return every connected account, of any user, with this identity at the platform."""
        rows = await self._session.scalars(
            select(SocialAccount)
            .where(
                SocialAccount.platform == platform,
                SocialAccount.account_id_external == external,
                SocialAccount.status == AccountStatus.connected,
            )
            .order_by(SocialAccount.id)
        )
        return list(rows)

    # Sign-ins under way

    async def add_state(
        self,
        *,
        state_hash: str,
        user_id: UUID,
        account_id: UUID | None,
        platform: str,
        login: str,
        code_verifier: str | None,
        expires_at: datetime,
    ) -> None:
        self._session.add(
            OAuthState(
                state_hash=state_hash,
                user_id=user_id,
                account_id=account_id,
                platform=platform,
                login=login,
                code_verifier=code_verifier,
                expires_at=expires_at,
            )
        )
        await self._session.flush()

    async def take_state(self, state_hash: str, *, platform: str, now: datetime) -> OAuthState | None:
        """Return the state and forget it: it works once, for ten minutes."""
        state = await self._session.scalar(
            delete(OAuthState)
            .where(OAuthState.state_hash == state_hash, OAuthState.platform == platform)
            .returning(OAuthState)
        )
        return state if state is not None and state.expires_at > now else None
