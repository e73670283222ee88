"""SQL of notifications: what is to be known, whether it was read, and what is to be mailed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.notices import DEFAULTS, Choice, MailChoice, Notice, NoticeKind
from app.kit.ids import new_id
from app.models import Notification, NotificationSetting


@dataclass(frozen=True)
class DueMail:
    """One notification that somebody is being told by mail."""

    id: UUID
    title: str
    body: str
    facts: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Recipient:
    user_id: UUID
    email: str


class NotificationRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, user_id: UUID, notice: Notice, *, in_app: bool, mail_due_at: datetime | None, now: datetime
    ) -> None:
        """Write a notice once. One that counts on is written over instead, and is unread again."""
        statement = insert(Notification).values(
            id=new_id(),
            user_id=user_id,
            kind=notice.kind,
            subject_id=notice.subject_id,
            dedupe_key=notice.key,
            title=notice.title,
            body=notice.body,
            facts={"path": notice.path, "action": notice.action},
            in_app=in_app,
            mail_due_at=mail_due_at,
            created_at=now,
        )
        if notice.is_running:
            fresh = statement.excluded
            statement = statement.on_conflict_do_update(
                index_elements=["user_id", "dedupe_key"],
                set_={
                    "title": fresh.title,
                    "body": fresh.body,
                    "read_at": None,
                    "created_at": fresh.created_at,
                    "mail_due_at": text(
                        "CASE WHEN notifications.mailed_at IS NULL THEN excluded.mail_due_at END"
                    ),  # mailed once, it is not mailed again
                },
                where=text("notifications.body <> excluded.body"),
            )
        else:
            statement = statement.on_conflict_do_nothing(index_elements=["user_id", "dedupe_key"])
        await self._session.execute(statement)

    async def is_written(self, user_id: UUID, key: str) -> bool:
        found = await self._session.execute(
            text("SELECT 1 FROM notifications WHERE user_id = :user_id AND dedupe_key = :key"),
            {"user_id": user_id, "key": key},
        )
        return found.first() is not None

    # The list

    async def page(
        self, user_id: UUID, *, unread: bool | None, page: int, per_page: int
    ) -> tuple[list[Notification], int]:
        conditions = [Notification.user_id == user_id, Notification.in_app]
        if unread is not None:
            conditions.append(Notification.read_at.is_(None) if unread else Notification.read_at.is_not(None))
        total = await self._session.scalar(select(func.count()).select_from(Notification).where(*conditions))
        rows = await self._session.scalars(
            select(Notification)
            .where(*conditions)
            .order_by(Notification.created_at.desc(), Notification.id.desc())
            .offset((page - 1) * per_page)
            .limit(per_page)
        )
        return list(rows), int(total or 0)

    async def unread_count(self, user_id: UUID) -> int:
        found = await self._session.execute(
            text("SELECT count(*) FROM notifications WHERE user_id = :user_id AND in_app AND read_at IS NULL"),
            {"user_id": user_id},
        )
        return int(found.scalar_one())

    async def mark_read(self, user_id: UUID, notification_id: UUID, *, at: datetime) -> Notification | None:
        """Mark one as read, the first time only; what was read needs no mail any more."""
        await self._session.execute(
            text("""
            UPDATE notifications SET read_at = :at, mail_due_at = NULL
            WHERE id = :id AND user_id = :user_id AND in_app AND read_at IS NULL
            """),
            {"id": notification_id, "user_id": user_id, "at": at},
        )
        return await self._session.scalar(
            select(Notification).where(
                Notification.id == notification_id, Notification.user_id == user_id, Notification.in_app
            )
        )

    async def mark_all_read(self, user_id: UUID, *, at: datetime) -> int:
        """Mark every unread one as read and return how many they were."""
        rows = await self._session.execute(
            text("""
            UPDATE notifications SET read_at = :at, mail_due_at = NULL
            WHERE user_id = :user_id AND in_app AND read_at IS NULL RETURNING id
            """),
            {"user_id": user_id, "at": at},
        )
        return len(rows.all())

    # How it is told

    async def choices(self, user_ids: Collection[UUID]) -> dict[tuple[UUID, NoticeKind], Choice]:
        """Return how each user wants each kind told; kinds that nobody has changed are told as usual."""
        rows = await self._session.execute(select(NotificationSetting).where(NotificationSetting.user_id.in_(user_ids)))
        found = {(user_id, kind): choice for user_id in user_ids for kind, choice in DEFAULTS.items()}
        for setting in rows.scalars():
            if setting.kind in DEFAULTS:
                found[setting.user_id, NoticeKind(setting.kind)] = Choice(setting.in_app, MailChoice(setting.mail))
        return found

    async def put_choice(self, user_id: UUID, kind: NoticeKind, choice: Choice) -> None:
        values = {"in_app": choice.in_app, "mail": choice.mail}
        await self._session.execute(
            insert(NotificationSetting)
            .values(user_id=user_id, kind=kind, **values)
            .on_conflict_do_update(index_elements=["user_id", "kind"], set_={**values, "updated_at": func.now()})
        )

    async def drop_mail(self, user_id: UUID, kind: NoticeKind) -> None:
        """Let nothing of a kind be mailed that waits for it: its owner wants none any more."""
        await self._session.execute(
            text("UPDATE notifications SET mail_due_at = NULL WHERE user_id = :user_id AND kind = :kind"),
            {"user_id": user_id, "kind": kind},
        )

    # Mail

    async def drop_unmailable(self, *, now: datetime) -> None:
        """Let nothing be mailed to addresses that nobody has confirmed, nor to people who are switched off."""
        await self._session.execute(
            text("""
            UPDATE notifications n SET mail_due_at = NULL FROM users u
            WHERE u.id = n.user_id AND n.mail_due_at <= :now AND NOT (u.is_active AND u.email_verified_at IS NOT NULL)
            """),
            {"now": now},
        )

    async def next_recipient(self, *, now: datetime, quiet_since: datetime) -> Recipient | None:
        """Return somebody for whom mail is due and to whom none went lately."""
        rows = await self._session.execute(
            text("""
            SELECT n.user_id, u.email FROM notifications n JOIN users u ON u.id = n.user_id
            WHERE n.mail_due_at <= :now AND u.is_active AND u.email_verified_at IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM notifications told WHERE told.user_id = n.user_id AND told.mailed_at > :quiet_since
            ) ORDER BY n.mail_due_at LIMIT 1
            """),
            {"now": now, "quiet_since": quiet_since},
        )
        row = rows.first()
        return Recipient(*row) if row else None

    async def begin_mail(self, user_id: UUID, *, now: datetime, limit: int) -> list[DueMail]:
        """Take what is due for a user, oldest first, and count it as mailed: from here on nobody else mails it."""
        rows = await self._session.execute(
            text("""
            WITH due AS (
                SELECT id FROM notifications WHERE user_id = :user_id AND mail_due_at <= :now
                ORDER BY created_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE notifications n SET mailed_at = :now, mail_due_at = NULL FROM due WHERE n.id = due.id
            RETURNING n.id, n.title, n.body, n.facts, n.created_at
            """),
            {"user_id": user_id, "now": now, "limit": limit},
        )
        return sorted((DueMail(*row) for row in rows), key=lambda due: (due.created_at, due.id))

    async def mail_again(self, ids: Sequence[UUID], *, at: datetime, too_old: datetime) -> None:
        """Take back that these were mailed: nothing was accepted. Those that are too old by now are given up."""
        await self._session.execute(
            text("""
            UPDATE notifications SET mailed_at = NULL,
                mail_due_at = CASE WHEN created_at > :too_old AND read_at IS NULL THEN CAST(:at AS timestamptz) END
            WHERE id = ANY(:ids)
            """),
            {"ids": list(ids), "at": at, "too_old": too_old},
        )

    async def mail_refused(self, ids: Sequence[UUID]) -> None:
        """Note that the server refused the mail for good."""
        await self._session.execute(
            text("""
            UPDATE notifications SET mailed_at = NULL, facts = facts || '{"mail": "refused"}' WHERE id = ANY(:ids)
            """),
            {"ids": list(ids)},
        )
