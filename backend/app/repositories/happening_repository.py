"""SQL of what happened: handing it on in one order, and reading it by that order."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL = "user_events"
"""Where it is notified that a batch was handed on; the payload is `<first position> <last position>`."""
_HAND_ON_LOCK = 0x706F7374_0001
"""Advisory lock of the one transaction at a time that gives positions."""


@dataclass(frozen=True)
class Happening:
    """Something that happened to what a user owns."""

    id: int
    user_id: UUID
    kind: str
    subject_id: UUID
    facts: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Told:
    """Something that happened, as a stream tells it."""

    position: int
    user_id: UUID
    kind: str
    subject_id: UUID
    facts: dict[str, Any]
    created_at: datetime


class HappeningRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Handing on

    async def take_turn(self) -> bool:
        """Whether this transaction is the one that hands on now; it stays so until after its commit."""
        found = await self._session.execute(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _HAND_ON_LOCK})
        return bool(found.scalar_one())

    async def unhandled(self, *, limit: int) -> list[Happening]:
        """Return what nobody has handed on, in order. Users who are just being deleted are left out; the others stay
        until the transaction ends."""
        rows = (
            await self._session.execute(
                text("""
                SELECT id, user_id, kind, subject_id, facts, created_at FROM user_events
                WHERE handled_at IS NULL ORDER BY id LIMIT :limit
                """),
                {"limit": limit},
            )
        ).all()
        users = await self._session.execute(
            text("SELECT id FROM users WHERE id = ANY(:ids) ORDER BY id FOR KEY SHARE SKIP LOCKED"),
            {"ids": list({row.user_id for row in rows})},
        )
        kept = {row.id for row in users}
        return [Happening(*row) for row in rows if row.user_id in kept]

    async def done(self, ids: Sequence[int], *, at: datetime) -> None:
        """Mark as handed on, give positions in the order of `ids`, and notify who listens once it is committed."""
        rows = await self._session.execute(
            text("SELECT nextval('user_events_position_seq') AS position FROM generate_series(1, :count)"),
            {"count": len(ids)},
        )
        positions = sorted(row.position for row in rows)
        await self._session.execute(
            text("""
            UPDATE user_events SET handled_at = :at, position = given.position
            FROM unnest(CAST(:ids AS bigint[]), CAST(:positions AS bigint[])) AS given (id, position)
            WHERE user_events.id = given.id
            """),
            {"at": at, "ids": list(ids), "positions": positions},
        )
        await self._session.execute(
            text("SELECT pg_notify(:channel, :payload)"),
            {"channel": CHANNEL, "payload": f"{positions[0]} {positions[-1]}"},
        )

    async def add_handled(
        self, user_id: UUID, kind: str, subject_id: UUID, facts: dict[str, Any], *, at: datetime
    ) -> int:
        """Write an event that concerns one webhook alone and is told to nobody else; return its id."""
        rows = await self._session.execute(
            text("""
            INSERT INTO user_events (user_id, kind, subject_id, facts, handled_at, created_at)
            VALUES (:user_id, :kind, :subject_id, CAST(:facts AS jsonb), :at, :at) RETURNING id
            """),
            {"user_id": user_id, "kind": kind, "subject_id": subject_id, "facts": json.dumps(facts), "at": at},
        )
        return int(rows.scalar_one())

    # What notices need to know

    async def timezones(self, user_ids: Collection[UUID]) -> dict[UUID, str]:
        rows = await self._session.execute(
            text("SELECT id, timezone FROM users WHERE id = ANY(:ids)"), {"ids": list(user_ids)}
        )
        return {row.id: row.timezone for row in rows}

    async def post_contents(self, post_ids: Collection[UUID]) -> dict[UUID, tuple[str, str]]:
        """Return text and account name of posts that still exist."""
        rows = await self._session.execute(
            text("""
            SELECT p.id, p.content, a.account_name FROM posts p JOIN social_accounts a ON a.id = p.account_id
            WHERE p.id = ANY(:ids)
            """),
            {"ids": list(post_ids)},
        )
        return {row.id: (row.content, row.account_name) for row in rows}

    async def posts_on_hold(self, account_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return how many posts of each account wait."""
        rows = await self._session.execute(
            text("""
            SELECT account_id, count(*) AS waiting FROM posts
            WHERE account_id = ANY(:ids) AND status = 'on_hold' GROUP BY account_id
            """),
            {"ids": list(account_ids)},
        )
        return {row.account_id: row.waiting for row in rows}

    async def written_by_machine(self, versions: Collection[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
        """Return which of these versions of captions nobody wrote by hand."""
        rows = await self._session.execute(
            text("""
            SELECT v.item_id, v.version FROM caption_versions v
            JOIN unnest(CAST(:items AS uuid[]), CAST(:versions AS int[])) AS asked (item_id, version)
              ON asked.item_id = v.item_id AND asked.version = v.version
            WHERE v.source = 'generated'
            """),
            {"items": [item for item, _ in versions], "versions": [version for _, version in versions]},
        )
        return {(row.item_id, row.version) for row in rows}

    async def items_to_review(self, user_ids: Collection[UUID]) -> dict[UUID, int]:
        rows = await self._session.execute(
            text("""
            SELECT user_id, count(*) AS waiting FROM content_queue
            WHERE user_id = ANY(:ids) AND status = 'generated' GROUP BY user_id
            """),
            {"ids": list(user_ids)},
        )
        return {row.user_id: row.waiting for row in rows}

    # Streams

    async def after(self, positions: dict[UUID, int], *, limit: int) -> list[Told]:
        """Return what was handed on after each user's position, in order, at most `limit` for each."""
        rows = await self._session.execute(
            text("""
            SELECT e.position, e.user_id, e.kind, e.subject_id, e.facts, e.created_at
            FROM unnest(CAST(:users AS uuid[]), CAST(:positions AS bigint[])) AS seen (user_id, position)
            CROSS JOIN LATERAL (
                SELECT * FROM user_events WHERE user_events.user_id = seen.user_id
                  AND user_events.position > seen.position ORDER BY user_events.position LIMIT :limit
            ) e
            ORDER BY e.position
            """),
            {"users": list(positions), "positions": list(positions.values()), "limit": limit},
        )
        return [Told(*row) for row in rows]

    async def last_position(self, user_id: UUID) -> int:
        """Return the newest position of a user's; 0 where there is none."""
        found = await self._session.execute(
            text("SELECT max(position) FROM user_events WHERE user_id = :user_id"), {"user_id": user_id}
        )
        return int(found.scalar() or 0)

    async def is_kept(self, user_id: UUID, position: int) -> bool:
        """Whether the event at a position is still there: then everything after it is, too."""
        found = await self._session.execute(
            text("SELECT 1 FROM user_events WHERE user_id = :user_id AND position = :position"),
            {"user_id": user_id, "position": position},
        )
        return found.first() is not None
