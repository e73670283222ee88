"""SQL of posts. Every query is scoped by `user_id`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, insert, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Post
from app.repositories.post_count_repository import PostCountRepository
from app.repositories.publication_repository import PublicationRepository

COLUMNS = tuple(Post.__table__.columns)
PostRow = Row[Any]


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
    ) -> list[PostRow]:
        """Return one page, newest first; one row more than asked for says that there is a next page."""
        query = _matching(select(*COLUMNS), user_id, wanted).order_by(Post.created_at.desc(), Post.id.desc())
        after = read_cursor(cursor) if cursor else None
        if after is not None:
            query = query.where(tuple_(Post.created_at, Post.id) < after)
        else:
            query = query.offset((page - 1) * per_page)
        return list((await self._session.execute(query.limit(per_page + 1))).all())

    async def count(self, user_id: UUID, wanted: PostFilter) -> int:
        """Return the exact number of matches."""
        if wanted.is_counted:
            return await PostCountRepository(self._session).count(
                user_id, status=wanted.status, platform=wanted.platform, account_id=wanted.account_id
            )
        return int(await self._session.scalar(_matching(select(func.count()), user_id, wanted)) or 0)

    async def between(self, user_id: UUID, *, start: datetime, end: datetime, wanted: PostFilter) -> list[PostRow]:
        """Return posts that go out in [start, end), in order of time."""
        query = _matching(select(*COLUMNS), user_id, wanted).where(
            Post.scheduled_for >= start, Post.scheduled_for < end
        )
        return list((await self._session.execute(query.order_by(Post.scheduled_for, Post.id))).all())

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


def _matching(query: Select[Any], user_id: UUID, wanted: PostFilter) -> Select[Any]:
    conditions = [Post.user_id == user_id]
    if wanted.status is not None:
        conditions.append(Post.status == wanted.status)
    if wanted.platform is not None:
        conditions.append(Post.platform == wanted.platform)
    if wanted.account_id is not None:
        conditions.append(Post.account_id == wanted.account_id)
    if wanted.text is not None:
        tag = wanted.text.strip().removeprefix("#").lower()
        conditions.append(
            or_(
                Post.content.icontains(wanted.text, autoescape=True),
                func.lower(func.array_to_string(Post.hashtags, " ")).contains(tag, autoescape=True),
            )
        )
    if wanted.since is not None:
        conditions.append(Post.scheduled_for >= wanted.since)
    if wanted.until is not None:
        conditions.append(Post.scheduled_for < wanted.until)
    return query.where(and_(*conditions))


def make_cursor(row: PostRow) -> str:
    """Return an opaque mark after a row."""
    return base64.urlsafe_b64encode(json.dumps([row.created_at.isoformat(), str(row.id)]).encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID] | None:
    """Return where a cursor points to, or `None` when it is not one of ours."""
    try:
        moment, post_id = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return datetime.fromisoformat(moment), UUID(post_id)
    except (binascii.Error, ValueError, TypeError, UnicodeError):
        return None
