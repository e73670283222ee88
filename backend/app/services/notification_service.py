"""A user's notifications, and how they want to be told."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import NotificationNotFound
from app.domain.notices import Choice, MailChoice, NoticeKind
from app.kit.clock import Clock
from app.models import Notification
from app.repositories.notification_repository import NotificationRepository


class NotificationService:
    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._rows = NotificationRepository(uow.session)
        self._clock = clock

    async def page(
        self, user_id: UUID, *, unread: bool | None, page: int, per_page: int
    ) -> tuple[list[Notification], int]:
        return await self._rows.page(user_id, unread=unread, page=page, per_page=per_page)

    async def unread_count(self, user_id: UUID) -> int:
        return await self._rows.unread_count(user_id)

    async def mark_read(self, user_id: UUID, notification_id: UUID) -> Notification:
        """Raises `NotificationNotFound`."""
        found = await self._rows.mark_read(user_id, notification_id, at=self._clock())
        if found is None:
            raise NotificationNotFound
        return found

    async def mark_all_read(self, user_id: UUID) -> int:
        return await self._rows.mark_all_read(user_id, at=self._clock())

    async def choices(self, user_id: UUID) -> dict[NoticeKind, Choice]:
        """Return how each kind is told."""
        found = await self._rows.choices([user_id])
        return {kind: found[user_id, kind] for kind in NoticeKind}

    async def change(self, user_id: UUID, changes: Mapping[NoticeKind, Choice]) -> None:
        """Change how the given kinds are told. What waits to be mailed is not, where mail is switched off."""
        for kind in sorted(changes):
            await self._rows.put_choice(user_id, kind, changes[kind])
            if changes[kind].mail is MailChoice.off:
                await self._rows.drop_mail(user_id, kind)
