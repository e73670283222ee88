"""SQL of people and their sign-ins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import AuthSession, User

_IDENTITY = text("""
SELECT u.id, u.email, u.is_active, u.timezone, u.created_at,
       COALESCE(s.plan, 'free') AS plan
FROM users u LEFT JOIN subscriptions s ON s.user_id = u.id AND (
    s.status IN ('active', 'trialing')
    OR (s.status = 'past_due' AND COALESCE(s.past_due_since, now()) > now() - interval '7 days')
)
WHERE u.id = :id
""")


_PUT_PLAN = text("""
INSERT INTO subscriptions (id, user_id, plan, status, mode) VALUES (:id, :user_id, :plan, 'active', :mode)
ON CONFLICT (user_id) DO UPDATE SET plan = EXCLUDED.plan, status = 'active', mode = EXCLUDED.mode, updated_at = now()
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


class UserRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def identity(self, user_id: UUID) -> Identity | None:
        row = (await self._session.execute(_IDENTITY, {"id": user_id})).first()
        return Identity(*row) if row else None

    async def lock(self, user_id: UUID) -> Identity | None:
        """Return who it is after taking a lock that all who count what the user has take first."""
        await self._session.execute(text("SELECT 1 FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": user_id})
        return await self.identity(user_id)

    async def find_by_email(self, email: str) -> User | None:
        return await self._session.scalar(select(User).where(func.lower(User.email) == email.lower()))

    async def put_plan(self, user_id: UUID, tier: str, *, mode: str) -> None:
        """Give a user an active subscription, in the place of the one there is."""
        await self._session.execute(_PUT_PLAN, {"id": new_id(), "user_id": user_id, "plan": tier, "mode": mode})

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

    async def lock_session(self, session_id: UUID) -> AuthSession | None:
        return await self._session.scalar(select(AuthSession).where(AuthSession.id == session_id).with_for_update())
