"""Webhooks on their way: leased, in order per subject, tried for days, at least once under the same id."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.happenings import HOOK_TEST, message_id, next_try
from app.domain.notices import webhook_failing
from app.hooks.http import Answer, HookHttp
from app.kit.clock import Clock
from app.kit.crypto import KeyRing, KeyRingError
from app.repositories.hook_repository import Claimed, HookRepository
from app.repositories.notification_repository import NotificationRepository
from app.services.onward.notices import NoticeBook

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
"""Longer than a delivery takes: the call is bounded to 10 s."""
AT_ONCE = 20
GONE = 410
TOLD_AFTER = timedelta(hours=6)
"""How long an endpoint takes nothing before its owner is told."""
REFUSED_SECRET = "The endpoint's secret cannot be opened. Make a new one."  # noqa: S105 - a sentence


class HookDelivery:
    def __init__(
        self,
        *,
        sessions: Sessions,
        http: HookHttp,
        keyring: KeyRing,
        clock: Clock,
        send: Send,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._sessions = sessions
        self._http = http
        self._keyring = keyring
        self._clock = clock
        self._send = send
        self._jitter = jitter
        self._one_at_a_time = asyncio.Lock()

    async def work(self, *, rounds: int = 200) -> int:
        """Deliver what is due until nothing is, and return how many tries were made. Safe to call twice at once: each
        delivery is leased by one worker."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            count = 0
            for _ in range(rounds):
                tried = await self._round()
                count += tried
                if tried == 0:
                    break
            return count

    async def deliver_now(self, delivery_id: UUID) -> None:
        """Try one delivery at once, while somebody waits. One that is not its lane's first is left to the workers."""
        await self._round(only=delivery_id)

    async def _round(self, *, only: UUID | None = None) -> int:
        async with unit_of_work(self._sessions) as uow:
            claimed = await HookRepository(uow.session).claim(now=self._clock(), lease=LEASE, limit=AT_ONCE, only=only)
        await asyncio.gather(*(self._deliver(one) for one in claimed))
        return len(claimed)

    async def _deliver(self, claimed: Claimed) -> None:
        try:
            secret = open_secret(self._keyring, claimed.endpoint_id, claimed.secret_ciphertext, claimed.key_version)
        except KeyRingError:
            answer = Answer(None, REFUSED_SECRET)
        else:
            answer = await self._http.deliver(
                claimed.url,
                secret=secret,
                message_id=message_id(claimed.event_id),
                payload=claimed.payload,
                at=self._clock(),
            )
        await self._record(claimed, answer)

    async def _record(self, claimed: Claimed, answer: Answer) -> None:
        now = self._clock()
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = HookRepository(uow.session)
            if answer.is_taken:
                if await rows.end(claimed, outcome="delivered", status=answer.status, error=None, now=now):
                    await rows.note_success(claimed.endpoint_id)
                return
            if claimed.kind == HOOK_TEST:  # its owner has seen the answer, and says nothing of the endpoint
                await rows.end(claimed, outcome="given_up", status=answer.status, error=answer.error, now=now)
                return
            is_off = answer.status == GONE
            again = next_try(claimed.tries, created_at=claimed.created_at, now=now, jitter=self._jitter())
            if again is None or is_off:
                is_ours = await rows.end(claimed, outcome="given_up", status=answer.status, error=answer.error, now=now)
            else:
                is_ours = await rows.put_off(claimed, due_at=again, status=answer.status, error=answer.error)
            if not is_ours:
                return
            since = await rows.note_failure(claimed.endpoint_id, now=now, switch_off=is_off)
            if is_off or now - since >= TOLD_AFTER:
                host = urlsplit(claimed.url).hostname or "the endpoint"
                notice = webhook_failing(claimed.endpoint_id, host=host, since=since, is_off=is_off)
                if not await NotificationRepository(uow.session).is_written(claimed.user_id, notice.key):
                    await NoticeBook(uow).write([(claimed.user_id, notice)], now=now)
        log.info(
            "webhook.not_taken",
            endpoint_id=str(claimed.endpoint_id),
            delivery_id=str(claimed.id),
            status=answer.status,
            tries=claimed.tries,
        )


def open_secret(keyring: KeyRing, endpoint_id: UUID, ciphertext: bytes, key_version: str) -> str:
    """Return an endpoint's secret. Raises `KeyRingError`."""
    return keyring.decrypt(ciphertext, version=key_version, context=context_of(endpoint_id)).decode()


def context_of(endpoint_id: UUID) -> str:
    return f"webhook:{endpoint_id}"
