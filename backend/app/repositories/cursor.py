"""Opaque marks after a row of a list that is sorted by time of creation, newest first."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime
from uuid import UUID


def make_cursor(created_at: datetime, row_id: UUID) -> str:
    """Return a mark after a row."""
    return base64.urlsafe_b64encode(json.dumps([created_at.isoformat(), str(row_id)]).encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID] | None:
    """Return where a cursor points to, or `None` when it is not one of ours."""
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not isinstance(read, list):
            return None
        moment, row_id = read
        at = datetime.fromisoformat(moment)
        return (at.astimezone(UTC), UUID(row_id)) if at.tzinfo else None
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
