"""What live streams tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from app.schemas.common import Read


class LiveEvent(Read):
    """The data of one event. Its SSE `event` is the kind, its `id` is what `Last-Event-ID` goes on after."""

    kind: str
    """Such as `post.posted`, `post.failed`, `account.needs_reconnect`, `queue.generated`, `subscription.updated`."""
    subject_id: UUID
    """The post, account, item or subscription it is about."""
    facts: dict[str, Any]
    created_at: datetime
