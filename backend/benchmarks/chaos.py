"""Everything that can die dies while posts go out; the sandbox counts what followers see.

python -m benchmarks.chaos [posts per account] [seconds of faults]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import redis

from benchmarks.people import PLATFORMS, connect_accounts, database, schedule, sign_up, wait_until_final
from deploy.scratch import Scratch, scratch_stack

ACCOUNTS_PER_PLATFORM = 10
KILL_EVERY_SECONDS = 2.0
LONGEST_SECONDS = 420.0
KNOBS = {
    "drop_rate": 0.05,
    "error_500_rate": 0.03,
    "rate_limit_rate": 0.02,
    "spurious_token_rate": 0.02,
    "visibility_seconds": 1.0,
    "latency_ms": 20,
    "instagram_quota_total": 100,
    "seed": 7,
}
CALM = {"drop_rate": 0, "error_500_rate": 0, "rate_limit_rate": 0, "spurious_token_rate": 0}


async def chaos(*, per_account: int, fault_seconds: float) -> dict[str, Any]:
    """Run the whole thing and return its numbers."""
    chance = random.Random(7)
    with scratch_stack(WORKER_PROCESSES="2", VISIBILITY_SECONDS="20") as scratch:
        client = await sign_up(scratch)
        accounts = await connect_accounts(client, dict.fromkeys(PLATFORMS, ACCOUNTS_PER_PLATFORM))
        mark = secrets.token_hex(4)
        start = datetime.now(UTC) + timedelta(seconds=5)
        spacing = fault_seconds / per_account
        plan = [
            (account, f"Chaos {mark} {account.external} {n}.", start + timedelta(seconds=n * spacing))
            for n in range(per_account)
            for account in accounts
        ]
        ids = await schedule(scratch, plan)
        async with httpx.AsyncClient(base_url=scratch.sandbox, timeout=60, trust_env=False) as control:
            (await control.patch("/_sandbox/knobs", json=KNOBS)).raise_for_status()
            began = time.monotonic()
            killed = await _disturb(scratch, chance, control, accounts, until=time.monotonic() + fault_seconds)
            (await control.patch("/_sandbox/knobs", json=CALM)).raise_for_status()
            counts, reconnected = await _settle(scratch, client, ids, deadline=began + LONGEST_SECONDS)
            seconds = time.monotonic() - began
            seen = await _seen(control, mark)
            handing_over = {
                "killed_worker_taken_over": await _hand_over(scratch, control, accounts, signal.SIGKILL),
                "stopped_worker_handed_back": await _hand_over(scratch, control, accounts, signal.SIGTERM),
            }
        result = await _verdict(scratch, ids, plan, seen)
        await client.aclose()
    return {
        "posts": len(ids),
        "accounts": len(accounts),
        "seconds": round(seconds, 1),
        "faults": killed,
        "accounts_reconnected_by_owner": reconnected,
        "statuses": counts,
        **result,
        **handing_over,
    }


async def _disturb(
    scratch: Scratch, chance: random.Random, control: httpx.AsyncClient, accounts: list[Any], *, until: float
) -> dict[str, int]:
    """Kill a worker every two seconds; now and then flush and restart Valkey, restart PostgreSQL, expire tokens."""
    done: Counter[str] = Counter()
    number = 0
    while time.monotonic() < until:
        await asyncio.sleep(KILL_EVERY_SECONDS)
        number += 1
        for pid in await asyncio.to_thread(scratch.pids, "worker"):
            if chance.random() < 0.6:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    done["workers_killed"] += 1
        if number % 6 == 2:
            with suppress(redis.RedisError):
                redis.Redis.from_url(scratch.settings.broker_url).flushall()
                done["valkey_flushed"] += 1
        if number % 12 == 5:
            for pid in await asyncio.to_thread(scratch.pids, "valkey"):
                os.kill(pid, signal.SIGKILL)
                done["valkey_killed"] += 1
        if number % 12 == 9:
            for pid in await asyncio.to_thread(scratch.pids, "postgres"):
                os.kill(pid, signal.SIGINT if done["postgres_restarted"] % 2 else signal.SIGQUIT)
                done["postgres_restarted"] += 1
        if number % 5 == 3:
            account = chance.choice([one for one in accounts if one.platform == "tiktok"])
            await control.post(f"/_sandbox/accounts/tiktok/{account.external}/expire-tokens")
            done["tokens_expired"] += 1
    return dict(done)


async def _settle(
    scratch: Scratch, client: httpx.AsyncClient, ids: list[UUID], *, deadline: float
) -> tuple[dict[str, int], int]:
    """Wait until nothing is on its way any more. Does what owners are told to do: connect lost accounts again."""
    reconnected = 0
    while True:
        with suppress(httpx.HTTPError, KeyError, OSError, asyncpg.PostgresError):
            listed = await client.get("/accounts")
            listed.raise_for_status()
            for account in listed.json():
                if account["status"] == "expired":
                    body = {name: account[name] for name in ("platform", "account_name", "account_id_external")}
                    (await client.post("/accounts", json=body)).raise_for_status()
                    reconnected += 1
            counts = await _counts(scratch, ids)
            if not counts.get("scheduled", 0) + counts.get("publishing", 0) or time.monotonic() > deadline:
                return counts, reconnected
        await asyncio.sleep(1)


async def _hand_over(
    scratch: Scratch, control: httpx.AsyncClient, accounts: list[Any], how: signal.Signals
) -> dict[str, Any]:
    """End a worker that holds work, and return how long until none of it is in its hands any more."""
    (await control.patch("/_sandbox/knobs", json={"latency_ms": 3000})).raise_for_status()
    chosen = [account for account in accounts if account.platform != "tiktok"]
    now = datetime.now(UTC)
    ids = await schedule(scratch, [(account, f"Hand over {how.name} {account.external}", now) for account in chosen])
    connection = await database(scratch)
    try:
        owner, held = "", 0
        while not held:
            await asyncio.sleep(0.2)
            row = await connection.fetchrow(
                """SELECT lease_owner, count(*) AS held FROM publishing_lanes
                   WHERE lease_until > clock_timestamp() GROUP BY 1 ORDER BY 2 DESC LIMIT 1"""
            )
            owner, held = (row["lease_owner"], row["held"]) if row else ("", 0)
        began = time.monotonic()
        os.kill(int(owner.rpartition(":")[2]), how)
        while await connection.fetchval("SELECT count(*) FROM publishing_lanes WHERE lease_owner = $1", owner):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        seconds = round(time.monotonic() - began, 1)
    finally:
        await connection.close()
    (await control.patch("/_sandbox/knobs", json={"latency_ms": 0})).raise_for_status()
    return {"held": held, "seconds": seconds, "then": await wait_until_final(scratch, ids, seconds=120)}


async def _counts(scratch: Scratch, ids: list[UUID]) -> dict[str, int]:
    connection = await database(scratch)
    try:
        rows = await connection.fetch("SELECT status, count(*) FROM posts WHERE id = ANY($1) GROUP BY 1", ids)
        return {row["status"]: row["count"] for row in rows}
    finally:
        await connection.close()


async def _seen(control: httpx.AsyncClient, mark: str) -> Counter[str]:
    answer = await control.get("/_sandbox/published", params={"contains": mark, "limit": 100000})
    answer.raise_for_status()
    return Counter(item["text"].strip() for item in answer.json()["items"])


async def _verdict(
    scratch: Scratch, ids: list[UUID], plan: list[tuple[Any, str, datetime]], seen: Counter[str]
) -> dict[str, Any]:
    connection = await database(scratch)
    rows = await connection.fetch("SELECT id, status, error_code, platform FROM posts WHERE id = ANY($1)", ids)
    waits = await connection.fetch(
        """SELECT extract(epoch FROM a.started_at - lag(a.started_at) OVER (PARTITION BY p.id ORDER BY a.started_at))
               ::float AS gap, a.worker, lag(a.worker) OVER (PARTITION BY p.id ORDER BY a.started_at) AS before,
               a.operation
           FROM publication_attempts a JOIN publications p ON p.id = a.publication_id WHERE p.post_id = ANY($1)""",
        ids,
    )
    await connection.close()
    texts = dict(zip(ids, (text for _, text, _ in plan), strict=True))
    status = {row["id"]: row["status"] for row in rows}
    reasons = Counter(f"{row['platform']}: {row['error_code']}" for row in rows if row["status"] != "posted")
    taken_up = [row["gap"] for row in waits if row["operation"] == "found_orphaned" and row["gap"] is not None]
    return {
        "out_once": sum(1 for post in ids if seen[texts[post]] == 1),
        "out_twice": sum(1 for post in ids if seen[texts[post]] > 1),
        "posted_but_not_seen": sum(1 for post in ids if status[post] == "posted" and seen[texts[post]] == 0),
        "seen_but_not_posted": sum(1 for post in ids if status[post] != "posted" and seen[texts[post]] > 0),
        "stuck": sum(1 for post in ids if status[post] in ("scheduled", "publishing")),
        "not_posted": dict(reasons),
        "orphans_taken_up": len(taken_up),
        "longest_until_taken_up_seconds": round(max(taken_up, default=0.0), 1),
    }


def main() -> None:
    per_account = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    fault_seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 90.0
    result = asyncio.run(chaos(per_account=per_account, fault_seconds=fault_seconds))
    text = json.dumps(result, indent=1)
    sys.stdout.write(text + "\n")
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    (folder / "chaos.json").write_text(text, encoding="utf-8")
    kept = result["out_twice"] == 0 and result["stuck"] == 0 and result["posted_but_not_seen"] == 0
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
