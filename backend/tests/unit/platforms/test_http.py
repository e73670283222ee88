"""Not sent, sent and unanswered, answered: told apart against real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from app.platforms.base import Auth, CallRecord, OutcomeUnknown, RetryLater
from app.platforms.http import Answer, Fault, PlatformHttp, Purpose, clean_detail

Script = Callable[[int, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"id":"17"}'


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[tuple[str, list[int]]]:
    """Answer each connection by a script; the list grows by one for each request that arrived."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                seen.append(1)
                await script(len(seen), reader, writer)
                await writer.drain()
                if writer.is_closing():
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # a connection of a test that is over
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield f"http://127.0.0.1:{port}/v1/things?access_token=secret-token-value", seen


def no_fault(_answer: Answer) -> Fault | None:
    return None


async def answer_ok(_turn: int, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def drop(_turn: int, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def drop_once(turn: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await (drop if turn == 1 else answer_ok)(turn, reader, writer)


async def hang(_turn: int, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@pytest.fixture
async def http() -> AsyncIterator[PlatformHttp]:
    built = PlatformHttp("Example")
    yield built
    await built.aclose()


@pytest.fixture
def records() -> list[CallRecord]:
    return []


@pytest.fixture
def auth(records: list[CallRecord]) -> Auth:
    return Auth("a", "b", "token", journal=records.append)


async def call(http: PlatformHttp, url: str, auth: Auth, purpose: Purpose, **rest: object) -> Answer:
    return await http.call(
        "example.thing", "POST", url, purpose=purpose, headers={}, fault_of=no_fault, auth=auth, **rest
    )


async def test_answer_and_journal(http, auth, records):
    async with server(answer_ok) as (url, _):
        answer = await call(http, url, auth, Purpose.submit, content=b"{}")
    assert (answer.status, answer.data) == (200, {"id": "17"})
    [record] = records
    assert (record.operation, record.path, record.status, record.outcome) == ("example.thing", "/v1/things", 200, "ok")
    assert "secret" not in repr(record)


@pytest.mark.parametrize(
    ("purpose", "error", "calls"),
    [(Purpose.submit, OutcomeUnknown, 1), (Purpose.stage, RetryLater, 1), (Purpose.read, RetryLater, 2)],
)
async def test_dropped_connection(http, auth, records, purpose, error, calls):
    async with server(drop) as (url, seen):
        with pytest.raises(error):
            await call(http, url, auth, purpose)
    assert len(seen) == calls
    assert [record.outcome for record in records] == ["no_answer"] * calls


async def test_a_read_is_repeated_once(http, auth, records):
    async with server(drop_once) as (url, seen):
        assert (await call(http, url, auth, Purpose.read)).data == {"id": "17"}
    assert len(seen) == 2
    assert [record.outcome for record in records] == ["no_answer", "ok"]


@pytest.mark.parametrize(("purpose", "error"), [(Purpose.submit, OutcomeUnknown), (Purpose.read, RetryLater)])
async def test_time_is_up(http, auth, records, purpose, error):
    async with server(hang) as (url, seen):
        with pytest.raises(error):
            await call(http, url, auth, purpose, total=0.1)
    assert len(seen) == 1
    assert records[0].outcome == "no_answer"


@pytest.mark.parametrize("purpose", list(Purpose))
async def test_nothing_listens(http, auth, records, purpose):
    with pytest.raises(RetryLater) as caught:
        await call(http, "http://127.0.0.1:9/x", auth, purpose)
    assert caught.value.code == "platform_unreachable"
    assert {record.outcome for record in records} == {"not_sent"}


async def test_a_cancelled_call_is_noted(http, auth, records):
    arrived = asyncio.Event()

    async def hang_and_tell(_turn: int, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.sleep(30)

    async with server(hang_and_tell) as (url, _):
        task = asyncio.create_task(call(http, url, auth, Purpose.submit))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [(record.outcome, record.detail) for record in records] == [("no_answer", "cancelled")]


async def test_redirects_are_not_followed(http, auth):
    async def redirect(_turn, _reader, writer):
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")

    async with server(redirect) as (url, seen):
        assert (await call(http, url, auth, Purpose.read)).status == 302
    assert len(seen) == 1


def test_retry_after():
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def wait(value: str) -> timedelta | None:
        return Answer(429, {"retry-after": value}, None).retry_after(now)

    assert wait("120") == timedelta(minutes=2)
    assert wait("Mon, 23 Nov 2026 09:05:00 GMT") == timedelta(minutes=5)
    assert wait("Mon, 23 Nov 2026 08:00:00 GMT") == timedelta()
    assert wait("soon") is None
    assert Answer(429, {}, None).retry_after(now) is None


@pytest.mark.parametrize(
    "secret",
    ["EAAGm0PX4ZCpsBAKxyz", "IGAAabcdef123", "act.example12345", "rft.example12345", "a1B2" * 12],
)
def test_details_hold_no_tokens(secret):
    assert secret not in (clean_detail(f"Error validating {secret}: session expired") or "")
    assert "hunter2hunter2" not in (clean_detail("https://x/?access_token=hunter2hunter2&y=1") or "")


def test_details_are_short():
    assert len(clean_detail("word " * 200) or "") == 300
    assert clean_detail("") is None
