"""Liveness, and readiness that names what is not working."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from factories.answers import detail, ok, problem
from factories.make import Factory
from fastapi import FastAPI

from app.composition import Container
from app.db.engine import make_engine, make_sessions
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.services.health_service import HealthService, beat, forget


async def answers() -> None:
    """A broker that answers."""


@pytest.fixture
async def healthy(container: Container, app: FastAPI) -> AsyncIterator[Container]:
    """An API with a broker, a worker and beat that were just seen at work."""
    app.state.container = replace(container, health=HealthService(container.sessions, answers))
    await beat(container.sessions, name="worker-a", kind="worker")
    await beat(container.sessions, name="dispatch", kind="dispatch")
    yield app.state.container
    app.state.container = container


async def failing(client: httpx.AsyncClient) -> list[str]:
    """Return the names of the checks that fail."""
    response = await client.get("/health/ready")
    if response.status_code == 200:
        assert all(check["ok"] for check in response.json()["checks"])
        return []
    assert problem(response) == (503, "not_ready")
    names = [check["name"] for check in response.json()["checks"] if not check["ok"]]
    assert all(f"{name}: " in detail(response) for name in names)
    return names


async def overdue(factory: Factory, by: str, **lane: Any) -> None:
    user = await factory.user()
    account = await factory.account(user)
    post = await factory.post(user, account, status=PostStatus.scheduled)
    await factory.execute(
        "INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at) "
        "VALUES (:id, :post, :user, :account, 1, 'prepare', now(), clock_timestamp() - CAST(:by AS text)::interval)",
        id=new_id(),
        post=post.id,
        user=user.id,
        account=account.id,
        by=by,
    )


class TestLive:
    async def test_needs_no_credentials(self, client: httpx.AsyncClient, container: Container) -> None:
        body = ok(await client.get("/health"))
        assert (body["status"], body["service"], set(body)) == ("ok", "PostPilot", {"status", "service", "timestamp"})


class TestReady:
    async def test_when_everything_was_seen_at_work(self, client: httpx.AsyncClient, healthy: Container) -> None:
        response = await client.get("/health/ready")
        body = ok(response)
        assert [check["name"] for check in body["checks"]] == ["database", "broker", "worker", "beat", "punctuality"]
        assert body["status"] == "ok"
        assert response.headers["cache-control"] == "no-store"

    async def test_not_without_a_worker(self, client: httpx.AsyncClient, healthy: Container) -> None:
        await forget(healthy.sessions, name="worker-a")
        assert await failing(client) == ["worker"]

    async def test_not_with_workers_that_fell_silent(
        self, client: httpx.AsyncClient, healthy: Container, factory: Factory
    ) -> None:
        silence = "UPDATE heartbeats SET beat_at = clock_timestamp() - interval '25 s' WHERE kind = :kind"
        await factory.execute(silence, kind="worker")
        assert await failing(client) == ["worker"]
        await beat(healthy.sessions, name="worker-b", kind="worker")
        assert await failing(client) == []

    async def test_not_when_nothing_is_dispatched(
        self, client: httpx.AsyncClient, healthy: Container, factory: Factory
    ) -> None:
        await factory.execute(
            "UPDATE heartbeats SET beat_at = clock_timestamp() - interval '25 s' WHERE kind = 'dispatch'"
        )
        assert await failing(client) == ["beat"]

    async def test_not_with_a_post_that_is_late(
        self, client: httpx.AsyncClient, healthy: Container, factory: Factory
    ) -> None:
        await overdue(factory, "119 seconds")
        assert await failing(client) == []
        await overdue(factory, "125 seconds")
        assert await failing(client) == ["punctuality"]
        await factory.execute("UPDATE publications SET finished_at = now()")
        assert await failing(client) == []

    @pytest.mark.parametrize("column", ["lease_until", "paused_until"])
    async def test_a_post_that_is_worked_on_or_paused_is_not_late(
        self, client: httpx.AsyncClient, healthy: Container, factory: Factory, column: str
    ) -> None:
        await overdue(factory, "10 minutes")
        await factory.execute(f"UPDATE publishing_lanes SET {column} = clock_timestamp() + interval '30 s'")  # noqa: S608
        assert await failing(client) == []

    async def test_not_without_the_broker(self, client: httpx.AsyncClient, healthy: Container, app: FastAPI) -> None:
        async def away() -> None:
            raise ConnectionRefusedError

        app.state.container = replace(healthy, health=HealthService(healthy.sessions, away))
        assert await failing(client) == ["broker"]

    async def test_not_with_the_broker_of_the_settings_that_nobody_runs(
        self, client: httpx.AsyncClient, healthy: Container, app: FastAPI, container: Container
    ) -> None:
        app.state.container = container
        assert await failing(client) == ["broker"]

    async def test_not_without_the_database(self, client: httpx.AsyncClient, healthy: Container, app: FastAPI) -> None:
        engine = make_engine("postgresql+asyncpg://postpilot:x@127.0.0.1:1/none")
        app.state.container = replace(healthy, health=HealthService(make_sessions(engine), answers))
        assert await failing(client) == ["database", "worker", "beat", "punctuality"]
        await engine.dispose()


class TestDatabaseAway:
    async def test_is_a_503_that_says_when_to_try_again(
        self, client: httpx.AsyncClient, container: Container, app: FastAPI
    ) -> None:
        engine = make_engine("postgresql+asyncpg://postpilot:x@127.0.0.1:1/none")
        sessions = make_sessions(engine)
        app.state.container = replace(container, sessions=sessions, reading=sessions)
        response = await client.post("/auth/login", json={"email": "mia@example.com", "password": "a good long one"})
        assert problem(response) == (503, "dependency_away")
        assert response.headers["retry-after"] == "5"
        app.state.container = container
        await engine.dispose()
