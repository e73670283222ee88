"""Who has which plan."""

from __future__ import annotations

from app.db.unit_of_work import UnitOfWork
from app.domain.plans import PLANS
from app.repositories.user_repository import UserRepository

GRANTED = "granted"
"""Mode of a subscription that whoever runs PostPilot gave away: nobody pays for it."""


class UnknownUser(ValueError):
    """There is nobody with this address."""


class PlanService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._users = UserRepository(uow.session)

    async def grant(self, email: str, tier: str) -> None:
        """Give a user a plan for as long as nothing else is said. Raises `UnknownUser`."""
        assert tier in PLANS
        user = await self._users.find_by_email(email)
        if user is None:
            raise UnknownUser(email)
        await self._users.put_plan(user.id, tier, mode=GRANTED)
