"""The content queue: products on their way to posts, as their owner sees and steers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.caption_templates import rendered
from app.domain.errors import (
    CaptionVersionNotFound,
    FieldError,
    InvalidRequest,
    QueueItemBusy,
    QueueItemNotDeletable,
    QueueItemNotFound,
    QueueItemState,
)
from app.domain.products import facts_of
from app.domain.vocabulary import QueueStatus, UsageMetric
from app.kit.clock import Clock
from app.models import CaptionTemplate, CaptionVersion
from app.repositories.cursor import make_cursor, read_cursor
from app.repositories.queue_repository import QueueFilter, QueueRepository, QueueRow
from app.repositories.usage_repository import UsageRepository
from app.services.caption_service import CaptionService
from app.services.queue.captions import OWN_TEMPLATE, CaptionEdit, edited, from_template, rechecked
from app.services.queue.intake import NewItem, QueueIntake
from app.services.queue.writing import NO_ERROR, NOTHING_ASKED

OPEN = (QueueStatus.pending, QueueStatus.generated)
EDITABLE = (QueueStatus.pending, QueueStatus.generated, QueueStatus.approved)
DELETABLE = (QueueStatus.pending, QueueStatus.generated, QueueStatus.rejected)


@dataclass(frozen=True)
class QueuePage:
    items: list[QueueRow]
    total: int
    page: int
    per_page: int
    next_cursor: str | None
    counts: Mapping[str, int]
    """How many items there are in each status, whatever the filter."""


class QueueService:
    def __init__(self, uow: UnitOfWork, captions: CaptionService, clock: Clock) -> None:
        self._uow = uow
        self._queue = QueueRepository(uow.session)
        self._usage = UsageRepository(uow.session)
        self._captions = captions
        self._clock = clock

    async def add(self, user_id: UUID, item: NewItem) -> QueueRow:
        """Add one product."""
        ids = await QueueIntake(self._uow, self._clock).add(user_id, [item])
        return await self.get(user_id, ids[0])

    async def get(self, user_id: UUID, item_id: UUID) -> QueueRow:
        """Raises `QueueItemNotFound`, also for somebody else's."""
        row = await self._queue.find(user_id, item_id)
        if row is None:
            raise QueueItemNotFound
        return row

    async def list_page(
        self, user_id: UUID, wanted: QueueFilter, *, page: int, per_page: int, cursor: str | None
    ) -> QueuePage:
        """Return a page, newest first, with the exact total."""
        after = read_cursor(cursor) if cursor is not None else None
        if cursor is not None and after is None:
            sentence = "This cursor is not one of ours. Use next_cursor of the previous answer."
            raise InvalidRequest([FieldError(("query", "cursor"), sentence, "invalid_cursor")])
        rows = await self._queue.list_page(user_id, wanted, page=page, per_page=per_page, after=after)
        total = await self._queue.count(user_id, wanted)
        counts = await self._queue.count_by_status(user_id)
        more, rows = len(rows) > per_page, rows[:per_page]
        next_cursor = make_cursor(rows[-1].created_at, rows[-1].id) if more else None
        return QueuePage(rows, total, page, per_page, next_cursor, counts)

    async def edit(
        self,
        user_id: UUID,
        item_id: UUID,
        *,
        captions: Mapping[str, CaptionEdit],
        product_data: dict[str, Any] | None = None,
        platforms: Sequence[str] | None = None,
    ) -> QueueRow:
        """Change captions by hand, the product's data or the platforms. Captions are checked against the product anew.

        Raises `QueueItemNotFound`, `QueueItemState`, `QueueItemBusy`.
        """
        row = await self._locked(user_id, item_id, EDITABLE, "edit")
        data = product_data if product_data is not None else row.product_data
        facts, language = facts_of(data), (await self._captions.voice(user_id)).language
        new = edited(row.captions, captions, facts, language=language)
        if product_data is not None:
            new = rechecked(new, facts, language=language)
        chosen = platforms if platforms is not None else (*row.platforms, *captions)
        changes: dict[str, Any] = {"product_data": data, "platforms": list(dict.fromkeys(chosen))}
        if new != row.captions:
            changes |= {"captions": new, "version": row.version + 1}
            if row.status == QueueStatus.pending:
                changes["status"] = QueueStatus.generated
            await self._queue.add_version(user_id, item_id, row.version + 1, source="edited", captions=new)
        await self._queue.change(user_id, item_id, **changes)
        return await self.get(user_id, item_id)

    async def apply_template(
        self, user_id: UUID, item_id: UUID, template: CaptionTemplate, *, platforms: Sequence[str] | None
    ) -> QueueRow:
        """Fill an item's captions from a template; no AI caption is counted.

        Raises `QueueItemNotFound`, `QueueItemState`, `QueueItemBusy`, `InvalidRequest` where nothing is left to fill.
        """
        row = await self._locked(user_id, item_id, EDITABLE, "edit")
        facts, language = facts_of(row.product_data), (await self._captions.voice(user_id)).language
        offered = [name for name in row.platforms if not template.platforms or name in template.platforms]
        chosen = list(dict.fromkeys(platforms if platforms is not None else offered))
        text = rendered(template.content, facts, language=language)
        if not chosen or not text:
            sentence = (
                "This template is offered for none of the item's platforms. Say in platforms which ones it is for."
                if text
                else "Nothing is left of this template for this product: all of its fields are empty."
            )
            raise InvalidRequest([FieldError(("body", "template_id"), sentence, "template_does_not_fit")])
        texts = dict.fromkeys(chosen, text)
        new = from_template(row.captions, texts, template.hashtags, facts, language=language)
        number = row.version + 1
        await self._queue.add_version(
            user_id, item_id, number, source="template", captions=new, model=OWN_TEMPLATE, instruction=template.name
        )
        await self._queue.change(
            user_id,
            item_id,
            captions=new,
            version=number,
            platforms=list(dict.fromkeys((*row.platforms, *chosen))),
            status=QueueStatus.generated if row.status == QueueStatus.pending else row.status,
            **NO_ERROR,
        )
        return await self.get(user_id, item_id)

    async def versions(self, user_id: UUID, item_id: UUID) -> list[CaptionVersion]:
        """Return what the captions were, newest first. Raises `QueueItemNotFound`."""
        await self.get(user_id, item_id)
        return await self._queue.versions(user_id, item_id)

    async def restore(self, user_id: UUID, item_id: UUID, version: int) -> QueueRow:
        """Make an earlier version the newest one. Raises `CaptionVersionNotFound` and what `edit` raises."""
        row = await self._locked(user_id, item_id, EDITABLE, "edit")
        kept = next((one for one in await self._queue.versions(user_id, item_id) if one.version == version), None)
        if kept is None:
            raise CaptionVersionNotFound
        language = (await self._captions.voice(user_id)).language
        captions = rechecked(kept.captions, facts_of(row.product_data), language=language)
        number = row.version + 1
        await self._queue.add_version(
            user_id, item_id, number, source="restored", captions=captions, model=kept.model, tone=kept.tone
        )
        await self._queue.change(user_id, item_id, captions=captions, version=number)
        return await self.get(user_id, item_id)

    async def reject(self, user_id: UUID, item_id: UUID) -> QueueRow:
        """Put an item aside. Raises `QueueItemNotFound`, `QueueItemState`, `QueueItemBusy`."""
        row = await self._locked(user_id, item_id, (*OPEN, QueueStatus.approved), "reject")
        await self._call_off(user_id, row)
        await self._queue.change(user_id, item_id, status=QueueStatus.rejected, **NO_ERROR)
        return await self.get(user_id, item_id)

    async def reopen(self, user_id: UUID, item_id: UUID) -> QueueRow:
        """Take a rejected or approved item up again. Raises `QueueItemNotFound`, `QueueItemState`."""
        row = await self._locked(user_id, item_id, (QueueStatus.rejected, QueueStatus.approved), "reopen")
        status = QueueStatus.generated if row.captions else QueueStatus.pending
        await self._queue.change(user_id, item_id, status=status, approved_at=None)
        return await self.get(user_id, item_id)

    async def delete(self, user_id: UUID, item_id: UUID) -> None:
        """Raises `QueueItemNotFound`, `QueueItemNotDeletable`, `QueueItemBusy`."""
        row = await self._queue.lock(user_id, item_id)
        if row is None:
            raise QueueItemNotFound
        if row.status not in DELETABLE:
            raise QueueItemNotDeletable
        await self._call_off(user_id, row)
        await self._queue.delete(user_id, item_id)

    async def _locked(self, user_id: UUID, item_id: UUID, allowed: Sequence[QueueStatus], verb: str) -> QueueRow:
        row = await self._queue.lock(user_id, item_id)
        if row is None:
            raise QueueItemNotFound
        if row.status not in allowed:
            raise QueueItemState(f"Cannot {verb} item with status '{row.status}'")
        if verb == "edit" and row.generate_request is not None:
            raise QueueItemBusy
        return row

    async def _call_off(self, user_id: UUID, row: QueueRow) -> None:
        """Withdraw what was asked for in the background, and do not count it. Raises `QueueItemBusy` while somebody
        writes."""
        if row.generate_request is None:
            return
        if row.batch_id is not None or (row.generate_lease_until or self._clock()) > self._clock():
            raise QueueItemBusy
        month = date.fromisoformat(row.generate_request["month"])
        await self._queue.change(user_id, row.id, **NOTHING_ASKED)
        await self._usage.give_back(user_id, UsageMetric.captions, month, count=1)
