"""Whether PostPilot does its work: not whether processes exist, but whether they were seen working."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.repositories.publication_repository import PublicationRepository

WORKER_SILENCE = timedelta(seconds=20)
DISPATCH_SILENCE = timedelta(seconds=20)
CHECK_SECONDS = 3.0


@dataclass(frozen=True)
class Check:
    """One thing that must work; `detail` says what is wrong and what to do."""

    name: str
    ok: bool
    detail: str


class HealthService:
    def __init__(self, sessions: Sessions, ping_broker: Callable[[], Awaitable[None]]) -> None:
        self._sessions = sessions
        self._ping_broker = ping_broker

    async def check(self) -> list[Check]:
        """Look at database, broker, worker, beat and lateness."""
        broker = await self._broker()
        try:
            async with asyncio.timeout(CHECK_SECONDS), unit_of_work(self._sessions) as uow:
                silence = await self._silence(uow.session)
                late = await PublicationRepository(uow.session).count_late()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            gone = Check("database", False, f"The database does not answer ({type(error).__name__}).")
            unknown = "Cannot be told while the database does not answer."
            return [gone, broker, *(Check(name, False, unknown) for name in ("worker", "beat", "punctuality"))]
        return [
            Check("database", True, "answers"),
            broker,
            _heard("worker", silence.get("worker"), WORKER_SILENCE, "No worker runs. Start one: `make start`."),
            _heard(
                "beat",
                silence.get("dispatch"),
                DISPATCH_SILENCE,
                "Due posts are not dispatched: beat, broker or worker stands still. `make doctor` says which.",
            ),
            Check(
                "punctuality",
                late == 0,
                "nothing is late" if late == 0 else f"{late} posts are overdue by more than two minutes.",
            ),
        ]

    async def _broker(self) -> Check:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._ping_broker()
        except (OSError, TimeoutError) as error:
            return Check("broker", False, f"The broker does not answer ({type(error).__name__}).")
        return Check("broker", True, "answers")

    async def _silence(self, session: Any) -> dict[str, timedelta]:
        rows = await session.execute(
            text("SELECT kind, clock_timestamp() - max(beat_at) AS silence FROM heartbeats GROUP BY kind")
        )
        return {row.kind: row.silence for row in rows}


def _heard(name: str, silence: timedelta | None, longest: timedelta, advice: str) -> Check:
    if silence is None:
        return Check(name, False, f"Never seen at work. {advice}")
    if silence > longest:
        return Check(name, False, f"Last seen at work {round(silence.total_seconds())} s ago. {advice}")
    return Check(name, True, f"seen at work {max(0, round(silence.total_seconds()))} s ago")


async def beat(sessions: Sessions, *, name: str, kind: str) -> None:
    """Write a sign of life."""
    async with unit_of_work(sessions) as uow:
        await uow.session.execute(
            text("""
            INSERT INTO heartbeats (name, kind, beat_at) VALUES (:name, :kind, clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET beat_at = excluded.beat_at
            """),
            {"name": name, "kind": kind},
        )


async def forget(sessions: Sessions, *, name: str) -> None:
    """Take back the sign of life of a process that stops on purpose."""
    async with unit_of_work(sessions) as uow:
        await uow.session.execute(text("DELETE FROM heartbeats WHERE name = :name"), {"name": name})
