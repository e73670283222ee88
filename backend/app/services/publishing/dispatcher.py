"""Says what is due. A message is only a hint, so it may be sent too often and may get lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy import text

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.repositories.post_count_repository import PostCountRepository
from app.repositories.publication_repository import PublicationRepository

log = structlog.get_logger()

_DUE = text("""
SELECT (
    SELECT count(*) FROM (
        SELECT 1 FROM publishing_lanes
        WHERE due_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp()) LIMIT :limit
    ) ready
) AS lanes,
EXISTS (SELECT 1 FROM post_metrics WHERE next_fetch_at <= clock_timestamp()) AS metrics,
EXISTS (
    SELECT 1 FROM follow_ups WHERE done_at IS NULL AND due_at <= clock_timestamp()
      AND (lease_until IS NULL OR lease_until < clock_timestamp())
) AS follow_ups,
EXISTS (SELECT 1 FROM inbound_events WHERE handled_at IS NULL) AS events,
EXISTS (
    SELECT 1 FROM store_connections WHERE is_active AND next_sync_at <= clock_timestamp()
      AND (lease_until IS NULL OR lease_until < clock_timestamp())
) AS stores,
EXISTS (SELECT 1 FROM product_events WHERE handled_at IS NULL) AS product_events,
EXISTS (SELECT 1 FROM content_queue WHERE generate_due_at <= clock_timestamp() AND batch_id IS NULL) AS captions,
EXISTS (SELECT 1 FROM billing_events WHERE handled_at IS NULL AND due_at <= clock_timestamp()) AS billing,
EXISTS (
    SELECT 1 FROM letter_requests
    WHERE due_at <= clock_timestamp() AND (lease_until IS NULL OR lease_until < clock_timestamp())
) AS letters,
EXISTS (SELECT 1 FROM users WHERE erase_due_at <= clock_timestamp()) AS erasures,
EXISTS (
    SELECT 1 FROM social_accounts WHERE status = 'connected' AND checked_at <= clock_timestamp() - interval '1 day'
) AS checks,
EXISTS (
    SELECT 1 FROM account_credentials c JOIN social_accounts a ON a.id = c.account_id
    WHERE c.refresh_due_at <= clock_timestamp() AND a.status = 'connected'
      AND (c.refresh_lease_until IS NULL OR c.refresh_lease_until < clock_timestamp())
) AS tokens,
EXISTS (SELECT 1 FROM user_events WHERE handled_at IS NULL) AS happenings,
EXISTS (
    SELECT 1 FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id AND e.is_active
    WHERE d.ended_at IS NULL AND d.due_at <= clock_timestamp()
      AND (d.lease_until IS NULL OR d.lease_until < clock_timestamp())
) AS hooks,
EXISTS (SELECT 1 FROM notifications WHERE mail_due_at <= clock_timestamp()) AS mail,
EXISTS (
    SELECT 1 FROM social_accounts WHERE status = 'connected' AND followers_due_at <= clock_timestamp()
) AS followers
""")

_TIDY = (
    "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'",
    "DELETE FROM oauth_states WHERE expires_at < now() - interval '1 hour'",
    "DELETE FROM heartbeats WHERE beat_at < now() - interval '1 day'",
    "DELETE FROM auth_sessions WHERE expires_at < now() - interval '30 days'",
    "DELETE FROM connection_choices WHERE expires_at < now()",
    "DELETE FROM inbound_events WHERE handled_at < now() - interval '30 days'",
    "DELETE FROM billing_events WHERE handled_at < now() - interval '60 days'",
    "DELETE FROM checkouts WHERE created_at < now() - interval '400 days' AND status <> 'open'",
    "DELETE FROM product_events WHERE handled_at < now() - interval '90 days'",
    "DELETE FROM sync_runs WHERE finished_at < now() - interval '30 days' AND id NOT IN "
    "(SELECT DISTINCT ON (connection_id, counts ->> 'kind') id FROM sync_runs "
    "WHERE outcome IN ('done', 'shrunken', 'empty') ORDER BY connection_id, counts ->> 'kind', started_at DESC)",
    "DELETE FROM follow_ups WHERE done_at < now() - interval '30 days'",
    "DELETE FROM one_time_tokens WHERE expires_at < now() - interval '1 day'",
    "DELETE FROM audit_events WHERE created_at < now() - interval '400 days'",
    "DELETE FROM user_events WHERE created_at < now() - interval '14 days' AND handled_at IS NOT NULL",
    "DELETE FROM notifications WHERE created_at < now() - interval '90 days'",
    "DELETE FROM webhook_deliveries WHERE ended_at < now() - interval '30 days'",
    "UPDATE webhook_deliveries d SET ended_at = now(), outcome = 'given_up', lease_until = NULL "
    "FROM webhook_endpoints e WHERE e.id = d.endpoint_id AND NOT e.is_active AND d.ended_at IS NULL "
    "AND d.created_at < now() - interval '3 days'",
    "DELETE FROM link_visitors WHERE seen_at < now() - interval '1 hour'",
    "DELETE FROM media_loans WHERE publication_id IN "
    "(SELECT id FROM publications WHERE finished_at < now() - interval '7 days')",
)


@dataclass(frozen=True)
class TaskNames:
    advance: str
    collect: str
    refresh: str
    follow_up: str
    events: str
    check: str
    stores: str
    product_events: str
    captions: str
    letters: str
    erasures: str
    hand_on: str
    hooks: str
    mail: str
    followers: str
    billing: str


class Dispatcher:
    """Finds due work with one cheap statement: its cost depends on what is due, not on how many posts there are."""

    def __init__(self, sessions: Sessions, send: Send, *, tasks: TaskNames, lanes_per_worker: int) -> None:
        self._sessions = sessions
        self._send = send
        self._tasks = tasks
        self._lanes_per_worker = lanes_per_worker

    async def dispatch(self) -> None:
        """Send one hint per worker's worth of due lanes, and one for each other kind of due work."""
        most = self._lanes_per_worker * 8
        async with unit_of_work(self._sessions) as uow:
            row = (await uow.session.execute(_DUE, {"limit": most})).one()
        hints = [self._tasks.advance] * -(-row.lanes // self._lanes_per_worker)
        hints += [self._tasks.collect] * row.metrics + [self._tasks.refresh] * row.tokens
        hints += [self._tasks.follow_up] * row.follow_ups + [self._tasks.events] * row.events
        hints += [self._tasks.check] * row.checks + [self._tasks.stores] * row.stores
        hints += [self._tasks.product_events] * row.product_events + [self._tasks.captions] * row.captions
        hints += [self._tasks.letters] * row.letters + [self._tasks.erasures] * row.erasures
        hints += [self._tasks.hand_on] * row.happenings + [self._tasks.hooks] * row.hooks
        hints += [self._tasks.mail] * row.mail + [self._tasks.followers] * row.followers
        hints += [self._tasks.billing] * row.billing
        for hint in hints:
            await asyncio.to_thread(self._send, hint)

    async def maintain(self) -> None:
        """Wake forgotten lanes, fold counts together, and delete what has expired."""
        async with unit_of_work(self._sessions) as uow:
            await PublicationRepository(uow.session).repair_lanes()
        async with unit_of_work(self._sessions) as uow:
            await PostCountRepository(uow.session).fold()
        for statement in _TIDY:
            async with unit_of_work(self._sessions) as uow:
                await uow.session.execute(text(statement))
