"""SQL of people and their sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuthSession, User

_IDENTITY_OF = """
SELECT u.id, u.email, u.is_active AND u.erase_due_at IS NULL AS is_active, u.timezone, u.created_at,
       COALESCE(s.plan, 'free') AS plan, u.email_verified_at IS NOT NULL AS is_email_verified,
       u.totp_enabled_at IS NOT NULL AS has_second_factor, u.password_hash IS NOT NULL AS has_password
FROM users u LEFT JOIN subscriptions s ON s.user_id = u.id AND (
    s.status IN ('active', 'trialing')
    OR (s.status = 'past_due' AND COALESCE(s.past_due_since, now()) > now() - interval '7 days')
)
WHERE u.id = :id
"""
_IDENTITY = text(_IDENTITY_OF)
_IDENTITY_IN_SESSION = text(f"""{_IDENTITY_OF}
  AND EXISTS (SELECT 1 FROM auth_sessions a WHERE a.id = :session_id AND a.user_id = u.id AND a.ended_at IS NULL)
""")  # noqa: S608 - made of constants

_CLAIM_ERASURES = text("""
UPDATE users SET erase_due_at = clock_timestamp() + :again
WHERE id IN (
    SELECT id FROM users WHERE erase_due_at <= clock_timestamp() ORDER BY erase_due_at LIMIT :limit
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id
""")


@dataclass(frozen=True)
class Identity:
    """Who is asking."""

    id: UUID
    email: str
    is_active: bool
    timezone: str
    created_at: datetime
    plan: str
    is_email_verified: bool
    has_second_factor: bool
    has_password: bool


class UserRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def identity(self, user_id: UUID) -> Identity | None:
        row = (await self._session.execute(_IDENTITY, {"id": user_id})).first()
        return Identity(*row) if row else None

    async def identity_in_session(self, user_id: UUID, session_id: UUID) -> Identity | None:
        """Return who it is while the session that an access token belongs to is not ended."""
        row = (await self._session.execute(_IDENTITY_IN_SESSION, {"id": user_id, "session_id": session_id})).first()
        return Identity(*row) if row else None

    async def get_locked(self, user_id: UUID) -> User:
        """Return a user's row under its lock, as it is now."""
        found = await self._session.scalar(
            select(User)
            .where(User.id == user_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
        assert found is not None
        return found

    async def lock(self, user_id: UUID) -> Identity | None:
        """Return who it is after taking a lock that all who count what the user has take first."""
        await self._session.execute(text("SELECT 1 FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
        return await self.identity(user_id)

    async def find_by_email(self, email: str) -> User | None:
        return await self._session.scalar(select(User).where(func.lower(User.email) == email.lower()))

    async def find_by_external(self, external_platform_id: str) -> User | None:
        return await self._session.scalar(select(User).where(User.external_platform_id == external_platform_id))

    async def add_if_new(self, user: User) -> bool:
        """Insert a user unless the address is taken; whether it was free."""
        values = {"id": user.id, "email": user.email, "password_hash": user.password_hash, "timezone": user.timezone}
        row = await self._session.execute(insert(User).values(**values).on_conflict_do_nothing().returning(User.id))
        return row.first() is not None

    async def claim_erasures(self, *, again: timedelta, limit: int) -> list[UUID]:
        """Return people who asked to be erased; whoever is not gone by then is returned again after `again`."""
        rows = await self._session.execute(_CLAIM_ERASURES, {"again": again, "limit": limit})
        return list(rows.scalars())

    async def delete(self, user_id: UUID) -> str | None:
        """Delete a user who asked for it, with everything of theirs, and return their address."""
        row = await self._session.execute(
            delete(User).where(User.id == user_id, User.erase_due_at.is_not(None)).returning(User.email)
        )
        email = row.scalar_one_or_none()
        if email is not None:  # sums on their way, which the deletion has added to
            await self._session.execute(text("DELETE FROM post_count_deltas WHERE user_id = :id"), {"id": user_id})
        return email

    async def let_go(self) -> None:
        """End the reading so far and give the connection back."""
        await self._session.rollback()

    async def add(self, user: User) -> None:
        """Insert a user. Raises `IntegrityError` when the address is taken."""
        self._session.add(user)
        await self._session.flush()

    async def add_session(self, session: AuthSession) -> None:
        self._session.add(session)
        await self._session.flush()

    async def list_sessions(self, user_id: UUID, *, now: datetime) -> list[AuthSession]:
        """Return where a user is signed in, the place used last first."""
        rows = await self._session.scalars(
            select(AuthSession)
            .where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None), AuthSession.expires_at > now)
            .order_by(AuthSession.last_used_at.desc(), AuthSession.id)
        )
        return list(rows)

    async def end_sessions(
        self, user_id: UUID, *, at: datetime, reason: str, only: UUID | None = None, but: UUID | None = None
    ) -> int:
        """End a user's sessions: all, one of them, or all but one. Returns how many were open."""
        statement = update(AuthSession).where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
        if only is not None:
            statement = statement.where(AuthSession.id == only)
        if but is not None:
            statement = statement.where(AuthSession.id != but)
        ended = await self._session.execute(
            statement.values(ended_at=at, ended_reason=reason).returning(AuthSession.id)
        )
        return len(ended.all())

    async def lock_session(self, session_id: UUID) -> AuthSession | None:
        return await self._session.scalar(select(AuthSession).where(AuthSession.id == session_id).with_for_update())
