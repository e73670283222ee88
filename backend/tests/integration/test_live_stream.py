"""Live streams of two API processes, over HTTP, fed by what is committed in one of them or elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, problem
from factories.api_process import ApiProcess
from factories.make import Factory, MadeUser
from factories.servers import free_port
from fastapi.routing import _PING_INTERVAL
from sqlalchemy import text

from app.composition import Container
from app.services.onward.live import STREAMS_PER_USER
from app.settings import Settings


@dataclass(frozen=True)
class Heard:
    event: str
    id: str
    data: dict[str, Any]


class Listener:
    """What a client hears of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self) -> Heard | None:
        """Return the next event; `None` when the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    return Heard(fields["event"], fields["id"], json.loads(fields["data"]))
        return None

    async def take(self, count: int) -> list[Heard]:
        return [heard for _ in range(count) if (heard := await self.next()) is not None]


@asynccontextmanager
async def listening(url: str, user: MadeUser, last: str | None = None, **headers: str) -> AsyncIterator[Listener]:
    sent = {**user.headers, **headers, **({"Last-Event-ID": last} if last is not None else {})}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as http,
        http.stream("GET", f"{url}/api/v1/events/stream", headers=sent) as response,
    ):
        assert response.status_code == 200, (await response.aread()).decode()
        listener = Listener(response)
        opened = await listener.next()
        assert opened is not None
        listener.opened = opened  # type: ignore[attr-defined]
        yield listener


@pytest.fixture(scope="module")
def processes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ApiProcess]]:
    """Two API processes on the database of the tests."""
    folder: Path = tmp_path_factory.mktemp("api")
    built = [ApiProcess(settings, free_port(), folder / f"api-{number}.log") for number in range(2)]
    yield built
    for one in built:
        one.kill()


@pytest.fixture
async def user(rows: Factory) -> MadeUser:
    return await rows.user(plan="free")


async def happen(rows: Factory, user: MadeUser, count: int) -> list[UUID]:
    """Let posts be scheduled; nothing is handed on yet."""
    account = await rows.account(user)
    await rows.execute("DELETE FROM user_events WHERE kind = 'account.connected'")
    posts = [(await rows.post(user, account)).id for _ in range(count)]
    for post in posts:
        await rows.execute("UPDATE posts SET status = 'scheduled' WHERE id = :id", id=post)
    return posts


class TestStream:
    async def test_what_is_committed_through_one_process_is_heard_at_the_other(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        account = await rows.account(user)
        await worker.hand_on.work()
        async with listening(processes[1].url, user) as listener:
            assert listener.opened.event == "stream.open"  # type: ignore[attr-defined]
            async with httpx.AsyncClient(base_url=processes[0].url, trust_env=False, headers=user.headers) as http:
                at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
                body = {"account_id": str(account.id), "platform": "facebook", "content": "Tea", "scheduled_for": at}
                created = await http.post("/api/v1/posts", json=body)
            assert created.status_code == 201, created.text
            assert await worker.hand_on.work() == 1
            heard = await listener.next()
        assert heard is not None
        assert (heard.event, heard.data["kind"]) == ("post.scheduled", "post.scheduled")
        assert heard.data["subject_id"] == created.json()["id"]
        assert heard.data["facts"]["platform"] == "facebook"

    async def test_nobody_hears_what_is_somebody_elses(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        stranger = await rows.user(plan="free")
        async with listening(processes[0].url, user) as listener:
            await happen(rows, stranger, 3)
            (mine,) = await happen(rows, user, 1)
            await worker.hand_on.work()
            heard = await listener.next()
        assert heard is not None
        assert heard.data["subject_id"] == str(mine)

    async def test_going_on_after_the_last_one_loses_and_repeats_nothing(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        """300 events while a client changes between two processes after every few of them, or is away."""
        heard: list[Heard] = []
        async with listening(processes[0].url, user) as listener:
            last = listener.opened.id  # type: ignore[attr-defined]
        posts: list[UUID] = []

        async def go_on_happening() -> None:
            for _ in range(30):
                posts.extend(await happen(rows, user, 10))
                await worker.hand_on.work()

        happening = asyncio.create_task(go_on_happening())
        number = 0
        while len(heard) < 300:
            number += 1
            async with listening(processes[number % 2].url, user, last) as listener:
                for one in await listener.take(min(1 + number * 7 % 41, 300 - len(heard))):
                    heard.append(one)
                    last = one.id
        await happening
        assert number > 5
        assert [one.data["subject_id"] for one in heard] == [str(post) for post in posts]
        assert [int(one.id) for one in heard] == sorted({int(one.id) for one in heard})

    async def test_what_commits_late_is_not_skipped(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        """An event with a lower id that commits after a higher one was heard is heard as well."""
        early, late = await happen(rows, user, 2)
        await worker.hand_on.work()
        async with listening(processes[0].url, user) as listener:
            async with worker.sessions() as slow:
                await slow.execute(text("UPDATE posts SET status = 'posted' WHERE id = :id"), {"id": early})
                await rows.execute("UPDATE posts SET status = 'failed' WHERE id = :id", id=late)
                assert await worker.hand_on.work() == 1
                first = await listener.next()
                await slow.commit()
            assert await worker.hand_on.work() == 1
            second = await listener.next()
        assert first is not None
        assert second is not None
        assert [first.event, second.event] == ["post.failed", "post.posted"]
        ids = await rows.execute("SELECT id FROM user_events ORDER BY position DESC LIMIT 2")
        assert ids[0].id < ids[1].id  # the one heard last was inserted first
        async with listening(processes[1].url, user, first.id) as listener:
            again = await listener.next()
        assert again == second

    async def test_without_notifications_it_is_found_within_seconds(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser
    ) -> None:
        async with listening(processes[0].url, user) as listener:
            (post,) = await happen(rows, user, 1)
            await rows.execute(
                "UPDATE user_events SET handled_at = now(), position = nextval('user_events_position_seq')"
                " WHERE subject_id = :id",
                id=post,
            )
            heard = await listener.next()
        assert heard is not None
        assert heard.data["subject_id"] == str(post)

    async def test_goes_on_after_its_connection_to_the_database_was_cut(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        async with listening(processes[0].url, user) as listener:
            await rows.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%-live'"
            )
            (post,) = await happen(rows, user, 1)
            await worker.hand_on.work()
            heard = await listener.next()
        assert heard is not None
        assert heard.data["subject_id"] == str(post)

    async def test_one_connection_listens_for_all_streams_of_a_process(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser
    ) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%-live' AND query LIKE 'LISTEN%'"
        async with listening(processes[0].url, user), listening(processes[0].url, await rows.user(plan="free")):
            await asyncio.sleep(0.5)
            listeners = await rows.scalar(query)
        assert listeners in (1, 2)  # of the other process, one of the test before may still be there


class TestKeepingAlive:
    async def test_a_comment_comes_when_nothing_happens(
        self, monkeypatch: pytest.MonkeyPatch, public_api: str, rows: Factory, user: MadeUser
    ) -> None:
        monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.1)
        token_ends = int(datetime.now(UTC).timestamp()) + 3
        token = rows.access_token(user.id, exp=token_ends)
        async with listening(public_api, user, Authorization=f"Bearer {token}") as listener:
            heard = await listener.next()
        assert heard is not None
        assert heard.event == "stream.expired"
        assert listener.comments >= 10

    def test_it_comes_every_fifteen_seconds(self) -> None:
        assert _PING_INTERVAL == 15


class TestEnds:
    async def test_with_the_access_token(self, processes: list[ApiProcess], rows: Factory, user: MadeUser) -> None:
        token = rows.access_token(user.id, exp=int(datetime.now(UTC).timestamp()) + 3)
        async with listening(processes[0].url, user, Authorization=f"Bearer {token}") as listener:
            heard = await listener.next()
            assert heard is not None
            assert (heard.event, heard.id) == ("stream.expired", listener.opened.id)  # type: ignore[attr-defined]
            assert await listener.next() is None

    async def test_where_nothing_is_kept_any_more_it_says_so(
        self, processes: list[ApiProcess], rows: Factory, user: MadeUser, worker: Container
    ) -> None:
        await happen(rows, user, 2)
        await worker.hand_on.work()
        first, second = await rows.execute("SELECT position FROM user_events ORDER BY position")
        await rows.execute("DELETE FROM user_events WHERE position = :first", first=first.position)
        async with listening(processes[0].url, user, str(first.position)) as listener:
            opened = listener.opened  # type: ignore[attr-defined]
        assert (opened.event, opened.id) == ("stream.reset", str(second.position))


class TestRefusals:
    async def test_of_more_streams_than_one_user_needs(self, processes: list[ApiProcess], user: MadeUser) -> None:
        url = f"{processes[1].url}/api/v1/events/stream"
        async with httpx.AsyncClient(trust_env=False, headers=user.headers, timeout=30) as http:
            open_ones = [http.stream("GET", url) for _ in range(STREAMS_PER_USER)]
            responses = [await one.__aenter__() for one in open_ones]
            assert [response.status_code for response in responses] == [200] * STREAMS_PER_USER
            refused = await http.get(url)
            assert problem(refused) == (429, "too_many_streams")
            assert refused.headers["retry-after"] == "15"
            for one in open_ones:
                await one.__aexit__(None, None, None)
        async with asyncio.timeout(20):
            while True:
                async with (
                    httpx.AsyncClient(trust_env=False, headers=user.headers) as http,
                    http.stream("GET", url) as response,
                ):
                    if response.status_code == 200:
                        break
                await asyncio.sleep(0.1)

    @pytest.mark.parametrize("last", ["-1", "evt_5", "9" * 30])
    async def test_of_ids_that_are_none_of_a_stream(
        self, real_client: httpx.AsyncClient, owner: MadeUser, last: str
    ) -> None:
        response = await real_client.get("/events/stream", headers={"Last-Event-ID": last})
        assert field_errors(response) == [("header.last-event-id", "unknown_event_id")]

    async def test_of_nobody(self, real_client: httpx.AsyncClient) -> None:
        assert problem(await real_client.get("/events/stream")) == (401, "not_authenticated")
