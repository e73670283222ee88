"""One transaction: commit on success, roll back on any error, and send messages only after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions

log = structlog.get_logger()

Send = Callable[[str], None]
"""Sends a task by name. May block shortly and may fail: the row is the truth, the message only a hint."""


class UnitOfWork:
    """A session and the messages to send once its work is committed."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.messages: list[str] = []

    def after_commit(self, task_name: str) -> None:
        """Send a task by name after the commit; dropped on rollback, and sent once however often it is asked for."""
        if task_name not in self.messages:
            self.messages.append(task_name)


@asynccontextmanager
async def unit_of_work(sessions: Sessions, send: Send | None = None) -> AsyncIterator[UnitOfWork]:
    """Open a unit of work. The only place that commits."""
    async with sessions() as session:
        uow = UnitOfWork(session)
        try:
            yield uow
            await session.commit()
        except BaseException:
            await session.rollback()
            raise
    if send is not None:
        for name in uow.messages:
            try:
                await asyncio.to_thread(send, name)
            except Exception as error:  # noqa: BLE001 - the periodic sweep finds what a lost hint missed
                log.warning("hint.lost", task=name, error=type(error).__name__)
