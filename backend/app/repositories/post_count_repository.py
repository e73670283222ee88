"""Exact numbers of posts, kept as small steps (see `models.posts.PostCountDelta`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

FOLD_FROM_ROWS = 50
"""Steps of one user are folded together once there are this many."""


class PostCountRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def count(self, user_id: UUID, *, status: str | None, platform: str | None, account_id: UUID | None) -> int:
        """Return exactly how many posts of a user match; the cost does not grow with their number."""
        conditions = ["user_id = :user_id"]
        parameters: dict[str, object] = {"user_id": user_id}
        for name, value in (("status", status), ("platform", platform), ("account_id", account_id)):
            if value is not None:
                conditions.append(f"{name} = :{name}")
                parameters[name] = value
        rows = await self._session.execute(
            text(f"SELECT COALESCE(sum(delta), 0) FROM post_count_deltas WHERE {' AND '.join(conditions)}"),  # noqa: S608
            parameters,
        )
        return int(rows.scalar_one())

    async def fold(self) -> None:
        """Replace many small steps by their sum. Readers see the same total before, during and after."""
        await self._session.execute(
            text("""
            WITH crowded AS (
                SELECT user_id FROM post_count_deltas GROUP BY user_id HAVING count(*) > :rows
            ), taken AS (
                SELECT id FROM post_count_deltas WHERE user_id IN (SELECT user_id FROM crowded)
                FOR UPDATE SKIP LOCKED
            ), removed AS (
                DELETE FROM post_count_deltas d USING taken WHERE d.id = taken.id
                RETURNING d.user_id, d.account_id, d.platform, d.status, d.delta
            )
            INSERT INTO post_count_deltas (user_id, account_id, platform, status, delta)
            SELECT user_id, account_id, platform, status, sum(delta) FROM removed
            GROUP BY 1, 2, 3, 4 HAVING sum(delta) <> 0
            """),
            {"rows": FOLD_FROM_ROWS},
        )
