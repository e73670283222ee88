"""Which accounts have no place in their owner's plan, asked for every post that goes out."""

from __future__ import annotations

import time
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.clock import Clock
from app.services.entitlements import Entitlements

KNOWN_SECONDS = 15.0
"""How long an answer is good: a change of plan holds posts by itself, this only catches what it could not."""
USERS_MAX = 5000


class PlanPlaces:
    """One per process."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock
        self._known: dict[UUID, tuple[float, frozenset[UUID]]] = {}

    async def over_plan(self, user_id: UUID) -> frozenset[UUID]:
        """Return a user's accounts without a place, as they were some seconds ago at most."""
        known = self._known.get(user_id)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        async with unit_of_work(self._sessions) as uow:
            found = frozenset(await Entitlements(uow, self._clock).over_plan(user_id))
        if len(self._known) >= USERS_MAX:
            self._known.clear()
        self._known[user_id] = (time.monotonic() + KNOWN_SECONDS, found)
        return found
