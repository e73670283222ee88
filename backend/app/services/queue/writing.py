"""Having captions written: at once for one item, in the background for many; each item by one writer at a time.

A call costs money but publishes nothing, so one that was lost is simply made again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.captions.base import (
    BudgetUsedUp,
    CaptionDeclined,
    CaptionError,
    CaptionUnusable,
    WriterBusy,
    Written,
)
from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import (
    AiBudgetUsedUp,
    AppError,
    CaptionNotWritten,
    FieldError,
    InvalidRequest,
    PlanLimitReached,
    QueueItemBusy,
    QueueItemNotFound,
    QueueItemState,
    WriterUnavailable,
)
from app.domain.plans import month_of, plan_of
from app.domain.products import facts_of
from app.domain.vocabulary import QueueStatus, UsageMetric
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.repositories.queue_repository import WRITABLE, QueueRepository, QueueRow, Writing
from app.repositories.usage_repository import UsageRepository
from app.repositories.user_repository import Identity
from app.services.caption_service import CaptionService
from app.services.queue.captions import Entry, entries_of, plain
from app.services.queue.intake import GenerateRequest

log = structlog.get_logger()

LEASE = timedelta(minutes=5)
"""Longer than the longest time that a writer takes with its repairs."""
TRIES_MAX = 5
BACKOFF_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 900.0
LONGEST_ROUND_SECONDS = 60.0


class QueueWriting:
    def __init__(self, *, sessions: Sessions, captions: CaptionService, clock: Clock, concurrency: int) -> None:
        self._sessions = sessions
        self._captions = captions
        self._clock = clock
        self._concurrency = concurrency
        self._running: set[asyncio.Task[None]] = set()
        self._is_working = False
        self._is_stopping = False
        self._chance = random.Random()  # noqa: S311 - jitter and variety

    # At once

    async def now(self, user: Identity, item_id: UUID, wanted: GenerateRequest) -> QueueRow:
        """Write an item's captions and return it. Raises `QueueItemNotFound`, `QueueItemState`, `QueueItemBusy`,
        `PlanLimitReached`, and what `problem_of` makes of a writer's failure."""
        writing = await self._take(user, item_id, wanted)
        try:
            await self._record(writing, await self._write(writing))
        except CaptionError as error:
            await self._give_up(writing, error)
            raise problem_of(error) from error
        return await self._item(user.id, item_id)

    async def stream(self, user: Identity, item_id: UUID, wanted: GenerateRequest) -> AsyncIterator[str | QueueRow]:
        """Like `now`, giving the text piece by piece, and the item last. What is raised before the first piece is
        what `now` raises at once."""
        writing = await self._take(user, item_id, wanted)
        try:
            async for piece in self._captions.stream(**self._arguments(writing)):
                if isinstance(piece, Written):
                    await self._record(writing, piece)
                else:
                    yield piece
        except CaptionError as error:
            await self._give_up(writing, error)
            raise problem_of(error) from error
        except (asyncio.CancelledError, GeneratorExit):
            await asyncio.shield(self._give_up(writing, CaptionUnusable("Writing was stopped before it was done.")))
            raise
        yield await self._item(user.id, item_id)

    async def once(self, user: Identity, product_data: Mapping[str, Any], platform: str, tone: str | None) -> Entry:
        """Write one caption for a product that is in no queue. Raises `PlanLimitReached` and what `problem_of` says."""
        month = month_of(self._clock())
        async with unit_of_work(self._sessions) as uow:
            await take_caption(UsageRepository(uow.session), user, month)
        try:
            facts = facts_of(product_data)
            written = await self._captions.write(
                user.id, facts, (platform,), tone=tone, instruction=None, previous={}, item_id=None,
                purpose="generate_caption", variety=self._chance.randrange(1 << 16),
            )  # fmt: skip
        except CaptionError as error:
            await self._give_back(user.id, month)
            raise problem_of(error) from error
        except BaseException:
            await asyncio.shield(self._give_back(user.id, month))
            raise
        return entries_of(written, facts)[platform]

    async def _take(self, user: Identity, item_id: UUID, wanted: GenerateRequest) -> Writing:
        """Lease an item for writing at once. Should this process die, the background takes it up after the lease."""
        now, lease_id = self._clock(), new_id()
        month = month_of(now)
        async with unit_of_work(self._sessions) as uow:
            queue = QueueRepository(uow.session)
            row = await queue.lock(user.id, item_id)
            if row is None:
                raise QueueItemNotFound
            if row.status not in WRITABLE:
                raise QueueItemState(f"Cannot generate captions for item with status '{row.status}'")
            is_leased = row.generate_lease_until is not None and row.generate_lease_until > now
            if is_leased or row.batch_id is not None:
                raise QueueItemBusy
            platforms = tuple(dict.fromkeys((*row.platforms, *(wanted.platforms or ()))))
            if not platforms:
                sentence = "This item names no platform. Say in platforms which ones captions are for."
                raise InvalidRequest([FieldError(("body", "platforms"), sentence, "platforms_required")])
            if row.generate_request is None:
                await take_caption(UsageRepository(uow.session), user, month)
            else:
                month = date.fromisoformat(row.generate_request["month"])
            request = {**asdict(wanted), "month": month.isoformat()}
            await queue.change(
                user.id,
                item_id,
                platforms=list(platforms),
                generate_request=request,
                generate_due_at=now + LEASE,
                generate_lease_id=lease_id,
                generate_lease_until=now + LEASE,
                generate_tries=1,
            )
        return Writing(item_id, user.id, lease_id, 1, row.product_data, platforms, row.captions, row.version, request)

    async def _item(self, user_id: UUID, item_id: UUID) -> QueueRow:
        async with unit_of_work(self._sessions) as uow:
            row = await QueueRepository(uow.session).find(user_id, item_id)
        if row is None:
            raise QueueItemNotFound
        return row

    # In the background

    async def work(self) -> int:
        """Write what was asked for, several at a time, for a minute or so; returns how many items were taken up.
        A second call in the same process finds the first one at work."""
        if self._is_working or self._is_stopping:
            return 0
        self._is_working, taken, until = True, 0, time.monotonic() + LONGEST_ROUND_SECONDS
        try:
            while not self._is_stopping:
                free = self._concurrency - len(self._running)
                claimed = await self._claim(free) if free and time.monotonic() < until else []
                taken += len(claimed)
                for writing in claimed:
                    task = asyncio.create_task(self._work_on(writing))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                if not self._running:
                    break
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._running:
                await asyncio.wait(self._running)
            self._is_working = False
        return taken

    async def _claim(self, most: int) -> list[Writing]:
        async with unit_of_work(self._sessions) as uow:
            return await QueueRepository(uow.session).claim(now=self._clock(), lease=LEASE, most=most)

    async def _work_on(self, writing: Writing) -> None:
        try:
            await self._record(writing, await self._write(writing))
        except WriterBusy as error:
            if writing.tries >= TRIES_MAX:
                await self._give_up(writing, error)
            else:
                await self._put_off(writing, self._wait(writing.tries, error.after_seconds))
        except CaptionError as error:
            await self._give_up(writing, error)
        except asyncio.CancelledError:
            await asyncio.shield(self._put_off(writing, timedelta(), is_try=False))
            raise
        except (SQLAlchemyError, OSError) as error:
            log.warning("captions.not_recorded", item_id=str(writing.id), error=type(error).__name__)

    async def stop(self) -> None:
        """Hand back what is being written: another worker begins it anew."""
        self._is_stopping = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    # The steps

    def _arguments(self, writing: Writing) -> dict[str, Any]:
        request = writing.request
        chosen = tuple(request.get("platforms") or writing.platforms)
        return {
            "user_id": writing.user_id,
            "facts": facts_of(writing.product_data),
            "platforms": chosen,
            "tone": request.get("tone"),
            "instruction": request.get("instruction"),
            "previous": {
                platform: writing.captions[platform]["caption"] for platform in chosen if platform in writing.captions
            },
            "item_id": writing.id,
            "purpose": "queue",
            "variety": writing.version,
        }

    async def _write(self, writing: Writing) -> Written:
        return await self._captions.write(**self._arguments(writing))

    async def _record(self, writing: Writing, written: Written) -> None:
        """Keep what was written, if the item is still ours to write."""
        facts = facts_of(writing.product_data)
        new = entries_of(written, facts)
        async with unit_of_work(self._sessions) as uow:
            queue = QueueRepository(uow.session)
            row = await queue.lock_lease(writing)
            if row is None:
                log.info("captions.not_ours", item_id=str(writing.id))
                return
            captions, version = {**row.captions, **new}, row.version + 1
            generated = {
                platform: plain(platform, caption, written.model) for platform, caption in written.captions.items()
            }
            await queue.change(
                writing.user_id,
                writing.id,
                status=QueueStatus.generated,
                captions=captions,
                ai_generated_content={**(row.ai_generated_content or {}), **generated},
                version=version,
                **NOTHING_ASKED,
                **NO_ERROR,
            )
            await queue.add_version(
                writing.user_id,
                writing.id,
                version,
                source="generated",
                captions=captions,
                model=written.model,
                tone=writing.request.get("tone"),
                instruction=writing.request.get("instruction"),
                prompt_version=written.prompt_version,
                inputs_hash=written.inputs_hash,
            )

    async def _give_up(self, writing: Writing, error: CaptionError) -> None:
        """Tell the owner why there are no captions, and do not count them."""
        log.warning("captions.failed", item_id=str(writing.id), code=error.code, detail=error.detail)
        async with unit_of_work(self._sessions) as uow:
            queue = QueueRepository(uow.session)
            if await queue.lock_lease(writing) is None:
                return
            await queue.change(
                writing.user_id, writing.id, error_code=error.code, error_message=error.sentence, **NOTHING_ASKED
            )
            month = date.fromisoformat(writing.request["month"])
            await UsageRepository(uow.session).give_back(writing.user_id, UsageMetric.captions, month, count=1)

    async def _put_off(self, writing: Writing, wait: timedelta, *, is_try: bool = True) -> None:
        async with unit_of_work(self._sessions) as uow:
            queue = QueueRepository(uow.session)
            if await queue.lock_lease(writing) is not None:
                await queue.change(
                    writing.user_id,
                    writing.id,
                    generate_due_at=self._clock() + wait,
                    generate_lease_id=None,
                    generate_lease_until=None,
                    generate_tries=writing.tries if is_try else writing.tries - 1,
                )

    def _wait(self, tries: int, asked: float | None) -> timedelta:
        """Return how long to wait: what the provider asked for, else longer each time, with chance in it."""
        backoff = BACKOFF_SECONDS * 2 ** (tries - 1) * self._chance.uniform(0.75, 1.25)
        return timedelta(seconds=min(asked or backoff, LONGEST_WAIT_SECONDS))

    async def _give_back(self, user_id: UUID, month: date) -> None:
        async with unit_of_work(self._sessions) as uow:
            await UsageRepository(uow.session).give_back(user_id, UsageMetric.captions, month, count=1)


NO_ERROR: dict[str, Any] = {"error_code": None, "error_message": None}
NOTHING_ASKED: dict[str, Any] = {
    "generate_request": None,
    "generate_due_at": None,
    "generate_lease_id": None,
    "generate_lease_until": None,
    "generate_tries": 0,
    "batch_id": None,
}


async def take_caption(usage: UsageRepository, user: Identity, month: date) -> None:
    """Count one caption. Raises `PlanLimitReached`."""
    limit = plan_of(user.plan).captions_per_month
    if not await usage.take(user.id, UsageMetric.captions, month, count=1, limit=limit):
        raise PlanLimitReached(
            f"Monthly AI caption limit reached ({limit} captions). Upgrade your plan for unlimited captions."
        )


def problem_of(error: CaptionError) -> AppError:
    """Return a writer's failure as the API reports it."""
    if isinstance(error, BudgetUsedUp):
        return AiBudgetUsedUp(error.sentence)
    if isinstance(error, CaptionDeclined | CaptionUnusable):
        return CaptionNotWritten(error.sentence)
    seconds = error.after_seconds if isinstance(error, WriterBusy) else None
    return WriterUnavailable(error.sentence, headers={"Retry-After": str(round(seconds or 60))})
