"""The books of calls to the provider: what each may cost is held back before it, and replaced by what it did."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import structlog

from app.captions.base import BudgetUsedUp, Settlement, WriterMisconfigured
from app.captions.prices import cost_micros, most_micros
from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.plans import month_of
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.repositories.ai_repository import ALL, AiRepository
from app.repositories.voice_repository import VoiceRepository

log = structlog.get_logger()

LOST_AFTER = timedelta(minutes=10)
"""Longer than any call may take: one that is still open then was never settled."""
BUDGET_KEY = "ai_budget_cents"
MICROS_PER_CENT = 10_000
NO_LIMIT = 0
NOTHING_LEFT = -1


class AiBooks:
    """Makes the ledgers of single jobs. One per process; every entry is a short transaction of its own."""

    def __init__(self, sessions: Sessions, clock: Clock, *, monthly_budget_micros: int) -> None:
        self.sessions = sessions
        self.clock = clock
        self.monthly_budget_micros = monthly_budget_micros
        """For the whole installation; 0 for no limit."""

    def ledger(self, user_id: UUID, *, purpose: str, item_id: UUID | None = None, is_batch: bool = False) -> UserLedger:
        """Return the books for one job of one user."""
        return UserLedger(self, user_id, purpose=purpose, item_id=item_id, is_batch=is_batch)

    async def sweep(self) -> int:
        """Give up calls that were left open and return how many; what was held back for them stays counted."""
        async with unit_of_work(self.sessions) as uow:
            lost = await AiRepository(uow.session).lose(self.clock() - LOST_AFTER)
        if lost:
            log.warning("ai_calls.lost", count=lost)
        return lost


class UserLedger:
    """The books for one job, as `captions.base.Ledger`."""

    def __init__(
        self, books: AiBooks, user_id: UUID, *, purpose: str, item_id: UUID | None, is_batch: bool = False
    ) -> None:
        self._books = books
        self._user_id = user_id
        self._purpose = purpose
        self._item_id = item_id
        self._is_batch = is_batch

    async def begin(self, *, model: str, input_tokens_max: int, output_tokens_max: int) -> UUID:
        """Hold back what the call may cost. Raises `BudgetUsedUp`, and `WriterMisconfigured` where there is a budget
        but no price to hold against it."""
        books, call_id, now = self._books, new_id(), self._books.clock()
        most = most_micros(model, input_tokens_max=input_tokens_max, output_tokens_max=output_tokens_max)
        async with unit_of_work(books.sessions) as uow:
            own = limit_of((await VoiceRepository(uow.session).settings(self._user_id)).get(BUDGET_KEY))
            if most is None and (own != NO_LIMIT or books.monthly_budget_micros != NO_LIMIT):
                raise WriterMisconfigured(
                    f"What the model “{model}” costs is not known, so a monthly budget cannot be kept with it. "
                    "Choose another model, or remove the budget."
                )
            repository, month = AiRepository(uow.session), month_of(now)
            await repository.begin(
                call_id=call_id,
                user_id=self._user_id,
                item_id=self._item_id,
                purpose=self._purpose,
                model=model,
                month=month,
                micros=most,
                at=now,
            )
            if not await repository.reserve(str(self._user_id), month, most or 0, limit=own):
                raise BudgetUsedUp("Your budget for captions of this month is used up. Raise it, or write by hand.")
            if not await repository.reserve(ALL, month, most or 0, limit=books.monthly_budget_micros):
                raise BudgetUsedUp(
                    "The budget for captions of this month is used up. Ask whoever runs PostPilot, or write by hand."
                )
        return call_id

    async def settle(self, call_id: UUID, settlement: Settlement) -> None:
        """Write down what it was. The second time for one call changes nothing."""
        async with unit_of_work(self._books.sessions) as uow:
            repository = AiRepository(uow.session)
            cost = None
            if settlement.is_cost_known:
                begun = await repository.model_of(call_id)
                for model in (settlement.model or begun, begun):  # a gateway may name it in its own way
                    if (cost := cost_micros(model, settlement.usage, is_batch=self._is_batch)) is not None:
                        break
            values = {
                **asdict(settlement.usage),
                "outcome": settlement.outcome,
                "http_status": settlement.http_status,
                "error_type": _short(settlement.error_type),
                "stop_reason": _short(settlement.stop_reason),
                "request_id": _short(settlement.request_id, 128),
                "duration_ms": settlement.duration_ms,
                "cost": cost,
            }
            await repository.settle(call_id, values, keeps_reserved=not settlement.is_cost_known)


def limit_of(budget_cents: int | None) -> int:
    """Return a user's budget as a limit in millionths of a dollar; a budget of nothing allows nothing."""
    if budget_cents is None:
        return NO_LIMIT
    return budget_cents * MICROS_PER_CENT or NOTHING_LEFT


def _short(text: str | None, max_chars: int = 64) -> str | None:
    return text[:max_chars] if text else None
