"""Everything that can die dies while posts of every type go out; the sandbox counts what followers see.

python -m benchmarks.chaos [posts per account] [seconds of faults]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import redis

from benchmarks.people import (
    PLATFORMS,
    Account,
    Planned,
    connect_accounts,
    database,
    schedule,
    sign_up,
    wait_until_final,
)
from benchmarks.tally import COLUMNS, TROUBLES, defects, journal, tally
from benchmarks.variety import every_type
from deploy.scratch import Scratch, scratch_stack

ACCOUNTS_PER_PLATFORM = 10
KILL_EVERY_SECONDS = 2.0
LONGEST_SECONDS = 600.0
"""Until every post has ended, and as long again until every first comment has."""
SETTINGS = {
    "WORKER_PROCESSES": "2",
    "VISIBILITY_SECONDS": "20",
    "TIKTOK_PULL_FENCE_SECONDS": "25",
    "LIVE_CHECK_MINUTES": "1",
}
KNOBS = {
    "drop_rate": 0.05,
    "error_500_rate": 0.03,
    "rate_limit_rate": 0.02,
    "spurious_token_rate": 0.02,
    "visibility_seconds": 1.0,
    "latency_ms": 20,
    "instagram_quota_total": 100,
    "instagram_quota_seconds": 240,
    "seed": 7,
}
CALM = {"drop_rate": 0, "error_500_rate": 0, "rate_limit_rate": 0, "spurious_token_rate": 0}
SCARCE, PLENTY = 2, 100
"""Posts that Instagram allows an account within the quota's period: for a third of the time, and else."""
LONG_WAIT_SECONDS = 60
"""Longer waits are cut short: nobody measures for an hour."""
BLOCKED = {
    "message": "Application request limit reached",
    "type": "OAuthException",
    "code": 4,
    "error_subcode": 2207051,
    "is_transient": False,
    "error_user_title": "Action is blocked",
    "error_user_msg": "We restrict certain activity to protect our community.",
    "fbtrace_id": "Chaos",
}
EXPIRED = {
    "message": "The media container has expired.",
    "type": "OAuthException",
    "code": -2,
    "error_subcode": 2207020,
    "is_transient": False,
    "fbtrace_id": "Chaos",
}
FAILING: dict[str, Any] = {"kind": "container_error", "subcode": 2207032}
OUT = Path(".bench")


async def chaos(*, per_account: int, fault_seconds: float) -> dict[str, Any]:
    """Run the whole thing and return its numbers."""
    with scratch_stack(**SETTINGS) as scratch:
        client = await sign_up(scratch)
        accounts = await connect_accounts(client, dict.fromkeys(PLATFORMS, ACCOUNTS_PER_PLATFORM))
        start = datetime.now(UTC) + timedelta(seconds=5)
        plan = every_type(
            scratch,
            accounts,
            per_account=per_account,
            mark=secrets.token_hex(4),
            start=start,
            spacing=fault_seconds / per_account,
        )
        ids = await schedule(scratch, plan)
        async with httpx.AsyncClient(base_url=scratch.sandbox, timeout=60, trust_env=False) as control:
            (await control.patch("/_sandbox/knobs", json=KNOBS)).raise_for_status()
            began = time.monotonic()
            disturber = Disturber(scratch, control, accounts)
            await disturber.run(began + fault_seconds)
            (await control.patch("/_sandbox/knobs", json=CALM)).raise_for_status()
            (await control.delete("/_sandbox/faults")).raise_for_status()
            settled = await _settle(scratch, client, ids, deadline=began + LONGEST_SECONDS)
            seconds = time.monotonic() - began
            settled |= await _settle_comments(scratch, ids, deadline=time.monotonic() + LONGEST_SECONDS)
            await asyncio.sleep(3)  # what was accepted last appears
            result, evidence = await tally(scratch, control, ids, plan)
            result |= await _taken_up(scratch, ids)
            handing_over = {
                "killed_worker_taken_over": await _hand_over(scratch, control, accounts, signal.SIGKILL),
                "stopped_worker_handed_back": await _hand_over(scratch, control, accounts, signal.SIGTERM),
            }
        evidence["posts"] = await journal(scratch, list(dict.fromkeys(evidence["posts"])))
        _keep(scratch, evidence)
        logged = defects(scratch.settings.data_dir / "logs" / "worker.log")
        await client.aclose()
    return {
        "posts": len(ids),
        "accounts": len(accounts),
        "seconds": round(seconds, 1),
        "faults": dict(disturber.done),
        **settled,
        **result,
        **handing_over,
        "worker_log": logged,
    }


class Disturber:
    """Brings about everything that can go wrong, in turns of two seconds."""

    def __init__(self, scratch: Scratch, control: httpx.AsyncClient, accounts: Sequence[Account]) -> None:
        self.scratch = scratch
        self.control = control
        self.accounts = accounts
        self.chance = random.Random(7)
        self.done: Counter[str] = Counter()

    async def run(self, until: float) -> None:
        turns, began = 0, time.monotonic()
        while time.monotonic() < until:
            await asyncio.sleep(KILL_EVERY_SECONDS)
            turns += 1
            await self._kill_workers()
            self._empty_valkey(turns)
            await self._kill_servers(turns)
            await self._expire_tokens(turns)
            await self._upset_instagram(turns)
            await self._quota((time.monotonic() - began) / (until - began))
            with suppress(OSError, asyncpg.PostgresError):
                self.done["long_waits_cut_short"] += await _cut_long_waits(self.scratch)

    async def _kill_workers(self) -> None:
        for pid in await asyncio.to_thread(self.scratch.pids, "worker"):
            if self.chance.random() < 0.6:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    self.done["workers_killed"] += 1

    def _empty_valkey(self, turn: int) -> None:
        if turn % 6 == 2:
            with suppress(redis.RedisError):
                redis.Redis.from_url(self.scratch.settings.broker_url).flushall()
                self.done["valkey_flushed"] += 1

    async def _kill_servers(self, turn: int) -> None:
        if turn % 12 == 5:
            for pid in await asyncio.to_thread(self.scratch.pids, "valkey"):
                os.kill(pid, signal.SIGKILL)
                self.done["valkey_killed"] += 1
        if turn % 12 == 9:
            for pid in await asyncio.to_thread(self.scratch.pids, "postgres"):
                os.kill(pid, signal.SIGINT if self.done["postgres_restarted"] % 2 else signal.SIGQUIT)
                self.done["postgres_restarted"] += 1

    async def _expire_tokens(self, turn: int) -> None:
        """End a TikTok token now and then, and those of accounts whose post TikTok works on just now."""
        tiktok = [one.external for one in self.accounts if one.platform == "tiktok"]
        if turn % 5 == 3:
            await self._expire(self.chance.choice(tiktok), "tokens_expired")
        if turn % 3 == 1:
            with suppress(OSError, asyncpg.PostgresError):
                for external in (await _polling(self.scratch))[:3]:
                    await self._expire(external, "tokens_expired_while_polling")

    async def _expire(self, external: str, what: str) -> None:
        answer = await self.control.post(f"/_sandbox/accounts/tiktok/{external}/expire-tokens")
        answer.raise_for_status()
        self.done[what] += 1

    async def _upset_instagram(self, turn: int) -> None:
        """Say “blocked” to what went out, “expired” to what did not, and let containers fail."""
        faults: list[dict[str, Any]] = []
        if turn % 4 == 1:
            faults.append({"operation": "instagram.publish", "kind": "error_after", "body": {"error": BLOCKED}})
        if turn % 4 == 3:
            faults.append({"operation": "instagram.publish", "kind": "error_before", "body": {"error": EXPIRED}})
        if turn % 4 == 2:
            faults.append(FAILING)
        for fault in faults:
            (await self.control.post("/_sandbox/faults", json={"status": 400, **fault})).raise_for_status()
            self.done[f"{fault.get('operation', 'instagram')} {fault['kind']}"] += 1

    async def _quota(self, share: float) -> None:
        """Let Instagram's quota be used up in the middle third."""
        total = SCARCE if 1 / 3 < share < 2 / 3 else PLENTY
        (await self.control.patch("/_sandbox/knobs", json={"instagram_quota_total": total})).raise_for_status()


async def _polling(scratch: Scratch) -> list[str]:
    """Return TikTok accounts with a post that was submitted and is not out yet."""
    connection = await database(scratch)
    try:
        rows = await connection.fetch(
            """SELECT DISTINCT a.account_id_external AS external
               FROM publications p JOIN social_accounts a ON a.id = p.account_id
               WHERE a.platform = 'tiktok' AND p.finished_at IS NULL AND p.progress ->> 'phase' = 'submitted'"""
        )
        return [row["external"] for row in rows]
    finally:
        await connection.close()


async def _cut_long_waits(scratch: Scratch) -> int:
    """Let waits of more than a minute be over, as if the time had passed; return how many there were."""
    longer = timedelta(seconds=LONG_WAIT_SECONDS)
    connection = await database(scratch)
    try:
        rows = await connection.fetch(
            """WITH waiting AS (
                   UPDATE publications SET due_at = clock_timestamp()
                   WHERE finished_at IS NULL AND started_at IS NOT NULL AND due_at > clock_timestamp() + $1
                   RETURNING account_id
               ), lanes AS (
                   SELECT account_id FROM waiting UNION
                   SELECT account_id FROM publishing_lanes WHERE paused_until > clock_timestamp() + $1
               )
               UPDATE publishing_lanes lane SET paused_until = NULL, due_at = clock_timestamp()
               FROM lanes WHERE lanes.account_id = lane.account_id RETURNING lane.account_id""",
            longer,
        )
        return len(rows)
    finally:
        await connection.close()


async def _settle(scratch: Scratch, client: httpx.AsyncClient, ids: list[UUID], *, deadline: float) -> dict[str, Any]:
    """Wait until nothing is on its way any more. Does what owners are told to do: connect lost accounts again."""
    reconnected = cut = 0
    counts: dict[str, int] = {}
    while True:
        with suppress(httpx.HTTPError, KeyError, OSError, asyncpg.PostgresError):
            listed = await client.get("/accounts")
            listed.raise_for_status()
            for account in listed.json():
                if account["status"] == "expired":
                    body = {name: account[name] for name in ("platform", "account_name", "account_id_external")}
                    (await client.post("/accounts", json=body)).raise_for_status()
                    reconnected += 1
            cut += await _cut_long_waits(scratch)
            counts = await _counts(scratch, ids)
            if not counts.get("scheduled", 0) + counts.get("publishing", 0) or time.monotonic() > deadline:
                break
        await asyncio.sleep(1)
    return {"statuses": counts, "accounts_reconnected_by_owner": reconnected, "long_waits_cut_short_afterwards": cut}


async def _settle_comments(scratch: Scratch, ids: list[UUID], *, deadline: float) -> dict[str, Any]:
    """Wait until first comments are written, and every post was looked at once more."""
    began = time.monotonic()
    connection = await database(scratch)
    try:
        while time.monotonic() < deadline:
            left = await connection.fetchval(
                "SELECT count(*) FROM follow_ups WHERE post_id = ANY($1) AND done_at IS NULL AND NOT ("
                "kind = 'live' AND post_id IN (SELECT id FROM posts WHERE live_status = 'waiting'))",
                ids,
            )
            if not left:
                break
            await connection.execute(  # a refused question is asked again after an hour
                """UPDATE follow_ups SET due_at = clock_timestamp() WHERE kind = 'live' AND done_at IS NULL
                   AND lease_until IS NULL AND tries > 0 AND due_at > clock_timestamp() + $1
                   AND post_id IN (SELECT id FROM posts WHERE live_status = 'pending')""",
                timedelta(seconds=LONG_WAIT_SECONDS),
            )
            await asyncio.sleep(1)
    finally:
        await connection.close()
    return {"follow_ups_left": left, "seconds_until_comments": round(time.monotonic() - began, 1)}


async def _hand_over(
    scratch: Scratch, control: httpx.AsyncClient, accounts: list[Account], how: signal.Signals
) -> dict[str, Any]:
    """End a worker that holds work, and return how long until none of it is in its hands any more."""
    (await control.patch("/_sandbox/knobs", json={"latency_ms": 3000})).raise_for_status()
    chosen = [account for account in accounts if account.platform != "tiktok"]
    now = datetime.now(UTC)
    ids = await schedule(scratch, [Planned(one, f"Hand over {how.name} {one.external}", now) for one in chosen])
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


async def _taken_up(scratch: Scratch, ids: list[UUID]) -> dict[str, Any]:
    """Return how many submissions a dead worker left behind, how long the longest lay there, and what calls brought."""
    connection = await database(scratch)
    waits = await connection.fetch(
        """SELECT extract(epoch FROM a.started_at - lag(a.started_at) OVER (PARTITION BY p.id ORDER BY a.started_at))
               ::float AS gap, a.operation
           FROM publication_attempts a JOIN publications p ON p.id = a.publication_id WHERE p.post_id = ANY($1)""",
        ids,
    )
    answers = await connection.fetch(
        """SELECT coalesce(a.code, a.outcome) AS answer, count(*) AS calls
           FROM publication_attempts a JOIN publications p ON p.id = a.publication_id
           WHERE p.post_id = ANY($1) AND a.host IS NOT NULL GROUP BY 1 ORDER BY 2 DESC""",
        ids,
    )
    await connection.close()
    gaps = [row["gap"] for row in waits if row["operation"] == "found_orphaned" and row["gap"] is not None]
    return {
        "orphans_taken_up": len(gaps),
        "longest_until_taken_up_seconds": round(max(gaps, default=0.0), 1),
        "answers_in_the_journal": {row["answer"]: row["calls"] for row in answers},
    }


def _keep(scratch: Scratch, evidence: dict[str, Any]) -> None:
    """Keep the workers' log, and the journal of every post that something is wrong with."""
    OUT.mkdir(exist_ok=True)
    (OUT / "chaos-evidence.json").write_text(json.dumps(evidence, indent=1), encoding="utf-8")
    with suppress(OSError):
        shutil.copy(scratch.settings.data_dir / "logs" / "worker.log", OUT / "chaos-worker.log")


def main() -> None:
    per_account = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    fault_seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 90.0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers end with us
    result = asyncio.run(chaos(per_account=per_account, fault_seconds=fault_seconds))
    OUT.mkdir(exist_ok=True)
    (OUT / "chaos.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    sys.stdout.write(f"{'':<24}" + "".join(f"{column:>22}" for column in COLUMNS) + "\n")
    for name, row in {**result.pop("by_type"), "all": result.pop("all_types")}.items():
        sys.stdout.write(f"{name:<24}" + "".join(f"{row[column]:>22}" for column in COLUMNS) + "\n")
    for name, value in result.items():
        sys.stdout.write(f"{name}: {json.dumps(value)}\n")
    sys.exit(1 if any(result[name] for name in TROUBLES) else 0)


if __name__ == "__main__":
    main()
