"""Users of an integrating shop platform: made by it, known to it by its own id, and given a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import EmailTaken
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.models import User
from app.repositories.user_repository import UserRepository
from app.services.api_key_service import ApiKeyService
from app.services.auth.audit import AuditLog
from app.services.auth.passwords import hash_password
from app.services.plan_service import PlanService

KEY_NAME = "Integrating platform"


@dataclass(frozen=True)
class NewUser:
    """Whom an integrating platform wants to be here."""

    email: str
    external_platform_id: str
    external_store_id: str | None = None
    password: str | None = None
    plan: str | None = None


@dataclass(frozen=True)
class Provisioned:
    user_id: UUID
    api_key: str


class ProvisionService:
    def __init__(self, uow: UnitOfWork, audit: AuditLog, clock: Clock, *, late_grace: timedelta) -> None:
        self._uow = uow
        self._users = UserRepository(uow.session)
        self._plans = PlanService(uow, clock, late_grace=late_grace)
        self._keys = ApiKeyService(uow, audit, clock)
        self._audit = audit
        self._clock = clock

    async def provision(self, wanted: NewUser) -> Provisioned:
        """Return the user of the platform's id, made if need be, and a fresh key; the one before stops working.

        Raises `EmailTaken` when the address is that of somebody whom the platform does not know.
        """
        user_id, _ = await self.ensure(wanted)
        made = await self._keys.create(user_id, name=KEY_NAME, is_provisioned=True)
        return Provisioned(user_id, made.key)

    async def ensure(self, wanted: NewUser) -> tuple[UUID, bool]:
        """Return the user of the platform's id, and whether they are new. Raises `EmailTaken`."""
        user = await self._users.find_by_external(wanted.external_platform_id)
        is_new = user is None
        if user is None:
            password_hash = await hash_password(wanted.password) if wanted.password else None
            user = User(
                id=new_id(),
                email=wanted.email,
                password_hash=password_hash,
                email_verified_at=self._clock(),  # the platform vouches for its users
                external_platform_id=wanted.external_platform_id,
                external_store_id=wanted.external_store_id,
            )
            try:
                async with self._uow.session.begin_nested():
                    await self._users.add(user)
            except IntegrityError as error:  # the address, or the same request at the same moment
                other = await self._users.find_by_external(wanted.external_platform_id)
                if other is None:
                    raise EmailTaken from error
                user, is_new = other, False
        if is_new:
            await self._audit.note(user.id, "user.provisioned")
        elif wanted.external_store_id is not None:
            user.external_store_id = wanted.external_store_id
        if wanted.plan is not None:
            await self._plans.grant_to(user.id, wanted.plan)
        return user.id, is_new
