"""Hints to the workers, mending and tidying."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from factories.make import Factory, MadeUser
from factories.stage import Stage
from sqlalchemy import text

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.repositories.publication_repository import PublicationRepository
from app.services.publishing.dispatcher import Dispatcher, TaskNames


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def dispatcher(container: Container, sent: list[str]) -> Dispatcher:
    names = TaskNames(
        advance="advance",
        collect="collect",
        refresh="refresh",
        follow_up="follow_up",
        events="events",
        check="check",
        stores="stores",
        product_events="product_events",
        captions="captions",
        letters="letters",
        erasures="erasures",
        hand_on="hand_on",
        hooks="hooks",
        mail="mail",
        followers="followers",
        billing="billing",
    )
    return Dispatcher(container.sessions, sent.append, tasks=names, lanes_per_worker=2)


@pytest.fixture
def factory(container: Container) -> Factory:
    return QuietFactory(container)


class QuietFactory(Factory):
    """A factory whose accounts and plans are no news: what they bring about was done long ago."""

    async def account(self, *arguments: Any, **values: Any) -> Any:
        found = await super().account(*arguments, **values, followers_due_at=datetime.now(UTC) + timedelta(days=1))
        await self.hand_on()
        return found

    async def user(self, **values: Any) -> MadeUser:
        found = await super().user(**values)
        await self.hand_on()
        return found

    async def hand_on(self) -> None:
        await self.execute("UPDATE user_events SET handled_at = now()")


async def due_lanes(factory: Factory, count: int) -> None:
    user = await factory.user()
    for _ in range(count):
        await factory.account(user)
    await factory.execute("UPDATE publishing_lanes SET due_at = clock_timestamp() - interval '1 s'")


class TestDispatch:
    async def test_says_nothing_when_nothing_is_due(
        self, dispatcher: Dispatcher, factory: Factory, sent: list[str]
    ) -> None:
        user = await factory.user()
        account = await factory.account(user)
        await factory.execute("UPDATE publishing_lanes SET due_at = clock_timestamp() + interval '1 minute'")
        post = await factory.post(user, account, status=PostStatus.posted)
        await factory.metrics(post, next_fetch_at=datetime.now(UTC) + timedelta(minutes=1))
        await dispatcher.dispatch()
        assert sent == []

    @pytest.mark.parametrize(("lanes", "hints"), [(1, 1), (2, 1), (3, 2), (5, 3), (40, 8)])
    async def test_sends_one_hint_per_workers_worth_of_lanes(
        self, dispatcher: Dispatcher, factory: Factory, sent: list[str], lanes: int, hints: int
    ) -> None:
        await due_lanes(factory, lanes)
        await dispatcher.dispatch()
        assert sent == ["advance"] * hints

    @pytest.mark.parametrize(
        ("statement", "hint"),
        [
            ("UPDATE follow_ups SET due_at = clock_timestamp() - interval '1 s'", "follow_up"),
            ("UPDATE inbound_events SET handled_at = NULL", "events"),
            ("UPDATE social_accounts SET checked_at = now() - interval '25 hours'", "check"),
            ("UPDATE user_events SET handled_at = NULL", "hand_on"),
            ("UPDATE webhook_deliveries SET due_at = now() - interval '1 s'", "hooks"),
            ("UPDATE notifications SET mail_due_at = now() - interval '1 s'", "mail"),
            ("UPDATE social_accounts SET followers_due_at = now() - interval '1 s'", "followers"),
            ("UPDATE billing_events SET due_at = clock_timestamp() - interval '1 s'", "billing"),
        ],
    )
    async def test_asks_for_other_work_once_it_is_due(
        self, dispatcher: Dispatcher, sent: list[str], factory: Factory, statement: str, hint: str
    ) -> None:
        user = await factory.user()
        account = await factory.account(user)
        post = await factory.post(user, account)
        await factory.execute(
            "INSERT INTO follow_ups (id, post_id, account_id, kind, due_at) "
            "VALUES (gen_random_uuid(), :post, :account, 'live', now() + interval '1 hour')",
            post=post.id,
            account=account.id,
        )
        await factory.execute(
            "INSERT INTO inbound_events (id, source, external_id, kind, payload, handled_at) "
            "VALUES (gen_random_uuid(), 'facebook', '1', 'gone', '{}', now())"
        )
        await factory.execute(
            "INSERT INTO webhook_endpoints (id, user_id, url, secret_ciphertext, key_version, events) "
            "VALUES (:user, :user, 'https://shop.example', '', 'v1', '{}')",
            user=user.id,
        )
        await factory.execute(
            "INSERT INTO webhook_deliveries (id, endpoint_id, user_id, event_id, lane, kind, payload, due_at) "
            "VALUES (:user, :user, :user, 1, :user, 'post.posted', '{}', now() + interval '1 hour')",
            user=user.id,
        )
        await factory.execute(
            "INSERT INTO notifications (id, user_id, kind, dedupe_key, title, body, mail_due_at) "
            "VALUES (:user, :user, 'post.failed', '1', '', '', now() + interval '1 hour')",
            user=user.id,
        )
        await factory.execute(
            "INSERT INTO billing_events (id, kind, is_live, payload, due_at) "
            "VALUES ('evt_1', 'invoice.paid', false, '{}', now() + interval '1 minute')"
        )
        await dispatcher.dispatch()
        assert sent == []
        await factory.execute(statement)
        await dispatcher.dispatch()
        assert sent == [hint]

    async def test_leaves_out_lanes_that_somebody_holds(
        self, dispatcher: Dispatcher, factory: Factory, sent: list[str]
    ) -> None:
        await due_lanes(factory, 1)
        await factory.execute("UPDATE publishing_lanes SET lease_until = clock_timestamp() + interval '30 s'")
        await dispatcher.dispatch()
        assert sent == []
        await factory.execute("UPDATE publishing_lanes SET lease_until = clock_timestamp() - interval '1 s'")
        await dispatcher.dispatch()
        assert sent == ["advance"]

    async def test_asks_for_numbers_that_are_due(
        self, dispatcher: Dispatcher, factory: Factory, sent: list[str]
    ) -> None:
        user = await factory.user()
        post = await factory.post(user, await factory.account(user), status=PostStatus.posted)
        await factory.metrics(post, next_fetch_at=datetime.now(UTC) - timedelta(seconds=1))
        await dispatcher.dispatch()
        assert sent == ["collect"]

    @pytest.mark.parametrize(
        ("status", "lease", "hints"),
        [
            ("connected", "NULL", ["refresh"]),
            ("connected", "clock_timestamp() - interval '1 s'", ["refresh"]),
            ("connected", "clock_timestamp() + interval '30 s'", []),
            ("expired", "NULL", []),
        ],
    )
    async def test_asks_for_tokens_that_are_due_of_connected_accounts(
        self, dispatcher: Dispatcher, factory: Factory, sent: list[str], status: str, lease: str, hints: list[str]
    ) -> None:
        account = await factory.account(await factory.user(), status=status)  # type: ignore[arg-type]
        await factory.execute(
            "INSERT INTO account_credentials (account_id, ciphertext, key_version, refresh_due_at, "  # noqa: S608
            f"refresh_lease_until) VALUES (:id, 'x', 'v1', clock_timestamp() - interval '1 s', {lease})",
            id=account.id,
        )
        await dispatcher.dispatch()
        assert sent == hints


@pytest.mark.usefixtures("public_api")
class TestMaintain:
    async def test_wakes_a_lane_that_was_forgotten(self, stage: Stage, worker: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee", ago=timedelta(seconds=25))
        for forgotten in ("due_at = NULL", "due_at = now() + interval '1 hour'"):
            await stage.rows.execute(f"UPDATE publishing_lanes SET {forgotten}")  # noqa: S608
            await stage.run(worker)
            assert stage.sandbox.published() == []
            await worker.dispatcher.maintain()
            assert await stage.rows.scalar("SELECT due_at <= now() FROM publishing_lanes")
        await stage.run(worker)
        assert (await stage.post(post_id)).status == PostStatus.posted

    async def test_makes_a_lane_that_is_missing(self, stage: Stage, worker: Container) -> None:
        await stage.schedule(await stage.connect(), "Fresh coffee", ago=timedelta(seconds=25))
        await stage.rows.execute("DELETE FROM publishing_lanes")
        await worker.dispatcher.maintain()
        await stage.run(worker)
        assert len(stage.sandbox.published()) == 1

    @pytest.mark.parametrize(
        "kept",
        [
            "paused_until = now() + interval '1 hour', due_at = now() + interval '1 hour'",
            "lease_until = now() + interval '30 s', lease_id = gen_random_uuid(), due_at = NULL",
        ],
    )
    async def test_leaves_lanes_alone_that_wait_for_a_reason(self, stage: Stage, worker: Container, kept: str) -> None:
        account = await stage.connect()
        await stage.schedule(account, "Fresh coffee", ago=timedelta(seconds=25))
        await stage.rows.execute(f"UPDATE publishing_lanes SET {kept}")  # noqa: S608
        before = await stage.rows.lane(account.id)
        await worker.dispatcher.maintain()
        assert await stage.rows.lane(account.id) == before

    async def test_deletes_what_has_expired_and_nothing_else(self, rows: Factory, committed: Container) -> None:
        user = await rows.user()
        for age in ("23 hours", "25 hours"):
            await rows.execute(
                "INSERT INTO idempotency_keys (user_id, key, request_hash, created_at) "
                "VALUES (:user, CAST(:age AS text), 'h', now() - CAST(:age AS text)::interval)",
                user=user.id,
                age=age,
            )
        for name, age in (("alive", "1 minute"), ("gone", "2 days")):
            await rows.execute(
                "INSERT INTO heartbeats (name, kind, beat_at) "
                "VALUES (:name, 'worker', now() - CAST(:age AS text)::interval)",
                name=name,
                age=age,
            )
        for digest, age in (("fresh", "-5 minutes"), ("stale", "2 hours")):
            await rows.execute(
                "INSERT INTO oauth_states (state_hash, user_id, platform, expires_at) "
                "VALUES (:digest, :user, 'facebook', now() - CAST(:age AS text)::interval)",
                digest=digest,
                user=user.id,
                age=age,
            )
        for age in ("29 days", "31 days"):
            await rows.execute(
                "INSERT INTO auth_sessions (id, user_id, expires_at, current_token_id) "
                "VALUES (:id, :user, now() - CAST(:age AS text)::interval, :id)",
                id=new_id(),
                user=user.id,
                age=age,
            )
        for name, ended in (("waits", None), ("ended", "6 days"), ("over", "8 days")):
            post = await rows.post(user, await rows.account(user))
            await rows.execute(
                "INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at, "
                "finished_at) SELECT :id, id, user_id, account_id, 1, 'done', now(), now(), "
                "now() - CAST(:ended AS text)::interval FROM posts WHERE id = :id",
                id=post.id,
                ended=ended,
            )
            await rows.execute(
                "INSERT INTO media_loans (token, publication_id, source_url, file_name, mime_type, created_at) "
                "VALUES (:name, :id, 'http://a.example', 'a.jpg', 'image/jpeg', now() - interval '9 days')",
                name=name,
                id=post.id,
            )
        await committed.dispatcher.maintain()
        assert await rows.execute("SELECT token FROM media_loans ORDER BY token") == [("ended",), ("waits",)]
        assert await rows.execute("SELECT key FROM idempotency_keys") == [("23 hours",)]
        assert await rows.execute("SELECT name FROM heartbeats") == [("alive",)]
        assert await rows.execute("SELECT state_hash FROM oauth_states") == [("fresh",)]
        assert await rows.count("auth_sessions") == 2  # with the one that the user is in


class TestLeases:
    """The statements that the engine rests on, one by one."""

    async def claimed(self, container: Container, owner: str = "a", limit: int = 10) -> list[Any]:
        async with container.sessions() as session:
            found = await PublicationRepository(session).claim(limit=limit, lease=timedelta(seconds=30), owner=owner)
            await session.commit()
        return found

    async def test_a_lane_is_claimed_once(self, stage: Stage, committed: Container) -> None:
        post_id = await stage.schedule(await stage.connect(), "Fresh coffee")
        ((claim, due),) = await self.claimed(committed)
        assert due is not None
        assert due.post_id == post_id
        assert await self.claimed(committed, "b") == []
        assert (await stage.post(post_id)).status == PostStatus.publishing
        assert (await stage.post(post_id)).attempts == 1
        await stage.expire_leases()
        ((again, _),) = await self.claimed(committed, "b")
        assert again.lease_id != claim.lease_id
        assert (await stage.post(post_id)).attempts == 1

    async def test_only_the_holder_may_record_and_renew(self, stage: Stage, committed: Container) -> None:
        await stage.schedule(await stage.connect(), "Fresh coffee")
        ((old, _),) = await self.claimed(committed)
        await stage.expire_leases()
        ((new, _),) = await self.claimed(committed, "b")
        async with committed.sessions() as session:
            rows = PublicationRepository(session)
            assert await rows.holds(old) is False
            assert await rows.holds(new) is True
            assert await rows.renew([old.lease_id, new.lease_id], lease=timedelta(seconds=30)) == {new.lease_id}
            await rows.hand_back([old.lease_id])
            assert await rows.holds(new) is True
            await session.commit()

    async def test_the_lane_that_waited_longest_comes_first(self, stage: Stage, committed: Container) -> None:
        accounts = [await stage.connect(name=f"Page {n}") for n in range(3)]
        for minutes, account in zip((1, 3, 2), accounts, strict=True):
            await stage.schedule(account, "Hi", ago=timedelta(minutes=minutes))
        order = [(await self.claimed(committed, limit=1))[0][0].account_id for _ in accounts]
        assert order == [accounts[1].id, accounts[2].id, accounts[0].id]

    async def test_lanes_that_are_locked_are_passed_over(self, stage: Stage, committed: Container) -> None:
        accounts = [await stage.connect(name=f"Page {n}") for n in range(2)]
        for account in accounts:
            await stage.schedule(account, "Hi")
        async with committed.sessions() as session:
            await session.execute(
                text("SELECT 1 FROM publishing_lanes WHERE account_id = :id FOR UPDATE"), {"id": accounts[0].id}
            )
            assert [claim.account_id for claim, _ in await self.claimed(committed)] == [accounts[1].id]
            await session.rollback()
