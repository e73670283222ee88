"""SQL of letters about signing in, and of the links in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import LetterRequest, OneTimeToken

_CLAIM = text("""
UPDATE letter_requests SET lease_until = clock_timestamp() + :lease, tries = tries + 1
WHERE id IN (
    SELECT id FROM letter_requests
    WHERE due_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING id, purpose, email, user_id, facts, tries
""")


@dataclass(frozen=True)
class DueLetter:
    id: UUID
    purpose: str
    email: str
    user_id: UUID | None
    facts: Mapping[str, Any]
    tries: int


@dataclass(frozen=True)
class UsedToken:
    """What a link was for, once it was used."""

    user_id: UUID
    email: str


class LetterRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def request(self, purpose: str, email: str, *, user_id: UUID | None = None, **facts: Any) -> None:
        """Note that a letter is to be written."""
        values = {"id": new_id(), "purpose": purpose, "email": email, "user_id": user_id, "facts": facts}
        await self._session.execute(insert(LetterRequest).values(**values))

    async def claim(self, *, lease: timedelta, limit: int) -> list[DueLetter]:
        rows = await self._session.execute(_CLAIM, {"lease": lease, "limit": limit})
        return [DueLetter(*row) for row in rows]

    async def done(self, letter_id: UUID) -> None:
        await self._session.execute(delete(LetterRequest).where(LetterRequest.id == letter_id))

    async def later(self, letter_id: UUID, *, after: timedelta) -> None:
        await self._session.execute(
            update(LetterRequest)
            .where(LetterRequest.id == letter_id)
            .values(due_at=func.clock_timestamp() + after, lease_until=None)
        )

    # Links

    async def put_token(
        self, token_hash: str, *, user_id: UUID, purpose: str, email: str, expires_at: datetime
    ) -> None:
        """Keep a link's digest; one that was sent for the same purpose before stops working."""
        await self.drop_tokens(user_id, purpose)
        values = {"user_id": user_id, "purpose": purpose, "email": email, "expires_at": expires_at}
        await self._session.execute(insert(OneTimeToken).values(token_hash=token_hash, **values))

    async def drop_tokens(self, user_id: UUID, *purposes: str) -> None:
        await self._session.execute(
            delete(OneTimeToken).where(OneTimeToken.user_id == user_id, OneTimeToken.purpose.in_(purposes))
        )

    async def use_token(self, token_hash: str, *purposes: str, now: datetime) -> tuple[str, UsedToken] | None:
        """Take a link away and return its purpose and what it was for; `None` for one that does not work."""
        row = (
            await self._session.execute(
                delete(OneTimeToken)
                .where(
                    OneTimeToken.token_hash == token_hash,
                    OneTimeToken.purpose.in_(purposes),
                    OneTimeToken.expires_at > now,
                )
                .returning(OneTimeToken.purpose, OneTimeToken.user_id, OneTimeToken.email)
            )
        ).first()
        return (row.purpose, UsedToken(row.user_id, row.email)) if row else None
