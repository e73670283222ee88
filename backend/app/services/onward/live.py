"""Live streams: what happens, told to every open dashboard.

One task per process reads for all of its streams together: at once when PostgreSQL notifies that something was handed
on, and every few seconds without that, as a notification may be missed. It reads by `position`, which is given in the
order of commits: nothing can appear below a position that was read, so a stream that goes on after the last one seen
loses nothing and repeats nothing. (By `id` it would lose what was inserted early and committed late.)
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.listen import Ears
from app.domain.errors import TooManyStreams
from app.repositories.happening_repository import CHANNEL, HappeningRepository, Told

log = structlog.get_logger()

POLL_SECONDS = 3.0
"""How often it is looked without a notification."""
GATHER_SECONDS = 0.05
"""What is notified within this time is read together."""
BACKLOG = 200
"""Events read at a time for one user, and kept for a stream that does not keep up."""
STREAMS_PER_USER = 6
"""Open streams of one user in one process."""


@dataclass(eq=False)
class Stream:
    """What one client has still to be told. `position` is the last event that lies in `waiting`, or was sent."""

    user_id: UUID
    position: int = 0
    begins_after: int = 0
    """Where it began: `position` may be further before the client has heard anything."""
    is_ready: bool = False
    is_reset: bool = False
    """Whether the client asked to go on from where nothing is kept any more."""
    waiting: asyncio.Queue[Told] = field(default_factory=lambda: asyncio.Queue(BACKLOG))

    async def next(self) -> Told:
        return await self.waiting.get()

    @property
    def has_room(self) -> bool:
        return self.is_ready and not self.waiting.full()


class Live:
    """The streams of one process."""

    def __init__(self, *, reading: Sessions, ears: Ears) -> None:
        self._reading = reading
        self._ears = ears
        self._streams: dict[UUID, set[Stream]] = defaultdict(set)
        self._heard = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def open(self, user_id: UUID, *, after: int | None) -> Stream:
        """Open a stream of what happens from now on, or after a position. Raises `TooManyStreams`."""
        if len(self._streams[user_id]) >= STREAMS_PER_USER:
            raise TooManyStreams(headers={"Retry-After": "15"})
        stream = Stream(user_id)
        self._streams[user_id].add(stream)  # counted before anything is waited for
        try:
            async with self._reading() as session:
                rows = HappeningRepository(session)
                stream.is_reset = bool(after) and not await rows.is_kept(user_id, after or 0)
                is_from_now = after is None or stream.is_reset
                begin = await rows.last_position(user_id) if is_from_now else after
        except BaseException:
            self.close(stream)
            raise
        stream.position = stream.begins_after = begin or 0
        stream.is_ready = True
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_on())
        self._heard.set()
        return stream

    def close(self, stream: Stream) -> None:
        streams = self._streams[stream.user_id]
        streams.discard(stream)
        if not streams:
            del self._streams[stream.user_id]

    @property
    def count(self) -> int:
        return sum(len(streams) for streams in self._streams.values())

    async def stop(self) -> None:
        """End the reading; open streams hear nothing more."""
        reader, self._reader = self._reader, None
        if reader is not None and reader.get_loop() is asyncio.get_running_loop():
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _read_on(self) -> None:
        """Read while there are streams; with notifications where they can be had, without where not."""
        while self._streams:
            try:
                async with self._ears.listening(CHANNEL, self._heard.set) as connection:
                    while self._streams and not connection.is_closed():
                        await self._round()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
                log.warning("live.not_listening", error=type(error).__name__)
                await self._round_without_ears()

    async def _round_without_ears(self) -> None:
        try:
            await self._round()
        except (OSError, TimeoutError, SQLAlchemyError) as error:
            log.warning("live.not_reading", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _round(self) -> None:
        """Wait until something was heard, or for a while, then read what there is."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._heard.wait()
            await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            pass
        self._heard.clear()
        while await self._read():
            pass

    async def _read(self) -> bool:
        """Read once for all streams that keep up; whether there may be more."""
        behind: dict[UUID, int] = {}
        for user_id, streams in self._streams.items():
            ready = [stream.position for stream in streams if stream.has_room]
            if ready:
                behind[user_id] = min(ready)
        if not behind:
            return False
        async with self._reading() as session:
            found = await HappeningRepository(session).after(behind, limit=BACKLOG)
        counts: dict[UUID, int] = defaultdict(int)
        for told in found:
            counts[told.user_id] += 1
            for stream in self._streams.get(told.user_id, ()):
                self._put(stream, told)
        return any(count >= BACKLOG for count in counts.values())

    def _put(self, stream: Stream, told: Told) -> None:
        """Give an event to a stream, unless it has it or is full: then it is read again once there is room."""
        if told.position > stream.position and stream.has_room:
            stream.waiting.put_nowait(told)
            stream.position = told.position
