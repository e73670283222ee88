"""Call budgets and usage headers. Source: Graph API › Rate Limits (percentages; regain time in minutes)."""

from __future__ import annotations

import json

from sandbox.core import Sandbox

_HEADERS_FROM_PERCENT = 1


def count_call(sandbox: Sandbox, platform: str, account_id: str) -> tuple[int, int]:
    """Count a call of an account; return the percentage of its budget used and the minutes until it regains access."""
    calls, seconds = sandbox.usage.add(f"{platform}:{account_id}", sandbox.clock.now())
    percent = calls * 100 // max(1, sandbox.knobs.meta_calls_per_day)
    return percent, int(seconds // 60) + 1 if percent >= 100 else 0


def usage_headers(kind: str, account_id: str, percent: int, minutes: int) -> tuple[tuple[str, str], ...]:
    """Return the usage headers; none until enough calls were made."""
    if percent < _HEADERS_FROM_PERCENT:
        return ()
    share = {"call_count": percent, "total_cputime": percent // 4, "total_time": percent // 4}
    case = {account_id: [{"type": kind, **share, "estimated_time_to_regain_access": minutes}]}
    return (("x-app-usage", json.dumps(share)), ("x-business-use-case-usage", json.dumps(case)))
