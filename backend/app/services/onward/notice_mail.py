"""Mails notifications: what is due for a user goes in one letter.

At most once, rather than at least once: a notification counts as mailed before the letter is handed over, and that is
taken back only where the server said that it has not taken it. A process that is killed in the seconds between loses
one letter; the notification itself stays in the dashboard. A shop owner who gets the same alarm again and again stops
reading them, and whoever must not miss something looks at the dashboard anyway.

Mail goes to addresses that were confirmed, and to no others: a mistyped one belongs to somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.mail.base import PRODUCT, Letter, Mailer, MailLater, MailNever, MailUnsure
from app.mail.layout import Button, Footer, Section, write_letter
from app.repositories.notification_repository import DueMail, NotificationRepository, Recipient

log = structlog.get_logger()

QUIET = timedelta(minutes=10)
"""After a letter to somebody, what happens next waits this long and goes together."""
LETTER_MAX = 50
"""Notifications in one letter; what is left goes into the next."""
GIVE_UP = timedelta(days=2)
"""How old a notification may be that is still to be mailed: older ones are in the dashboard."""
RETRY_MIN, RETRY_MAX = timedelta(minutes=1), timedelta(hours=1)


class NoticeMail:
    def __init__(self, *, sessions: Sessions, mailer: Mailer, clock: Clock, dashboard_base: str) -> None:
        self._sessions = sessions
        self._mailer = mailer
        self._clock = clock
        self._dashboard_base = dashboard_base
        self._one_at_a_time = asyncio.Lock()

    async def work(self, *, letters: int = 500) -> int:
        """Send the letters that are due and return how many were taken. Safe to call twice at once: a notification is
        taken by one sender."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            async with unit_of_work(self._sessions) as uow:
                await NotificationRepository(uow.session).drop_unmailable(now=self._clock())
            taken = 0
            for _ in range(letters):
                outcome = await self._next()
                if outcome is None:
                    break
                taken += outcome
            return taken

    async def _next(self) -> int | None:
        """Send one letter; `None` when none is due."""
        now = self._clock()
        async with unit_of_work(self._sessions) as uow:
            rows = NotificationRepository(uow.session)
            recipient = await rows.next_recipient(now=now, quiet_since=now - QUIET)
            due = await rows.begin_mail(recipient.user_id, now=now, limit=LETTER_MAX) if recipient else []
        if recipient is None:
            return None
        if not due:  # another sender was quicker
            return 0
        return await self._send(recipient, due, now)

    async def _send(self, recipient: Recipient, due: Sequence[DueMail], now: datetime) -> int:
        ids = [one.id for one in due]
        try:
            await self._mailer.send(self.letter(recipient.email, due))
        except MailLater:
            at = now + min(max((now - due[0].created_at) / 4, RETRY_MIN), RETRY_MAX)
            async with unit_of_work(self._sessions) as uow:
                await NotificationRepository(uow.session).mail_again(ids, at=at, too_old=now - GIVE_UP)
            return 0
        except MailNever:
            async with unit_of_work(self._sessions) as uow:
                await NotificationRepository(uow.session).mail_refused(ids)
            log.warning("notice.mail_refused", user_id=str(recipient.user_id), count=len(ids))
            return 0
        except MailUnsure:  # perhaps it has it: see above
            log.warning("notice.mail_unsure", user_id=str(recipient.user_id), count=len(ids))
        return 1

    def letter(self, to: str, due: Sequence[DueMail]) -> Letter:
        """Return the letter about these notifications: its subject is the only one's title, or how many there are."""
        sections = [
            Section(
                text=[one.body],
                title=one.title,
                button=Button(str(one.facts["action"]), self._dashboard_base + str(one.facts["path"])),
            )
            for one in due
        ]
        subject = due[0].title if len(due) == 1 else f"{len(due)} things to know about your posts"
        return write_letter(
            to=to,
            subject=subject,
            sections=sections,
            footer=Footer(
                f"You get this mail because you use {PRODUCT} and want to be told of such things by mail.",
                Button("Choose what is mailed", f"{self._dashboard_base}/settings#notifications"),
            ),
            key=f"notice {due[0].id}",
        )
