"""Erases people who asked for it: access to their accounts is given back, then every row that is theirs goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import AppError
from app.domain.vocabulary import ERASED, WRITE_LETTERS, AccountStatus
from app.repositories.account_repository import AccountRepository
from app.repositories.letter_repository import LetterRepository
from app.repositories.user_repository import UserRepository
from app.services.account_service import AccountService

log = structlog.get_logger()

AGAIN = timedelta(minutes=5)
"""When an erasure that was broken off is taken up again."""
BATCH = 5

Farewell = Callable[[UUID], Awaitable[None]]
"""Something that is to be ended elsewhere before a user goes, such as a subscription. May raise `AppError`."""


class Erasure:
    def __init__(
        self, *, sessions: Sessions, accounts: AccountService, farewells: Sequence[Farewell], send: Send
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._farewells = farewells
        self._send = send

    async def work(self) -> int:
        """Erase who is due; safe to run twice at once and to break off. Returns how many are gone."""
        async with unit_of_work(self._sessions) as uow:
            due = await UserRepository(uow.session).claim_erasures(again=AGAIN, limit=BATCH)
        gone = 0
        for user_id in due:
            try:
                await self._erase(user_id)
            except (AppError, SQLAlchemyError, OSError) as error:
                log.error("user.not_erased", user_id=str(user_id), error=type(error).__name__)  # noqa: TRY400
            else:
                gone += 1
        return gone

    async def _erase(self, user_id: UUID) -> None:
        for farewell in self._farewells:
            await farewell(user_id)
        async with unit_of_work(self._sessions) as uow:
            accounts = await AccountRepository(uow.session).list_of(user_id)
        for account in accounts:
            if account.status != AccountStatus.disconnected:
                await self._accounts.disconnect(user_id, account.id)
        async with unit_of_work(self._sessions, self._send) as uow:
            email = await UserRepository(uow.session).delete(user_id)
            if email is not None:
                await LetterRepository(uow.session).request(ERASED, email)
                uow.after_commit(WRITE_LETTERS)
        log.info("user.erased", user_id=str(user_id))
