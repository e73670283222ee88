"""Putting products into the queue, one or thousands, and asking for their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.plans import month_of, plan_of
from app.domain.vocabulary import WRITE_CAPTIONS, QueueStatus, UsageMetric
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.repositories.queue_repository import QueueRepository
from app.repositories.usage_repository import UsageRepository
from app.repositories.user_repository import UserRepository


@dataclass(frozen=True)
class NewItem:
    """A product for the queue: `product_data` as the API shows it."""

    product_data: dict[str, Any]
    platforms: tuple[str, ...]
    product_id: UUID | None = None
    origin: str = "manual"


@dataclass(frozen=True)
class GenerateRequest:
    """What captions are to be like this time."""

    tone: str | None = None
    instruction: str | None = None
    platforms: tuple[str, ...] | None = field(default=None)
    """Only for these; None for all of the item."""


class QueueIntake:
    """Works within the caller's unit of work."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._uow = uow
        self._clock = clock
        self._queue = QueueRepository(uow.session)
        self._usage = UsageRepository(uow.session)
        self._users = UserRepository(uow.session)

    async def add(
        self, user_id: UUID, items: Sequence[NewItem], *, generate: GenerateRequest | None = None
    ) -> list[UUID]:
        """Add items as `pending` and return their ids in order; `generate` asks for captions in the background."""
        ids = [new_id() for _ in items]
        await self._queue.add_all(
            [
                {
                    "id": item_id,
                    "user_id": user_id,
                    "product_id": item.product_id,
                    "origin": item.origin,
                    "product_data": item.product_data,
                    "platforms": list(dict.fromkeys(item.platforms)),
                    "status": QueueStatus.pending,
                }
                for item_id, item in zip(ids, items, strict=True)
            ]
        )
        if generate is not None:
            await self.request(user_id, ids, generate)
        return ids

    async def request(self, user_id: UUID, item_ids: Sequence[UUID], wanted: GenerateRequest) -> list[UUID]:
        """Ask for captions in the background and return the items that were taken: pending or generated ones that
        nothing is under way for, as far as the plan's captions reach. Each counts at once, and not when it fails."""
        identity = await self._users.identity(user_id)
        if identity is None:
            return []
        taken = []
        month, limit = month_of(self._clock()), plan_of(identity.plan).captions_per_month
        for item_id in await self._queue.lock_writable(user_id, item_ids):
            if not await self._usage.take(user_id, UsageMetric.captions, month, count=1, limit=limit):
                break
            taken.append(item_id)
        if taken:
            await self._queue.request(user_id, taken, {**asdict(wanted), "month": month.isoformat()}, at=self._clock())
            self._uow.after_commit(WRITE_CAPTIONS)
        return taken
