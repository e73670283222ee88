"""What happens to what a user owns, which of it is told to webhooks, and when a failed delivery is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID


class HookKind(StrEnum):
    """Kinds of events that webhooks can ask for. Names never change once released."""

    post_scheduled = "post.scheduled"
    post_posted = "post.posted"
    post_failed = "post.failed"
    post_held = "post.held"
    account_connected = "account.connected"
    account_disconnected = "account.disconnected"
    account_needs_reconnect = "account.needs_reconnect"
    queue_generated = "queue.generated"
    queue_failed = "queue.failed"
    queue_approved = "queue.approved"
    queue_rejected = "queue.rejected"
    queue_scheduled = "queue.scheduled"
    queue_posted = "queue.posted"
    subscription_updated = "subscription.updated"


HOOK_TEST = "webhook.test"
"""Sent when its owner tries an endpoint out; no endpoint needs to ask for it."""

RETRY_SECONDS = (5, 30, 120, 600, 1800, 3600)
"""Waits after the first failed tries; every later one is as long as the last."""
GIVE_UP = timedelta(days=3)
"""How old an event becomes before an endpoint that takes nothing loses it: longer than a weekend away."""


def next_try(tries: int, *, created_at: datetime, now: datetime, jitter: float) -> datetime | None:
    """Return when a delivery that failed `tries` times is tried again; `None` when it is given up.

    `jitter` between 0 and 1 makes the wait up to a tenth shorter: what failed together does not return together.
    """
    if now - created_at >= GIVE_UP:
        return None
    wait = RETRY_SECONDS[min(max(tries, 1), len(RETRY_SECONDS)) - 1]
    return now + timedelta(seconds=wait * (1 - 0.1 * jitter))


def message_id(event_id: int) -> str:
    """Return the `webhook-id`: the same for every try and every replay, so that a receiver can drop repetitions."""
    return f"evt_{event_id}"


def hook_payload(kind: str, *, subject_id: UUID, at: datetime, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a webhook: what happened, when, and to what."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"type": kind, "timestamp": moment, "data": {"id": str(subject_id), **facts}}
