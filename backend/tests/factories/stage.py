"""What tests of the publishing engine share: workers that can be killed, accounts at the sandbox, time that passes."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from app.composition import Container
from app.domain.vocabulary import Platform, PostStatus
from app.models import SocialAccount
from app.platforms.base import Auth, PlatformAdapter
from app.repositories.publication_repository import PublicationRepository
from app.services.publishing.drain import Drain
from app.settings import Settings
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import Sandbox

MakeWorker = Callable[..., Container]
"""Makes the parts of one more worker process."""
LONGEST = timedelta(minutes=5)
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
STEPS = ("prepare", "look", "submit", "reconcile")


def impatient(container: Container, name: str) -> Container:
    """Return a worker whose drain does not linger after its last work: for it, time runs twenty times as fast."""
    settings = container.settings
    drain = Drain(
        engine=container.publishing,
        sessions=container.sessions,
        concurrency=settings.publish_concurrency,
        lease=timedelta(seconds=settings.publish_lease_seconds),
        owner=name,
        monotonic=lambda: time.monotonic() * 20,
    )
    return replace(container, drain=drain)


_STOPS: list[Stop] = []


class Spy:
    """Stands before a publisher (or connector, or reader), counts, and stops calls where a test wants it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.running: dict[str, int] = defaultdict(int)
        self.most_at_once: dict[str, int] = defaultdict(int)
        self.calls: list[tuple[str, str]] = []
        self.stops: dict[tuple[str, str], Stop] = {}
        self.answers: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            first = arguments[0] if arguments else None
            who = first.account_id if isinstance(first, Auth) else ""
            self.calls.append((name, who))
            self.running[who] += 1
            self.most_at_once[who] = max(self.most_at_once[who], self.running[who])
            try:
                await self._stop(name, "before")
                answer = self.answers.get(name, found)(*arguments, **named)
                result = await answer if asyncio.iscoroutine(answer) else answer
                await self._stop(name, "after")
                return result
            finally:
                self.running[who] -= 1

        return call

    async def _stop(self, name: str, when: str) -> None:
        stop = self.stops.get((name, when))
        if stop is not None:
            stop.reached.set()
            await stop.released.wait()
            if stop.is_final:
                raise asyncio.CancelledError

    def stop(self, name: str, when: str) -> Stop:
        """Let calls hang before or after they were made, until the stop is released."""
        self.stops[name, when] = Stop(asyncio.Event(), asyncio.Event())
        _STOPS.append(self.stops[name, when])
        return self.stops[name, when]

    def count(self, name: str) -> int:
        return sum(1 for called, _ in self.calls if called == name)


@dataclass
class Stop:
    reached: asyncio.Event
    released: asyncio.Event
    is_final: bool = False
    """Whether the call ends when the stop is released: the test is over."""

    async def wait(self) -> None:
        async with asyncio.timeout(20):
            await self.reached.wait()


def spy_on(container: Container, platform: str, part: str = "publisher") -> Spy:
    """Put a spy before one part of one platform's adapter."""
    adapter: PlatformAdapter = container.adapters[platform]
    spy = Spy(getattr(adapter, part))
    container.adapters[platform] = replace(adapter, **{part: spy})
    return spy


class Stage:
    """A user with accounts at the sandbox, on committed data."""

    def __init__(self, rows: Factory, sandbox: Sandbox, clock: SteerableClock, settings: Settings) -> None:
        self.rows = rows
        self.sandbox = sandbox
        self.clock = clock
        self.settings = settings
        self._users: list[MadeUser] = []
        self._tasks: list[asyncio.Task[Any]] = []

    async def user(self) -> MadeUser:
        if not self._users:
            self._users.append(await self.rows.user())
        return self._users[0]

    async def connect(self, platform: str = "facebook", name: str = "Corner Cafe") -> SocialAccount:
        user = await self.user()
        account, _ = await self.rows.container.connections.connect(
            user.id, platform=Platform(platform), account_name=name, account_id_external=None
        )
        return account

    async def schedule(
        self,
        account: SocialAccount,
        content: str,
        *,
        ago: timedelta = timedelta(),
        sample: str | None = None,
        post_type: str | None = None,
        **options: Any,
    ) -> UUID:
        """Write a post that is due, as the API does."""
        media: list[dict[str, Any]] = []
        if sample is None and account.platform != "facebook":
            sample = "coffee.mp4" if account.platform == "tiktok" else "coffee.jpg"
        if sample is not None:
            url = f"{self.settings.public_base}/media/samples/{sample}"
            items, _ = await self.rows.container.media.look_at([url], user_id=account.user_id)
            media = [vars(items[url])]
        kind = {"instagram": "image", "facebook": "photo" if sample else "text", "tiktok": "video"}[account.platform]
        at = datetime.now(UTC) - ago
        post = await self.rows.post(
            await self.user(),
            account,
            status=PostStatus.scheduled,
            content=content,
            media_urls=[item["url"] for item in media],
            media=media,
            post_type=post_type or kind,
            options=options or (PUBLIC if account.platform == "tiktok" and post_type is None else {}),
            scheduled_for=at,
        )
        async with self.rows.container.sessions() as session:
            await PublicationRepository(session).open_run(post.id, user_id=post.user_id, account_id=account.id, at=at)
            await session.commit()
        return UUID(str(post.id))

    async def post(self, post_id: UUID) -> Row[Any]:
        return await self.rows.reload(post_id)

    async def run(self, *workers: Container) -> None:
        """Let workers work at the same time until nothing is due."""
        await asyncio.gather(*(worker.drain.run(longest=LONGEST) for worker in workers))

    def start(self, worker: Container) -> asyncio.Task[None]:
        """Let a worker work on its own."""
        task = asyncio.create_task(worker.drain.run(longest=LONGEST))
        self._tasks.append(task)
        return task

    async def open_runs(self) -> int:
        return int(await self.rows.scalar("SELECT count(*) FROM publications WHERE finished_at IS NULL"))

    async def time_passes(self, by: timedelta = timedelta(seconds=10)) -> None:
        """Make everything that waits due, and let visibility periods end."""
        self.clock.move(by)
        await self.rows.execute(
            "UPDATE publications SET due_at = clock_timestamp() - interval '1 ms' WHERE finished_at IS NULL"
        )
        await self.rows.execute("""
            UPDATE publishing_lanes SET due_at = clock_timestamp() - interval '1 ms', paused_until = NULL
            WHERE account_id IN (SELECT account_id FROM publications WHERE finished_at IS NULL)
        """)

    async def expire_leases(self) -> None:
        """Let so much time pass that the leases of a dead worker have run out."""
        await self.rows.execute(
            "UPDATE publishing_lanes SET lease_until = clock_timestamp() - interval '1 s' WHERE lease_id IS NOT NULL"
        )

    async def finish(self, *workers: Container, rounds: int = 25) -> None:
        """Work and wait in turn until nothing is open."""
        for _ in range(rounds):
            await self.run(*workers)
            if await self.open_runs() == 0:
                return
            await self.time_passes()
        rows = await self.rows.execute("SELECT step, error_code, error_message FROM publications")
        raise AssertionError(f"still open: {rows}")

    async def close(self) -> None:
        """End every worker that still hangs in a call."""
        while _STOPS:
            stop = _STOPS.pop()
            stop.is_final = True
            stop.released.set()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
