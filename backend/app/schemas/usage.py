"""What usage endpoints return."""

from __future__ import annotations

from datetime import datetime

from app.schemas.common import Read


class UsageMetricRead(Read):
    """`limit` is -1 where there is none."""

    name: str
    label: str
    used: int
    limit: int


class UsageRead(Read):
    plan: str
    period_start: datetime
    period_end: datetime
    metrics: list[UsageMetricRead]
