"""API keys: made, shown once, kept as digests, taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain import api_scopes
from app.domain.errors import ApiKeyNotFound, FieldError, InvalidRequest, TooManyKeys
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.tokens import digest, new_token
from app.models import ApiKey
from app.repositories.api_key_repository import ApiKeyRepository
from app.repositories.user_repository import UserRepository
from app.services.auth.audit import AuditLog

KEY_START = "po_live_"
PREFIX_LENGTH = len(KEY_START) + 6
"""How much of a key is shown, so that its owner knows which one it is."""
KEYS_MAX = 50


@dataclass(frozen=True)
class NewKey:
    """A key as it is given out: the only time that anybody sees it."""

    row: ApiKey
    key: str


class ApiKeyService:
    def __init__(self, uow: UnitOfWork, audit: AuditLog, clock: Clock) -> None:
        self._keys = ApiKeyRepository(uow.session)
        self._users = UserRepository(uow.session)
        self._audit = audit
        self._clock = clock

    async def create(
        self,
        user_id: UUID,
        *,
        name: str,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        is_provisioned: bool = False,
    ) -> NewKey:
        """Make a key. Raises `InvalidRequest`, `TooManyKeys`."""
        wanted = list(dict.fromkeys(scopes if scopes is not None else api_scopes.DEFAULT))
        self._check(wanted, expires_at)
        await self._users.lock(user_id)
        if is_provisioned:
            await self._keys.revoke_provisioned(user_id)
        elif await self._keys.count_active(user_id) >= KEYS_MAX:
            raise TooManyKeys(f"You have {KEYS_MAX} keys, as many as one can have. Revoke one that you do not use.")
        key = KEY_START + new_token()
        row = ApiKey(
            id=new_id(),
            user_id=user_id,
            name=name,
            key_prefix=key[:PREFIX_LENGTH],
            key_hash=digest(key),
            scopes=wanted,
            expires_at=expires_at,
            is_provisioned=is_provisioned,
        )
        await self._keys.add(row)
        await self._audit.note(user_id, "api_key.made", key_prefix=row.key_prefix, scopes=wanted)
        return NewKey(row, key)

    async def list_of(self, user_id: UUID) -> list[ApiKey]:
        return await self._keys.list_of(user_id)

    async def revoke(self, user_id: UUID, key_id: UUID) -> None:
        """Take a key back; it stays in the list. Raises `ApiKeyNotFound`."""
        if await self._keys.revoke(user_id, key_id) is None:
            raise ApiKeyNotFound
        await self._audit.note(user_id, "api_key.revoked", key_id=str(key_id))

    def _check(self, scopes: Sequence[str], expires_at: datetime | None) -> None:
        errors = [
            FieldError(
                ("body", "scopes"),
                f"'{scope}' is not a scope. Use 'read', 'write', or one for a part, such as 'posts:write'.",
                "unknown_scope",
            )
            for scope in api_scopes.unknown(scopes)
        ]
        if not scopes:
            sentence = "Name at least one scope, or leave 'scopes' out for all."
            errors.append(FieldError(("body", "scopes"), sentence, "no_scope"))
        if expires_at is not None and expires_at <= self._clock():
            errors.append(FieldError(("body", "expires_at"), "This time has passed. Name a later one.", "past_time"))
        if errors:
            raise InvalidRequest(errors)
