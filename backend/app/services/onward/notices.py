"""Writes notices down as their owner wants to be told. Works within the caller's unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.db.unit_of_work import UnitOfWork
from app.domain.notices import Notice, mail_due
from app.domain.vocabulary import SEND_MAIL
from app.domain.zones import find_zone
from app.repositories.happening_repository import HappeningRepository
from app.repositories.notification_repository import NotificationRepository


class NoticeBook:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._rows = NotificationRepository(uow.session)
        self._happenings = HappeningRepository(uow.session)

    async def zones(self, user_ids: set[UUID]) -> dict[UUID, ZoneInfo]:
        """Return the users' time zones, UTC where one is unknown here."""
        names = await self._happenings.timezones(user_ids)
        return {user_id: find_zone(name) or ZoneInfo("UTC") for user_id, name in names.items()}

    async def write(self, notices: Sequence[tuple[UUID, Notice]], *, now: datetime) -> None:
        """Write notices by user. One that its owner wants neither shown nor mailed is not written."""
        if not notices:
            return
        users = {user_id for user_id, _ in notices}
        choices, zones = await self._rows.choices(users), await self.zones(users)
        for user_id, notice in notices:
            choice = choices[user_id, notice.kind]
            due = mail_due(choice.mail, now, zones[user_id])
            if choice.in_app or due is not None:
                await self._rows.add(user_id, notice, in_app=choice.in_app, mail_due_at=due, now=now)
        self._uow.after_commit(SEND_MAIL)
