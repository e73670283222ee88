"""The schema, as the migrations make it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from factories.databases import check_models, downgrade, upgrade
from factories.make import Factory, MadeUser
from sqlalchemy import delete, update

from app.domain.vocabulary import PostStatus
from app.models import Base, Post
from app.repositories.post_count_repository import FOLD_FROM_ROWS, PostCountRepository


async def tables_of(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        functions = await connection.fetch(
            "SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'public'"
        )
    finally:
        await connection.close()
    return {row["tablename"] for row in rows} | {f"{row['proname']}()" for row in functions}


class TestMigrations:
    @pytest.fixture
    def empty(self, make_database: Callable[[str], str], request: pytest.FixtureRequest) -> str:
        worker = getattr(request.config, "workerinput", {"workerid": "alone"})["workerid"]
        return make_database(f"migrations_{worker}")

    async def test_lead_from_an_empty_database_down_and_up_again(self, empty: str) -> None:
        functions = {"count_posts()", "discard_media()", "follow_queue_item()", "tell_user_event()"}
        expected = {*Base.metadata.tables, "alembic_version", *functions}
        assert await tables_of(empty) == set()
        upgrade(empty)
        assert await tables_of(empty) == expected
        downgrade(empty, "base")
        assert await tables_of(empty) == {"alembic_version"}
        upgrade(empty)
        assert await tables_of(empty) == expected

    def test_say_the_same_as_the_models(self, dsn: str) -> None:
        check_models(dsn)


class TestPostCounts:
    """`total` of a list is a sum of steps that triggers write: it must equal the rows at every moment."""

    async def kept(self, rows: Factory, user: MadeUser, **wanted: object) -> int:
        filters = {"status": None, "platform": None, "account_id": None, **wanted}
        async with rows.container.sessions() as session:
            return await PostCountRepository(session).count(user.id, **filters)  # type: ignore[arg-type]

    async def test_follow_insert_update_and_delete(self, factory: Factory) -> None:
        user = await factory.user()
        facebook, tiktok = await factory.account(user), await factory.account(user, "tiktok")
        first = await factory.post(user, facebook)
        await factory.post(user, tiktok)
        assert await self.kept(factory, user) == 2
        assert await self.kept(factory, user, platform="tiktok") == 1
        assert await self.kept(factory, user, status="draft", account_id=facebook.id) == 1
        await factory.execute("UPDATE posts SET status = 'scheduled' WHERE id = :id", id=first.id)
        assert await self.kept(factory, user, status="draft") == 1
        assert await self.kept(factory, user, status="scheduled") == 1
        await factory.execute("DELETE FROM posts WHERE id = :id", id=first.id)
        assert await self.kept(factory, user) == 1
        assert await self.kept(factory, user, status="scheduled") == 0

    async def test_follow_statements_on_many_rows(self, factory: Factory) -> None:
        user, other = await factory.user(), await factory.user()
        account, foreign = await factory.account(user), await factory.account(other)
        for _ in range(7):
            await factory.post(user, account)
        await factory.post(other, foreign)
        async with factory.container.sessions() as session:
            await session.execute(update(Post).where(Post.user_id == user.id).values(status=PostStatus.failed))
            await session.commit()
        assert await self.kept(factory, user, status="failed") == 7
        assert await self.kept(factory, user, status="draft") == 0
        async with factory.container.sessions() as session:
            await session.execute(delete(Post).where(Post.account_id == account.id))
            await session.commit()
        assert await self.kept(factory, user) == 0
        assert await self.kept(factory, other) == 1

    async def test_write_nothing_when_nothing_that_is_counted_changes(self, factory: Factory) -> None:
        user = await factory.user()
        await factory.post(user, await factory.account(user))
        before = await factory.count("post_count_deltas")
        await factory.execute("UPDATE posts SET content = 'other words'")
        assert await factory.count("post_count_deltas") == before

    async def test_vanish_with_the_user(self, factory: Factory) -> None:
        user = await factory.user()
        await factory.post(user, await factory.account(user))
        await factory.execute("DELETE FROM users WHERE id = :id", id=user.id)
        assert await self.kept(factory, user) == 0

    async def test_folding_keeps_every_total(self, factory: Factory) -> None:
        user = await factory.user()
        account = await factory.account(user)
        posts = [await factory.post(user, account) for _ in range(FOLD_FROM_ROWS)]
        await factory.execute("UPDATE posts SET status = 'posted' WHERE id = :id", id=posts[0].id)
        await factory.execute("DELETE FROM posts WHERE id = :id", id=posts[1].id)
        async with factory.container.sessions() as session:
            await PostCountRepository(session).fold()
            await session.commit()
        assert await factory.count("post_count_deltas") == 2
        assert await self.kept(factory, user, status="posted") == 1
        assert await self.kept(factory, user, status="draft") == FOLD_FROM_ROWS - 2

    async def test_are_exact_with_many_writers_and_a_fold_at_once(self, rows: Factory) -> None:
        user = await rows.user()
        account = await rows.account(user)

        async def write() -> None:
            for _ in range(12):
                post = await rows.post(user, account)
                await rows.execute("UPDATE posts SET status = 'failed' WHERE id = :id", id=post.id)

        async def fold() -> None:
            for _ in range(10):
                async with rows.container.sessions() as session:
                    await PostCountRepository(session).fold()
                    await session.commit()
                await asyncio.sleep(0)

        await asyncio.gather(*(write() for _ in range(6)), fold(), fold())
        assert await self.kept(rows, user) == 72
        assert await self.kept(rows, user, status="failed") == 72
        assert await rows.count("posts") == 72


class TestOneOpenRun:
    async def test_a_post_has_at_most_one_open_publication(self, factory: Factory) -> None:
        user = await factory.user()
        post = await factory.post(user, await factory.account(user), status=PostStatus.scheduled)
        insert = """
            INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at)
            SELECT gen_random_uuid(), id, user_id, account_id, :run, 'prepare', now(), now() FROM posts WHERE id = :id
        """
        await factory.execute(insert, id=post.id, run=1)
        with pytest.raises(Exception, match="uq_publications_open_post"):
            await factory.execute(insert, id=post.id, run=2)
        assert len(await factory.publications(post.id)) == 1
