"""The same thing for many items: each is done or refused by itself, and the answer says which."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import AppError, PlanLimitReached, QueueItemBusy, QueueItemNotFound, QueueItemState
from app.domain.vocabulary import QueueStatus
from app.kit.clock import Clock
from app.repositories.queue_repository import QueueFilter, QueueRepository
from app.repositories.user_repository import Identity
from app.services.caption_service import CaptionService
from app.services.queue.approval import Approval, QueueApproval
from app.services.queue.intake import GenerateRequest, NewItem, QueueIntake
from app.services.queue_service import QueueService


@dataclass(frozen=True)
class Done:
    """What became of one item of many."""

    id: UUID
    status: str | None
    is_generating: bool = False
    post_ids: tuple[UUID, ...] = ()
    error: AppError | None = None


class QueueBulk:
    def __init__(
        self, *, sessions: Sessions, approval: QueueApproval, captions: CaptionService, clock: Clock, send: Send
    ) -> None:
        self._sessions = sessions
        self._approval = approval
        self._captions = captions
        self._clock = clock
        self._send = send

    async def matching(self, user: Identity, wanted: QueueFilter, *, limit: int) -> list[UUID]:
        """Return the ids of items that match, oldest first."""
        async with unit_of_work(self._sessions) as uow:
            return await QueueRepository(uow.session).ids(user.id, wanted, limit=limit)

    async def add(self, user: Identity, items: Sequence[NewItem], *, generate: GenerateRequest | None) -> list[Done]:
        """Add items, all or none; as many captions are asked for as the plan allows."""
        async with unit_of_work(self._sessions, self._send) as uow:
            ids = await QueueIntake(uow, self._clock).add(user.id, items)
        if generate is not None:
            return await self.generate(user, ids, generate)
        return [Done(item_id, QueueStatus.pending) for item_id in ids]

    async def generate(self, user: Identity, item_ids: Sequence[UUID], wanted: GenerateRequest) -> list[Done]:
        """Ask for captions in the background."""
        async with unit_of_work(self._sessions, self._send) as uow:
            taken = set(await QueueIntake(uow, self._clock).request(user.id, item_ids, wanted))
            rows = await QueueRepository(uow.session).find_many(user.id, item_ids)
        return [self._asked(item_id, rows.get(item_id), item_id in taken) for item_id in item_ids]

    def _asked(self, item_id: UUID, row: Any, is_taken: bool) -> Done:
        if row is None:
            return Done(item_id, None, error=QueueItemNotFound())
        if is_taken:
            return Done(item_id, row.status, is_generating=True)
        error: AppError
        if row.status not in (QueueStatus.pending, QueueStatus.generated):
            error = QueueItemState(f"Cannot generate captions for item with status '{row.status}'")
        elif row.generate_request is not None:
            error = QueueItemBusy()
        elif not row.platforms:
            error = QueueItemState("This item names no platform. Say in platforms which ones captions are for.")
        else:
            error = PlanLimitReached("The plan's AI captions of this month are used up. Upgrade your plan to go on.")
        return Done(item_id, row.status, row.generate_request is not None, error=error)

    async def approve(self, user: Identity, item_ids: Sequence[UUID], wanted: Approval) -> list[Done]:
        """Approve one after the other, so that automatic times follow the order given."""

        async def one(item_id: UUID) -> Done:
            row = await self._approval.approve(user, item_id, wanted)
            return Done(item_id, row.status, post_ids=tuple(row.post_ids))

        return await _each(item_ids, one)

    async def reject(self, user: Identity, item_ids: Sequence[UUID]) -> list[Done]:
        async def one(item_id: UUID) -> Done:
            async with unit_of_work(self._sessions) as uow:
                row = await QueueService(uow, self._captions, self._clock).reject(user.id, item_id)
            return Done(item_id, row.status)

        return await _each(item_ids, one)

    async def delete(self, user: Identity, item_ids: Sequence[UUID]) -> list[Done]:
        async def one(item_id: UUID) -> Done:
            async with unit_of_work(self._sessions) as uow:
                await QueueService(uow, self._captions, self._clock).delete(user.id, item_id)
            return Done(item_id, None)

        return await _each(item_ids, one)


async def _each(item_ids: Sequence[UUID], work: Callable[[UUID], Awaitable[Done]]) -> list[Done]:
    results = []
    for item_id in item_ids:
        try:
            results.append(await work(item_id))
        except AppError as error:
            results.append(Done(item_id, None, error=error))
    return results
