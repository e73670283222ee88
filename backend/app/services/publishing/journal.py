"""What goes into a publication's journal: calls as the adapters report them, and decisions of ours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.kit.ids import new_id
from app.platforms.base import CallRecord

Entry = dict[str, Any]


def call_entry(step: str, call: CallRecord) -> Entry:
    """Return the entry of one HTTP call."""
    return {
        "id": str(new_id()),
        "step": step,
        "operation": call.operation,
        "outcome": call.outcome,
        "status": call.status,
        "code": call.code,
        "trace_id": call.trace_id,
        "detail": call.detail,
        "host": call.host,
        "path": call.path,
        "started_at": call.started_at.isoformat(),
        "duration_ms": call.duration_ms,
    }


def decision_entry(step: str, operation: str, outcome: str, *, at: datetime, detail: str | None = None) -> Entry:
    """Return the entry of one decision of ours."""
    return {
        "id": str(new_id()),
        "step": step,
        "operation": operation,
        "outcome": outcome,
        "detail": detail,
        "started_at": at.isoformat(),
    }
