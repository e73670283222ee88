"""SQL of posts. Every query is scoped by `user_id`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, TextClause, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Post
from app.repositories.cursor import read_cursor
from app.repositories.post_count_repository import PostCountRepository
from app.repositories.publication_repository import PublicationRepository

COLUMNS = tuple(Post.__table__.columns)
PostRow = Row[Any]
_PRIVATE = {"user_id", "product_facts"}
_PUBLIC = ", ".join(column.name for column in COLUMNS if column.name not in _PRIVATE)


@dataclass(frozen=True)
class PostFilter:
    status: str | None = None
    platform: str | None = None
    account_id: UUID | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """`since` and `until` bound the time a post is (or was) to go out; drafts without a time do not match."""

    @property
    def is_counted(self) -> bool:
        """Whether the number of matches is kept, rather than counted row by row."""
        return self.text is None and self.since is None and self.until is None


class RenderedPost(NamedTuple):
    """A post as the API shows it, already written as JSON; and what it is sorted by."""

    id: UUID
    created_at: datetime
    scheduled_for: datetime | None
    json: str


class RenderedDay(NamedTuple):
    """The posts of one day as JSON objects, separated by commas, in order of time; in UTF-8."""

    posts: int
    json: bytes


class PostRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._publications = PublicationRepository(session)

    async def find(self, user_id: UUID, post_id: UUID) -> PostRow | None:
        rows = await self._session.execute(select(*COLUMNS).where(Post.id == post_id, Post.user_id == user_id))
        return rows.first()

    async def lock(self, user_id: UUID, post_id: UUID) -> PostRow | None:
        """Return a post for changing: lane first, then publication, then the post itself."""
        account_id = await self._session.scalar(
            select(Post.account_id).where(Post.id == post_id, Post.user_id == user_id)
        )
        if account_id is None:
            return None
        await self._publications.lock_lane(account_id)
        rows = await self._session.execute(
            select(*COLUMNS).where(Post.id == post_id, Post.user_id == user_id).with_for_update()
        )
        return rows.first()

    async def list_page(
        self, user_id: UUID, wanted: PostFilter, *, page: int, per_page: int, cursor: str | None
    ) -> list[RenderedPost]:
        """Return one page, newest first; one post more than asked for says that there is a next page."""
        conditions, parameters = _conditions(user_id, wanted)
        parameters |= {"limit": per_page + 1, "offset": 0}
        after = read_cursor(cursor) if cursor else None
        if after is not None:
            conditions.append("(created_at, id) < (:after_time, :after_id)")
            parameters |= {"after_time": after[0], "after_id": after[1]}
        else:
            parameters["offset"] = (page - 1) * per_page
        order = "ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset"
        return await self._rendered(" AND ".join(conditions), order, parameters)

    async def count(self, user_id: UUID, wanted: PostFilter) -> int:
        """Return the exact number of matches."""
        if wanted.is_counted:
            return await PostCountRepository(self._session).count(
                user_id, status=wanted.status, platform=wanted.platform, account_id=wanted.account_id
            )
        conditions, parameters = _conditions(user_id, wanted)
        rows = await self._session.execute(_counting(" AND ".join(conditions)), parameters)
        return int(rows.scalar_one())

    async def by_day(self, user_id: UUID, wanted: PostFilter, starts: Sequence[datetime]) -> dict[int, RenderedDay]:
        """Return posts by the day they go out on: `starts` holds the first moment of each day and of the day after.

        Days are counted from 0; days without posts are missing.
        """
        conditions, parameters = _conditions(user_id, replace(wanted, since=starts[0], until=starts[-1]))
        parameters["starts"] = list(starts)
        rows = await self._session.execute(_rendering_days(" AND ".join(conditions)), parameters)
        return {row.day: RenderedDay(row.posts, row.json) for row in rows}

    async def _rendered(self, condition: str, order: str, parameters: dict[str, Any]) -> list[RenderedPost]:
        """Let the database write the posts as JSON: for a month of posts that is several times faster than here."""
        rows = await self._session.execute(_rendering(condition, order), parameters)
        return [RenderedPost(*row) for row in rows]

    async def add_all(self, values: Sequence[dict[str, Any]]) -> list[PostRow]:
        """Insert posts in one statement and return them in the order given."""
        rows = await self._session.execute(insert(Post).returning(*COLUMNS, sort_by_parameter_order=True), values)
        return list(rows.all())

    async def change(self, user_id: UUID, post_id: UUID, **values: Any) -> PostRow:
        """Update a post that is locked."""
        statement = (
            update(Post)
            .where(Post.id == post_id, Post.user_id == user_id)
            .values(**values, updated_at=func.now())
            .returning(*COLUMNS)
        )
        return (await self._session.execute(statement)).one()

    async def delete(self, user_id: UUID, post_id: UUID) -> None:
        await self._session.execute(
            text("DELETE FROM posts WHERE id = :id AND user_id = :user_id"), {"id": post_id, "user_id": user_id}
        )


def _conditions(user_id: UUID, wanted: PostFilter) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions of a filter, always with the owner's first, and their parameters."""
    conditions = ["user_id = :user_id"]
    parameters: dict[str, Any] = {"user_id": user_id}
    for name in ("status", "platform", "account_id"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(f"{name} = :{name}")
            parameters[name] = value
    if wanted.text is not None:
        conditions.append("(content ILIKE :pattern OR array_to_string(hashtags, ' ') ILIKE :tag_pattern)")
        parameters |= {
            "pattern": f"%{_escape(wanted.text)}%",
            "tag_pattern": f"%{_escape(wanted.text.strip().removeprefix('#'))}%",
        }
    if wanted.since is not None:
        conditions.append("scheduled_for >= :since")
        parameters["since"] = wanted.since
    if wanted.until is not None:
        conditions.append("scheduled_for < :until")
        parameters["until"] = wanted.until
    return conditions, parameters


def _escape(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@lru_cache(maxsize=256)
def _rendering(condition: str, order: str) -> TextClause:
    # Only fixed words come here (`_conditions`): every value is a parameter.
    return text(f"""
        SELECT post.id, post.created_at, post.scheduled_for, row_to_json(post)::text
        FROM (SELECT {_PUBLIC} FROM posts WHERE {condition} {order}) post
    """)  # noqa: S608


@lru_cache(maxsize=256)
def _rendering_days(condition: str) -> TextClause:
    return text(f"""
        SELECT width_bucket(post.scheduled_for, CAST(:starts AS timestamptz[])) - 1 AS day, count(*) AS posts,
               convert_to(string_agg(row_to_json(post)::text, ',' ORDER BY post.scheduled_for, post.id), 'UTF8') AS json
        FROM (SELECT {_PUBLIC} FROM posts WHERE {condition}) post GROUP BY 1
    """)  # noqa: S608


@lru_cache(maxsize=256)
def _counting(condition: str) -> TextClause:
    return text(f"SELECT count(*) FROM posts WHERE {condition}")  # noqa: S608
