"""The log of what matters for security, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.tries import place_of
from app.models import AuditEvent
from app.repositories.audit_repository import AuditRepository

AGENT_MAX = 512
ADDRESS_MAX = 64


@dataclass(frozen=True)
class Client:
    """Where a request came from."""

    ip_address: str
    user_agent: str

    @property
    def place(self) -> str:
        """What counts as one place when tries are counted."""
        return place_of(self.ip_address)


class AuditLog:
    def __init__(self, uow: UnitOfWork, client: Client) -> None:
        self._events = AuditRepository(uow.session)
        self._client = client

    async def note(self, user_id: UUID, kind: str, **facts: Any) -> None:
        """Write down that something happened. `facts` hold no secrets."""
        client = self._client
        await self._events.add(
            user_id, kind, ip_address=client.ip_address or None, user_agent=client.user_agent or None, **facts
        )

    async def list_page(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[AuditEvent], int]:
        return await self._events.list_page(user_id, page=page, per_page=per_page)
