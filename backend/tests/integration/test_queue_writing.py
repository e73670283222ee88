"""Writing captions in the background: once, by one writer at a time, and again after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.stage import MakeWorker

from app.captions.base import (
    Brief,
    Caption,
    CaptionDeclined,
    CaptionError,
    Ledger,
    WriterBusy,
    Written,
)
from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.services.queue.intake import GenerateRequest, NewItem, QueueIntake
from app.services.queue.writing import LEASE, TRIES_MAX, QueueWriting

MUG = {"title": "Blue mug", "description": "Holds 350 ml.", "price": "24.00", "currency": "EUR"}


class Writer:
    """A writer that does what the test says: it counts, waits, fails."""

    model = "test-writer"
    looks_at_photos = False

    def __init__(self) -> None:
        self.briefs: list[Brief] = []
        self.at_once = 0
        self.most_at_once = 0
        self.failures: list[CaptionError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._begun = asyncio.Semaphore(0)

    async def has_begun(self, count: int) -> None:
        """Wait until so many more captions are being written."""
        async with asyncio.timeout(10):
            for _ in range(count):
                await self._begun.acquire()

    async def write(self, brief: Brief, ledger: Ledger) -> Written:
        self.briefs.append(brief)
        self._begun.release()
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0.002)
            if self.failures:
                raise self.failures.pop(0)
        finally:
            self.at_once -= 1
        captions = {
            room.platform: Caption(f"{brief.facts.title} {len(self.briefs)}", ("mug",), "") for room in brief.rooms
        }
        return Written(captions, self.model, "1", "hash")

    async def stream(self, brief: Brief, ledger: Ledger) -> AsyncIterator[str | Written]:
        yield await self.write(brief, ledger)

    async def aclose(self) -> None:
        pass


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
async def seller(rows: Factory) -> MadeUser:
    user = await rows.user()
    await rows.subscribe(user, "pro")
    return user


def with_writer(container: Container, writer: Writer, *, concurrency: int = 20) -> QueueWriting:
    """Return the background writing of a process whose captions the test's writer writes."""
    captions = container.captions
    captions._writer = writer
    return QueueWriting(sessions=container.sessions, captions=captions, clock=container.clock, concurrency=concurrency)


async def ask(container: Container, user: MadeUser, count: int) -> list[UUID]:
    async with unit_of_work(container.sessions) as uow:
        items = [NewItem({**MUG, "title": f"Mug {number}"}, ("facebook",)) for number in range(count)]
        return await QueueIntake(uow, container.clock).add(user.id, items, generate=GenerateRequest())


async def states(rows: Factory) -> dict[str, int]:
    found = await rows.execute(
        "SELECT status || CASE WHEN generate_request IS NULL THEN '' ELSE '+asked' END AS state, count(*) AS n "
        "FROM content_queue GROUP BY 1"
    )
    return {row.state: row.n for row in found}


async def used(rows: Factory) -> int:
    return int(await rows.scalar("SELECT COALESCE(sum(used), 0) FROM usage_counters"))


class TestWork:
    async def test_twice_in_a_row_writes_once(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer
    ) -> None:
        worker = make_worker()
        writing = with_writer(worker, writer)
        await ask(worker, seller, 3)
        assert await states(rows) == {"pending+asked": 3}
        assert [await writing.work(), await writing.work()] == [3, 0]
        assert len(writer.briefs) == 3
        assert await states(rows) == {"generated": 3}
        assert await rows.scalar("SELECT count(*) FROM caption_versions") == 3
        assert await used(rows) == 3

    async def test_two_workers_at_once_write_each_item_once(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer
    ) -> None:
        workers = [make_worker(name) for name in ("worker-a", "worker-b")]
        writings = [with_writer(worker, writer, concurrency=4) for worker in workers]
        await ask(workers[0], seller, 40)
        taken = await asyncio.gather(*(writing.work() for writing in writings), *(one.work() for one in writings))
        assert sum(taken) == 40
        assert min(taken[:2]) > 0
        assert len({brief.facts.title for brief in writer.briefs}) == len(writer.briefs) == 40
        assert writer.most_at_once <= 8
        assert await states(rows) == {"generated": 40}
        assert await rows.scalar("SELECT max(version) FROM content_queue") == 1

    async def test_what_a_killed_worker_held_is_written_again(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer, clock: SteerableClock
    ) -> None:
        dead, alive = make_worker("worker-a"), make_worker("worker-b")
        killed = with_writer(dead, writer)
        await ask(dead, seller, 2)
        writer.gate.clear()
        working = asyncio.create_task(killed.work())
        await writer.has_begun(2)
        other = Writer()
        taking_over = with_writer(alive, other)
        assert await taking_over.work() == 0  # leased
        clock.move(LEASE + timedelta(seconds=1))
        assert await taking_over.work() == 2
        before = await rows.execute("SELECT id, captions, version FROM content_queue ORDER BY id")
        writer.gate.set()  # the answers of the first come late: nobody takes them
        await working
        assert await rows.execute("SELECT id, captions, version FROM content_queue ORDER BY id") == before
        assert {row.version for row in before} == {1}
        assert await used(rows) == 2

    async def test_a_stopped_worker_hands_back(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer
    ) -> None:
        worker = make_worker()
        writing = with_writer(worker, writer)
        await ask(worker, seller, 2)
        writer.gate.clear()
        working = asyncio.create_task(writing.work())
        await writer.has_begun(2)
        await writing.stop()
        await working
        assert await rows.scalar("SELECT array_agg(DISTINCT generate_tries) FROM content_queue") == [0]
        other = Writer()
        assert await with_writer(make_worker("worker-b"), other).work() == 2
        assert await states(rows) == {"generated": 2}

    async def test_users_take_turns(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer
    ) -> None:
        worker, other = make_worker(), await rows.user()
        await rows.subscribe(other, "pro")
        await ask(worker, seller, 30)
        await ask(worker, other, 2)
        writer.gate.clear()
        writing = with_writer(worker, writer, concurrency=4)
        working = asyncio.create_task(writing.work())
        await writer.has_begun(4)
        owners = await rows.execute("SELECT user_id FROM content_queue WHERE generate_lease_id IS NOT NULL")
        writer.gate.set()
        await working
        assert sorted(row.user_id for row in owners) == sorted([seller.id] * 2 + [other.id] * 2)

    async def test_a_busy_writer_is_asked_again_later_and_counted_once(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer, clock: SteerableClock
    ) -> None:
        worker = make_worker()
        writing = with_writer(worker, writer)
        await ask(worker, seller, 1)
        writer.failures = [WriterBusy("Busy.", after_seconds=40.0)]
        assert await writing.work() == 1
        assert await states(rows) == {"pending+asked": 1}
        clock.move(timedelta(seconds=39))
        assert await writing.work() == 0
        clock.move(timedelta(seconds=2))
        assert await writing.work() == 1
        assert await states(rows) == {"generated": 1}
        assert (len(writer.briefs), await used(rows)) == (2, 1)

    async def test_gives_up_after_some_tries_and_says_so(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer, clock: SteerableClock
    ) -> None:
        worker = make_worker()
        writing = with_writer(worker, writer)
        await ask(worker, seller, 1)
        writer.failures = [WriterBusy("The writer is overloaded.") for _ in range(TRIES_MAX)]
        for _ in range(TRIES_MAX + 1):
            await writing.work()
            clock.move(timedelta(hours=1))
        row = (await rows.execute("SELECT status, error_code, error_message FROM content_queue"))[0]
        assert tuple(row) == ("pending", "writer_busy", "The writer is overloaded.")
        assert await states(rows) == {"pending": 1}
        assert (len(writer.briefs), await used(rows)) == (TRIES_MAX, 0)

    @pytest.mark.parametrize("failure", [CaptionDeclined("Declined."), CaptionError("Broken.")])
    async def test_a_failure_is_the_owners_to_see_and_not_counted(
        self, make_worker: MakeWorker, rows: Factory, seller: MadeUser, writer: Writer, failure: Any
    ) -> None:
        worker = make_worker()
        await ask(worker, seller, 1)
        writer.failures = [failure]
        await with_writer(worker, writer).work()
        row = (await rows.execute("SELECT status, error_code, error_message FROM content_queue"))[0]
        assert tuple(row) == ("pending", failure.code, failure.sentence)
        assert (await states(rows), await used(rows)) == ({"pending": 1}, 0)
