"""Encrypts everything anew with the newest key, while everything goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.kit.crypto import KeyRing, KeyRingError
from app.repositories.seal_repository import SEALED, Sealed, SealRepository

log = structlog.get_logger()

BATCH = 100
BEFORE_ALL = UUID(int=0)


@dataclass
class Rotated:
    """How many secrets of each table were changed, and how many do not open with any key that is there."""

    changed: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0


class KeyRotation:
    def __init__(self, sessions: Sessions, keyring: KeyRing) -> None:
        self._sessions = sessions
        self._keyring = keyring

    async def run(self) -> Rotated:
        """Change every secret that another key than the first one has encrypted. Safe to run twice and at once."""
        done = Rotated()
        for kind in SEALED:
            done.changed[kind.table] = await self._rotate(kind, done)
        return done

    async def _rotate(self, kind: Sealed, done: Rotated) -> int:
        changed, after = 0, BEFORE_ALL
        while True:
            async with unit_of_work(self._sessions) as uow:
                seals = SealRepository(uow.session)
                batch = await seals.other_versions(kind, self._keyring.current, after=after, limit=BATCH)
                for row in batch:
                    context = kind.context_of(row.id)
                    try:
                        plain = self._keyring.decrypt(row.ciphertext, version=row.key_version, context=context)
                    except KeyRingError:
                        log.error("key_rotation.unreadable", table=kind.table, row_id=str(row.id))  # noqa: TRY400
                        done.unreadable += 1
                        continue
                    ciphertext, version = self._keyring.encrypt(plain, context=context)
                    await seals.reencrypt(kind, row.id, ciphertext=ciphertext, key_version=version)
                    changed += 1
            if len(batch) < BATCH:
                return changed
            after = batch[-1].id
