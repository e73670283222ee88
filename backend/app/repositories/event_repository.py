"""SQL of events that platforms report, and of what they change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id
from app.models import DeletionRequest


@dataclass(frozen=True)
class StoredEvent:
    id: UUID
    source: str
    kind: str
    payload: dict[str, Any]


class EventRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def keep(self, source: str, external_id: str, kind: str, payload: dict[str, Any]) -> bool:
        """Store an event; `False` when it was delivered before."""
        rows = await self._session.execute(
            text("""
            INSERT INTO inbound_events (id, source, external_id, kind, payload)
            VALUES (:id, :source, :external_id, :kind, CAST(:payload AS jsonb))
            ON CONFLICT (source, external_id) DO NOTHING RETURNING id
            """),
            {
                "id": new_id(),
                "source": source,
                "external_id": external_id,
                "kind": kind,
                "payload": json.dumps(payload).replace("\\u0000", ""),
            },
        )
        return rows.first() is not None

    async def keep_handled(self, source: str, external_id: str, kind: str, payload: dict[str, Any]) -> bool:
        """Store an event that is worked off in the same transaction; `False` when it was delivered before."""
        rows = await self._session.execute(
            text("""
            INSERT INTO inbound_events (id, source, external_id, kind, payload, handled_at, outcome)
            VALUES (:id, :source, :external_id, :kind, CAST(:payload AS jsonb), clock_timestamp(), 'received')
            ON CONFLICT (source, external_id) DO NOTHING RETURNING id
            """),
            {
                "id": new_id(),
                "source": source,
                "external_id": external_id,
                "kind": kind,
                "payload": json.dumps(payload),
            },
        )
        return rows.first() is not None

    async def open_events(self, *, limit: int) -> list[StoredEvent]:
        """Return events that nobody has worked off, oldest first, locked until the transaction ends."""
        rows = await self._session.execute(
            text("""
            SELECT id, source, kind, payload FROM inbound_events WHERE handled_at IS NULL
            ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
            """),
            {"limit": limit},
        )
        return [StoredEvent(*row) for row in rows]

    async def done(self, event_id: UUID, outcome: str) -> None:
        await self._session.execute(
            text("UPDATE inbound_events SET handled_at = clock_timestamp(), outcome = :outcome WHERE id = :id"),
            {"id": event_id, "outcome": outcome},
        )

    # What events change

    async def posts_of(
        self, account_ids: Sequence[UUID], *, publish_id: str | None, platform_post_id: str | None
    ) -> list[tuple[UUID, UUID]]:
        """Return (post, account) of recent posts that an event means."""
        rows = await self._session.execute(
            text("""
            SELECT DISTINCT post.id, post.account_id FROM posts post
            LEFT JOIN publications p ON p.post_id = post.id
            WHERE post.account_id = ANY(:accounts) AND post.created_at > now() - interval '400 days'
              AND (post.platform_post_id = :platform_post_id OR p.progress -> 'data' ->> 'publish_id' = :publish_id)
            """),
            {"accounts": list(account_ids), "publish_id": publish_id, "platform_post_id": platform_post_id},
        )
        return [(row.id, row.account_id) for row in rows]

    async def look_now(self, account_id: UUID, post_id: UUID | None) -> int:
        """Have open publications that wait for their platform looked at now: one post's, or all of an account's.

        One that waits before it begins anew has a `reason` for it, and is left alone. The lane is locked first, as
        everywhere; one that somebody works on is looked at when it is let go.
        """
        rows = await self._session.execute(
            text("""
            WITH lane AS (
                SELECT account_id FROM publishing_lanes WHERE account_id = :account_id FOR UPDATE
            ), hurried AS (
                UPDATE publications SET due_at = clock_timestamp() FROM lane
                WHERE publications.account_id = lane.account_id AND finished_at IS NULL AND tries = 0
                  AND step IN ('process', 'confirm', 'reconcile') AND due_at > clock_timestamp()
                  AND NOT jsonb_exists(COALESCE(progress -> 'data', '{}'), 'reason')
                  AND (CAST(:post_id AS uuid) IS NULL OR post_id = :post_id)
                RETURNING publications.account_id
            )
            UPDATE publishing_lanes SET due_at = GREATEST(clock_timestamp(), paused_until)
            WHERE account_id IN (SELECT account_id FROM hurried) RETURNING account_id
            """),
            {"account_id": account_id, "post_id": post_id},
        )
        return len(rows.all())

    async def read_numbers_soon(self, post_id: UUID) -> None:
        """Have a post's numbers read now, but not more often than once a minute."""
        await self._session.execute(
            text("""
            UPDATE post_metrics SET next_fetch_at = LEAST(
                next_fetch_at, GREATEST(clock_timestamp(), COALESCE(fetched_at, posted_at) + interval '1 minute'))
            WHERE post_id = :post_id AND next_fetch_at IS NOT NULL
            """),
            {"post_id": post_id},
        )

    # Data deletion

    async def forget_account(self, account_id: UUID, platform: str, external: str | None) -> None:
        """Delete what came from the platform about an account: profile data, ids, links, numbers and sentences with
        its name.

        The posts' own words and pictures are their author's and stay; so does that they went out, and when.
        """
        for statement in (
            "DELETE FROM metric_snapshots WHERE post_id IN (SELECT id FROM posts WHERE account_id = :id)",
            "DELETE FROM post_metrics WHERE account_id = :id",
            "DELETE FROM inbound_events WHERE source = :platform AND payload ->> 'account_id_external' = :external "
            "AND handled_at IS NOT NULL",
            "DELETE FROM connection_choices WHERE platform = :platform "
            "AND user_id = (SELECT user_id FROM social_accounts WHERE id = :id)",
            "UPDATE publication_attempts SET detail = NULL, path = NULL WHERE publication_id IN "
            "(SELECT id FROM publications WHERE account_id = :id)",
            "UPDATE publications SET progress = '{}', error_message = NULL WHERE account_id = :id "
            "AND finished_at IS NOT NULL",
            "UPDATE publications SET error_message = NULL WHERE account_id = :id",
            "UPDATE posts SET platform_post_id = NULL, permalink = NULL, error_message = NULL, "
            "first_comment_error = NULL, updated_at = now() WHERE account_id = :id",
            "UPDATE social_accounts SET account_name = 'Deleted account', account_id_external = NULL, "
            "avatar_url = NULL, owner_ids_external = '{}', granted_scopes = '{}', updated_at = now() WHERE id = :id",
        ):
            await self._session.execute(
                text(statement),
                {
                    name: value
                    for name, value in (("id", account_id), ("platform", platform), ("external", external))
                    if f":{name}" in statement
                },
            )

    async def add_deletion(self, request: DeletionRequest) -> None:
        self._session.add(request)
        await self._session.flush()

    async def deletion(self, code: str) -> DeletionRequest | None:
        return await self._session.get(DeletionRequest, code)
