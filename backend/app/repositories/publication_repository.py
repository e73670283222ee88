"""SQL of the publishing engine: lanes, leases, publications and their journal.

Whoever locks rows of an account locks the lane first, then the publication, then the post. All times of leases and
due dates are the database's, so that machines with different clocks agree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.ids import new_id

_CLAIM = text("""
WITH ready AS (
    SELECT account_id FROM publishing_lanes
    WHERE due_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE publishing_lanes lane
    SET lease_id = gen_random_uuid(), lease_until = clock_timestamp() + :lease, lease_owner = :owner
    FROM ready WHERE lane.account_id = ready.account_id
    RETURNING lane.account_id, lane.lease_id
)
SELECT claimed.account_id, claimed.lease_id, due.id AS publication_id
FROM claimed LEFT JOIN LATERAL (
    SELECT id FROM publications
    WHERE account_id = claimed.account_id AND finished_at IS NULL AND due_at <= clock_timestamp()
    ORDER BY due_at, id LIMIT 1
) due ON true
""")

_LOAD = text("""
SELECT p.id, p.post_id, p.user_id, p.account_id, p.step, p.progress, p.due_at, p.tries, p.started_at,
       p.submitted_at, post.platform, post.post_type, post.content, post.hashtags, post.media, post.options,
       account.account_id_external, account.account_name,
       account.status AS account_status, credential.ciphertext, credential.key_version,
       credential.version AS credential_version, credential.expires_at AS token_expires_at,
       credential.refresh_due_at, post.product_id, post.product_facts
FROM publications p
JOIN posts post ON post.id = p.post_id
JOIN social_accounts account ON account.id = p.account_id
LEFT JOIN account_credentials credential ON credential.account_id = p.account_id
WHERE p.id = ANY(:ids) AND p.finished_at IS NULL
""")

_BEGIN = text("""
WITH begun AS (
    UPDATE publications SET started_at = clock_timestamp()
    WHERE id = ANY(:ids) AND started_at IS NULL RETURNING post_id
)
UPDATE posts SET status = 'publishing', attempts = attempts + 1, updated_at = now()
FROM begun WHERE posts.id = begun.post_id
""")

_RENEW = text("""
WITH mine AS (
    SELECT account_id FROM publishing_lanes WHERE lease_id = ANY(:leases) ORDER BY account_id FOR UPDATE
)
UPDATE publishing_lanes lane SET lease_until = clock_timestamp() + :lease
FROM mine WHERE lane.account_id = mine.account_id RETURNING lane.lease_id
""")

_HAND_BACK = text("""
WITH mine AS (
    SELECT account_id FROM publishing_lanes WHERE lease_id = ANY(:leases) ORDER BY account_id FOR UPDATE
)
UPDATE publishing_lanes lane SET lease_id = NULL, lease_until = NULL, lease_owner = NULL
FROM mine WHERE lane.account_id = mine.account_id
""")

_LOCK_LANE = text("SELECT 1 FROM publishing_lanes WHERE account_id = :account_id AND lease_id = :lease_id FOR UPDATE")

_RELEASE = text("""
UPDATE publishing_lanes SET lease_id = NULL, lease_until = NULL, lease_owner = NULL,
    paused_until = GREATEST(paused_until, clock_timestamp() + CAST(:pause AS interval)),
    due_at = (
        SELECT GREATEST(min(p.due_at), clock_timestamp(), paused_until, clock_timestamp() + CAST(:pause AS interval))
        FROM publications p
        WHERE p.account_id = :account_id AND p.finished_at IS NULL HAVING min(p.due_at) IS NOT NULL
    )
WHERE account_id = :account_id
""")

_JOURNAL = text("""
INSERT INTO publication_attempts
    (id, publication_id, step, operation, outcome, status, code, trace_id, detail, host, path, started_at,
     duration_ms, worker)
SELECT j.id, :publication_id, j.step, j.operation, j.outcome, j.status, j.code, j.trace_id, j.detail, j.host, j.path,
       j.started_at, j.duration_ms, :worker
FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS j(
    id uuid, step text, operation text, outcome text, status smallint, code text, trace_id text, detail text,
    host text, path text, started_at timestamptz, duration_ms integer)
""")

_SAVE = text("""
UPDATE publications SET step = CAST(:step AS text), progress = CAST(:progress AS jsonb), tries = :tries,
    submitted_at = CASE WHEN CAST(:submitting AS boolean) THEN clock_timestamp()
                        WHEN CAST(:step AS text) IN ('prepare', 'process') THEN NULL
                        ELSE COALESCE(submitted_at, clock_timestamp()) END,
    due_at = clock_timestamp() + :wait, error_code = :error_code, error_message = :error_message,
    platform_code = :platform_code, platform_trace_id = :platform_trace_id
WHERE id = :id AND finished_at IS NULL
""")

_TELL_OWNER = text("""
UPDATE posts SET error_code = :error_code, error_message = :error_message, updated_at = now()
WHERE id = :post_id
""")

_FINISH = text("""
WITH done AS (
    UPDATE publications SET step = :step, progress = CAST(:progress AS jsonb), finished_at = clock_timestamp(),
        outcome = :outcome, error_code = CAST(:error_code AS text), error_message = CAST(:error_message AS text),
        platform_code = :platform_code, platform_trace_id = :platform_trace_id
    WHERE id = :id AND finished_at IS NULL RETURNING post_id, account_id, user_id
)
UPDATE posts SET status = CAST(:post_status AS text), error_code = CAST(:error_code AS text),
    error_message = CAST(:error_message AS text),
    platform_post_id = COALESCE(:platform_post_id, platform_post_id), permalink = COALESCE(:permalink, permalink),
    posted_at = CASE WHEN CAST(:post_status AS text) = 'posted' THEN clock_timestamp() ELSE posted_at END,
    updated_at = now()
FROM done WHERE posts.id = done.post_id
""")

_FOLLOW_NUMBERS = text("""
WITH account AS (
    UPDATE social_accounts SET last_posted_at = clock_timestamp() WHERE id = :account_id
)
INSERT INTO post_metrics (id, post_id, user_id, account_id, platform, posted_at, next_fetch_at, reads)
VALUES (:id, :post_id, :user_id, :account_id, :platform, clock_timestamp(), clock_timestamp() + :first_age, 0)
ON CONFLICT (post_id) DO NOTHING
""")

_FOLLOW_UP = text("""
WITH told AS (
    UPDATE posts SET live_status = 'pending', live_checked_at = NULL, first_comment_error = NULL,
        first_comment_status = CASE WHEN CAST(:has_comment AS boolean) THEN 'pending' END
    WHERE id = :post_id
)
INSERT INTO follow_ups (id, post_id, account_id, kind, due_at)
SELECT wanted.id, :post_id, :account_id, wanted.kind, clock_timestamp() + wanted.wait
FROM (VALUES (CAST(:live_id AS uuid), 'live', CAST(:look_after AS interval)),
             (CAST(:comment_id AS uuid), 'first_comment', interval '0')) wanted(id, kind, wait)
WHERE wanted.kind = 'live' OR CAST(:has_comment AS boolean)
ON CONFLICT (post_id, kind) DO NOTHING
""")

_WAKE_LANE = text("""
INSERT INTO publishing_lanes (account_id, due_at) VALUES (:account_id, :due_at)
ON CONFLICT (account_id) DO UPDATE SET
    due_at = GREATEST(excluded.due_at, publishing_lanes.paused_until)
WHERE publishing_lanes.due_at IS NULL
   OR publishing_lanes.due_at > GREATEST(excluded.due_at, publishing_lanes.paused_until)
""")

_LOCK_ACCOUNT_LANE = text("SELECT 1 FROM publishing_lanes WHERE account_id = :account_id FOR UPDATE")

_REPAIR_LANES = text("""
WITH forgotten AS (
    SELECT DISTINCT p.account_id FROM publications p
    LEFT JOIN publishing_lanes lane ON lane.account_id = p.account_id
    WHERE p.finished_at IS NULL AND p.due_at <= clock_timestamp() - interval '20 seconds'
      AND (lane.account_id IS NULL OR lane.due_at IS NULL OR lane.due_at > clock_timestamp())
      AND (lane.paused_until IS NULL OR lane.paused_until < clock_timestamp())
      AND (lane.lease_until IS NULL OR lane.lease_until < clock_timestamp())
)
INSERT INTO publishing_lanes (account_id, due_at)
SELECT account_id, clock_timestamp() FROM forgotten ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET due_at = excluded.due_at
""")

LATE_AFTER = timedelta(minutes=2)
"""A post this long overdue is late: readiness fails and the owner is told."""


@dataclass(frozen=True)
class Claim:
    """One lane that is ours until its lease runs out, and the publication to work on, if one is still due."""

    account_id: UUID
    lease_id: UUID
    publication_id: UUID | None


@dataclass(frozen=True)
class Due:
    """Everything needed to take one publication further, read with the claim."""

    id: UUID
    post_id: UUID
    user_id: UUID
    account_id: UUID
    step: str
    progress: dict[str, Any]
    due_at: datetime
    tries: int
    started_at: datetime | None
    submitted_at: datetime | None
    platform: str
    post_type: str
    content: str
    hashtags: list[str]
    media: list[dict[str, Any]]
    options: dict[str, Any]
    account_id_external: str
    account_name: str
    account_status: str
    ciphertext: bytes | None
    key_version: str | None
    credential_version: int | None
    token_expires_at: datetime | None
    refresh_due_at: datetime | None
    product_id: UUID | None
    product_facts: dict[str, Any] | None


@dataclass(frozen=True)
class LastProgress:
    """A run and the adapter's own notes in it."""

    id: UUID
    data: dict[str, Any]


@dataclass(frozen=True)
class Trouble:
    """What the owner and support are told about the last failure."""

    code: str | None = None
    sentence: str | None = None
    platform_code: str | None = None
    trace_id: str | None = None

    def parameters(self) -> dict[str, str | None]:
        return {
            "error_code": fitting(self.code, 64),
            "error_message": fitting(self.sentence, 2000),
            "platform_code": fitting(self.platform_code, 64),
            "platform_trace_id": fitting(self.trace_id, 128),
        }


def fitting(words: str | None, longest: int) -> str | None:
    """Return words from outside in a form that the database takes: short enough, and without what it cannot store."""
    if words is None:
        return None
    return words.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:longest]


NO_TROUBLE = Trouble()


def storable(value: object) -> str:
    """Return JSON that PostgreSQL takes: it knows no NUL, and no half of a character."""
    return json.dumps(value).replace("\\u0000", "").encode("utf-8", "replace").decode("utf-8")


class PublicationRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # Claiming

    async def claim(self, *, limit: int, lease: timedelta, owner: str) -> list[tuple[Claim, Due | None]]:
        """Claim up to `limit` lanes and mark the posts found there as publishing."""
        rows = await self._session.execute(_CLAIM, {"limit": limit, "lease": lease, "owner": owner})
        claims = [Claim(*row) for row in rows]
        ids = [claim.publication_id for claim in claims if claim.publication_id is not None]
        due: dict[UUID, Due] = {}
        if ids:
            due = {row.id: Due(*row) for row in await self._session.execute(_LOAD, {"ids": ids})}
            fresh = [item.id for item in due.values() if item.started_at is None]
            if fresh:
                await self._session.execute(_BEGIN, {"ids": fresh})
        return [(claim, due.get(claim.publication_id) if claim.publication_id else None) for claim in claims]

    async def renew(self, leases: Sequence[UUID], *, lease: timedelta) -> set[UUID]:
        """Prolong our leases and return those that are still ours."""
        rows = await self._session.execute(_RENEW, {"leases": list(leases), "lease": lease})
        return {row.lease_id for row in rows}

    async def hand_back(self, leases: Sequence[UUID]) -> None:
        """Give lanes back at once, whatever was reached; their due times stay as they are."""
        await self._session.execute(_HAND_BACK, {"leases": list(leases)})

    async def holds(self, claim: Claim) -> bool:
        """Lock the lane and say whether the lease is still ours. The first statement of everything that records."""
        row = await self._session.execute(_LOCK_LANE, {"account_id": claim.account_id, "lease_id": claim.lease_id})
        return row.first() is not None

    async def release(self, claim: Claim, *, pause: timedelta | None = None) -> None:
        """Let go of a lane that is locked: its next turn comes after everybody who is due now."""
        await self._session.execute(_RELEASE, {"account_id": claim.account_id, "pause": pause})

    # Recording

    async def save(
        self,
        publication_id: UUID,
        *,
        step: str,
        progress: dict[str, Any],
        wait: timedelta,
        tries: int = 0,
        submitting: bool = False,
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        await self._session.execute(
            _SAVE,
            {
                "id": publication_id,
                "step": step,
                "progress": storable(progress),
                "wait": wait,
                "tries": tries,
                "submitting": submitting,
                **trouble.parameters(),
            },
        )

    async def finish(
        self,
        publication_id: UUID,
        *,
        step: str,
        progress: dict[str, Any],
        outcome: str,
        post_status: str,
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        """End the run and give the post its status."""
        await self._session.execute(
            _FINISH,
            {
                "id": publication_id,
                "step": step,
                "progress": storable(progress),
                "outcome": outcome,
                "post_status": post_status,
                "platform_post_id": fitting(progress.get("platform_post_id"), 255),
                "permalink": progress.get("permalink"),
                **trouble.parameters(),
            },
        )

    async def tell_owner(self, post_id: UUID, trouble: Trouble) -> None:
        """Show on the post why it is not out yet."""
        told = trouble.parameters()
        await self._session.execute(
            _TELL_OWNER,
            {
                "post_id": post_id,
                "error_code": told["error_code"],
                "error_message": told["error_message"],
            },
        )

    async def know_product(self, post_id: UUID, facts: Mapping[str, Any], *, content: str | None = None) -> None:
        """Keep what is known of a post's product from now on, and the text that says so."""
        await self._session.execute(
            text("""
            UPDATE posts SET product_facts = COALESCE(product_facts, '{}') || CAST(:facts AS jsonb),
                content = COALESCE(CAST(:content AS text), content), updated_at = now()
            WHERE id = :post_id
            """),
            {"post_id": post_id, "facts": storable(dict(facts)), "content": content},
        )

    async def is_known(self, account_id: UUID, platform_post_id: str, *, except_post: UUID) -> bool:
        """Say whether another post of the account went out under this id."""
        rows = await self._session.execute(
            text("""
            SELECT 1 FROM posts
            WHERE account_id = :account_id AND platform_post_id = :platform_post_id AND id <> :post_id LIMIT 1
            """),
            {"account_id": account_id, "platform_post_id": platform_post_id, "post_id": except_post},
        )
        return rows.first() is not None

    async def follow_numbers(self, due: Due, *, first_age: timedelta) -> None:
        """Begin to collect the numbers of a post that went out."""
        await self._session.execute(
            _FOLLOW_NUMBERS,
            {
                "id": new_id(),
                "post_id": due.post_id,
                "user_id": due.user_id,
                "account_id": due.account_id,
                "platform": due.platform,
                "first_age": first_age,
            },
        )

    async def follow_up(self, due: Due, *, look_after: timedelta, has_comment: bool) -> None:
        """Plan what is to be done for a post that went out: look at it once more, and write its first comment."""
        await self._session.execute(
            _FOLLOW_UP,
            {
                "post_id": due.post_id,
                "account_id": due.account_id,
                "live_id": new_id(),
                "comment_id": new_id(),
                "look_after": look_after,
                "has_comment": has_comment,
            },
        )

    async def journal(self, publication_id: UUID, entries: Sequence[dict[str, Any]], *, worker: str) -> None:
        if entries:
            await self._session.execute(
                _JOURNAL, {"publication_id": publication_id, "entries": storable(list(entries)), "worker": worker}
            )

    # Scheduling

    async def lock_lane(self, account_id: UUID) -> None:
        """Take the lane's row lock before touching the account's publications and posts."""
        await self._session.execute(_LOCK_ACCOUNT_LANE, {"account_id": account_id})

    async def open_run(self, post_id: UUID, *, user_id: UUID, account_id: UUID, at: datetime) -> UUID:
        """Begin a new run for a post, due at `at`, and wake its lane in time."""
        publication_id = new_id()
        await self._session.execute(
            text("""
            INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at)
            SELECT :id, :post_id, :user_id, :account_id, 1 + COALESCE(max(run), 0), 'prepare', :at, :at
            FROM publications WHERE post_id = :post_id
            """),
            {"id": publication_id, "post_id": post_id, "user_id": user_id, "account_id": account_id, "at": at},
        )
        await self.wake_lane(account_id, at=at)
        return publication_id

    async def wake_lane(self, account_id: UUID, *, at: datetime) -> None:
        await self._session.execute(_WAKE_LANE, {"account_id": account_id, "due_at": at})

    async def drop_unstarted_run(self, post_id: UUID) -> None:
        """Forget the open run of a post that was never begun."""
        await self._session.execute(
            text("DELETE FROM publications WHERE post_id = :post_id AND finished_at IS NULL AND started_at IS NULL"),
            {"post_id": post_id},
        )

    async def repair_lanes(self) -> None:
        """Wake lanes that missed a due publication. None should; this makes sure that none stays so."""
        await self._session.execute(_REPAIR_LANES)

    # Looking

    async def count_late(self) -> int:
        """Return how many publications are overdue by more than two minutes and not being worked on."""
        row = await self._session.execute(
            text("""
            SELECT count(*) FROM publications p
            LEFT JOIN publishing_lanes lane ON lane.account_id = p.account_id
            WHERE p.finished_at IS NULL AND p.due_at < clock_timestamp() - CAST(:late AS interval)
              AND (lane.paused_until IS NULL OR lane.paused_until < clock_timestamp())
              AND (lane.lease_until IS NULL OR lane.lease_until < clock_timestamp())
            """),
            {"late": LATE_AFTER},
        )
        return int(row.scalar_one())

    async def last_progress(self, post_id: UUID) -> LastProgress | None:
        """Return what the adapter noted in the newest run of a post."""
        rows = await self._session.execute(
            text("""
            SELECT id, COALESCE(progress -> 'data', '{}') AS data FROM publications
            WHERE post_id = :post_id ORDER BY run DESC LIMIT 1
            """),
            {"post_id": post_id},
        )
        row = rows.first()
        return LastProgress(row.id, row.data) if row else None

    async def story(self, post_id: UUID) -> list[dict[str, Any]]:
        """Return every journal entry of a post, oldest first."""
        rows = await self._session.execute(
            text("""
            SELECT a.step, a.operation, a.outcome, a.status, a.code, a.trace_id, a.detail, a.started_at,
                   a.duration_ms, p.run
            FROM publication_attempts a JOIN publications p ON p.id = a.publication_id
            WHERE p.post_id = :post_id ORDER BY a.started_at, a.id
            """),
            {"post_id": post_id},
        )
        return [dict(row._mapping) for row in rows]
