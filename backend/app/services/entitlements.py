"""What a user's plan still allows: exact, however many requests ask at once. Works within the caller's unit of work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import PlanLimitReached
from app.domain.plans import UNLIMITED, Plan, month_of, places, plan_of
from app.domain.vocabulary import UsageMetric
from app.kit.clock import Clock
from app.repositories.account_repository import AccountRepository
from app.repositories.usage_repository import UsageRepository
from app.repositories.user_repository import UserRepository


@dataclass(frozen=True)
class Used:
    """How much of one limit is used up; a limit of -1 is none."""

    name: str
    label: str
    used: int
    limit: int


class Entitlements:
    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._users = UserRepository(uow.session)
        self._usage = UsageRepository(uow.session)
        self._accounts = AccountRepository(uow.session)
        self._clock = clock

    async def plan(self, user_id: UUID) -> Plan:
        identity = await self._users.identity(user_id)
        return plan_of(identity.plan if identity else "")

    async def take_posts(self, user_id: UUID, count: int) -> None:
        """Count posts that are made. Raises `PlanLimitReached`."""
        limit = (await self.plan(user_id)).posts_per_month
        month = month_of(self._clock())
        if not await self._usage.take(user_id, UsageMetric.posts, month, count=count, limit=limit):
            raise PlanLimitReached(f"Monthly post limit reached ({limit} posts). Upgrade your plan to post more.")

    async def give_back_post(self, user_id: UUID, *, created_at: datetime) -> None:
        """Undo the counting of a post that never went out. One of an earlier month stays counted there."""
        if month_of(created_at) == month_of(self._clock()):
            await self._usage.give_back(user_id, UsageMetric.posts, month_of(created_at), count=1)

    async def require_account_room(self, user_id: UUID, platform: str, externals: Collection[str]) -> None:
        """Take the user's lock and raise `PlanLimitReached` unless these accounts may be connected as well. One that
        has its place already keeps it."""
        identity = await self._users.lock(user_id)
        plan = plan_of(identity.plan if identity else "")
        taken = {(account.platform, account.account_id_external) for account in await self._accounts.connected(user_id)}
        wanted = {(platform, external) for external in externals}
        if wanted <= taken:
            return
        if plan.accounts_max != UNLIMITED and len(taken | wanted) > plan.accounts_max:
            raise PlanLimitReached(
                f"Account limit reached ({plan.accounts_max} accounts). Upgrade your plan to connect more."
            )
        if len({name for name, _ in taken | wanted}) > plan.platforms_max:
            raise PlanLimitReached(
                f"Platform limit reached ({plan.platforms_max} platforms). Upgrade your plan to connect more."
            )

    async def over_plan(self, user_id: UUID) -> set[UUID]:
        """Return the connected accounts for which the plan has no place: the ones that were there last."""
        plan = await self.plan(user_id)
        return places(plan, [(account.id, account.platform) for account in await self._accounts.connected(user_id)])

    async def used(self, user_id: UUID) -> list[Used]:
        """Return what is used up of every limit."""
        plan, month = await self.plan(user_id), month_of(self._clock())
        accounts = await self._accounts.connected(user_id)
        platforms = {account.platform for account in accounts}
        posts = await self._usage.used(user_id, UsageMetric.posts, month)
        captions = await self._usage.used(user_id, UsageMetric.captions, month)
        return [
            Used("posts", "Posts this month", posts, plan.posts_per_month),
            Used("captions", "AI captions this month", captions, plan.captions_per_month),
            Used("accounts", "Connected accounts", len(accounts), plan.accounts_max),
            Used("platforms", "Platforms", len(platforms), plan.platforms_max),
        ]
