"""How fast posts get out, beside a bare client that makes the same calls with no database and no queue."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.composition import build_adapters_from, build_container
from app.platforms.base import Auth, Draft, MediaItem, Phase, Progress, Publisher
from app.storage.own import OwnFiles
from benchmarks.people import (
    Account,
    Planned,
    connect_accounts,
    database,
    media_of,
    schedule,
    sign_up,
    wait_until_final,
)
from deploy.scratch import Scratch, scratch_stack

LATENCY_MS = 200


async def burst(*, per_account: dict[str, int], accounts: dict[str, int], enforce: bool) -> dict[str, Any]:
    """Let posts be due in one second, then let a bare client publish as many again."""
    with scratch_stack() as scratch:
        client = await sign_up(scratch)
        connected = await connect_accounts(client, accounts)
        async with httpx.AsyncClient(base_url=scratch.sandbox, timeout=30, trust_env=False) as control:
            knobs = {"latency_ms": LATENCY_MS, "enforce_rate_limits": enforce, "instagram_quota_total": 100}
            (await control.patch("/_sandbox/knobs", json=knobs)).raise_for_status()
            ours = await _ours(scratch, connected, per_account)
            calls = await _calls(control)
            (await control.post("/_sandbox/clock", json={"advance_seconds": 120})).raise_for_status()  # new minute
            bare = await _bare(scratch, connected, per_account)
            bare_calls = {name: count - calls.get(name, 0) for name, count in (await _calls(control)).items()}
        await client.aclose()
    posts = sum(per_account[account.platform] for account in connected)
    return {
        "posts": posts,
        "accounts": len(connected),
        "latency_ms": LATENCY_MS,
        "seconds": round(ours["seconds"], 2),
        "bare_seconds": round(bare, 2),
        "posts_per_second": round(posts / ours["seconds"], 1),
        "bare_posts_per_second": round(posts / bare, 1),
        "ratio": round(bare / ours["seconds"], 2),
        "counts": ours["counts"],
        "calls": sum(calls.values()),
        "bare_calls": sum(bare_calls.values()),
    }


async def _ours(scratch: Scratch, accounts: list[Account], per_account: dict[str, int]) -> dict[str, Any]:
    due = datetime.now(UTC) + timedelta(seconds=8)
    plan = [
        Planned(account, f"Burst {account.platform} {account.external} {number}", due)
        for number in range(max(per_account.values()))
        for account in accounts
        if number < per_account[account.platform]
    ]
    ids = await schedule(scratch, plan)
    counts = await wait_until_final(scratch, ids, seconds=600)
    connection = await database(scratch)
    last = await connection.fetchval("SELECT max(posted_at) FROM posts WHERE id = ANY($1)", ids)
    await connection.close()
    return {"seconds": (last - due).total_seconds(), "counts": counts}


async def _calls(control: httpx.AsyncClient) -> dict[str, int]:
    answer = (await control.get("/_sandbox/calls")).json()
    counts: dict[str, int] = answer.get("operations", answer)
    wanted = ("create_container", "container_status", "publish", "media", "photo", "feed", "init", "upload", "status")
    return {name: n for name, n in counts.items() if isinstance(n, int) and any(word in name for word in wanted)}


async def _bare(scratch: Scratch, accounts: list[Account], per_account: dict[str, int]) -> float:
    """Publish with the adapters alone: no database, no queue, no lease; one call at a time per account."""
    adapters = build_adapters_from(scratch.settings)
    tokens = await _tokens(scratch)
    own = OwnFiles(public_base=scratch.settings.public_base, data_dir=scratch.settings.data_dir)
    turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(account: Account, number: int) -> None:
        publisher = adapters[account.platform].publisher
        grant = tokens[str(account.id)]
        auth = Auth(str(account.id), account.external, grant.access_token, extra=grant.extra)
        media = tuple(MediaItem(**item) for item in media_of(scratch, account.platform))
        options = {"privacy_level": "PUBLIC_TO_EVERYONE"} if account.platform == "tiktok" else {}
        draft = Draft(f"Bare {account.external} {number}", media=media, options=options)
        draft = Draft(draft.content, media=media, options=options, post_type=publisher.post_type(draft))
        done, source = Progress(), _Bytes(own)
        while True:
            async with turns[account.external]:
                done = await _as_far_as_it_goes(publisher, auth, draft, done, source)
            if done.phase is Phase.published:
                return
            await asyncio.sleep(done.look_after or 0)

    began = time.perf_counter()
    await asyncio.gather(
        *(
            publish(account, number)
            for number in range(max(per_account.values()))
            for account in accounts
            if number < per_account[account.platform]
        )
    )
    seconds = time.perf_counter() - began
    await adapters.aclose()
    return seconds


async def _as_far_as_it_goes(
    publisher: Publisher, auth: Auth, draft: Draft, done: Progress, source: _Bytes
) -> Progress:
    """Make calls until the post is out or has to wait for the platform."""
    while True:
        match done.phase:
            case Phase.published:
                return done
            case Phase.preparing:
                done = await publisher.prepare(auth, draft, done, source)
            case Phase.ready:
                done = await publisher.submit(auth, draft, done, source)
            case _:
                done = await publisher.look(auth, draft, done, source)
        if done.look_after and done.phase in (Phase.processing, Phase.submitted):
            return done


class _Bytes:
    """The sample files, straight from disk."""

    def __init__(self, own: OwnFiles) -> None:
        self._own = own

    async def read(self, item: MediaItem) -> bytes:
        path = self._own.find(item.url)
        assert path is not None
        return path.read_bytes()

    async def size(self, item: MediaItem) -> int:
        return len(await self.read(item))

    async def read_part(self, item: MediaItem, start: int, end: int) -> bytes:
        return (await self.read(item))[start:end]

    async def stream(self, item: MediaItem, start: int = 0) -> AsyncIterator[bytes]:
        yield (await self.read(item))[start:]

    async def address(self, item: MediaItem) -> str:
        return item.url

    async def lend(self, item: MediaItem, name: str) -> str:
        raise NotImplementedError(f"{name}: no photo post in this measurement ({item.url})")

    async def revoke(self) -> None:
        return

    async def fetched(self) -> bool:
        return False


async def _tokens(scratch: Scratch) -> dict[str, Any]:
    container = build_container(scratch.settings, worker="bench", send=lambda _name: None)
    connection = await database(scratch)
    rows = await connection.fetch("SELECT account_id FROM account_credentials")
    await connection.close()
    grants = {str(row["account_id"]): (await container.tokens.current(row["account_id"]))[0] for row in rows}
    await container.aclose()
    return grants


async def punctuality(*, per_second: int, seconds: int) -> dict[str, Any]:
    """Let posts be due at a steady pace and measure from due time to the first call to a platform."""
    with scratch_stack() as scratch:
        client = await sign_up(scratch)
        connected = await connect_accounts(client, {"instagram": 60, "facebook": 60})
        async with httpx.AsyncClient(base_url=scratch.sandbox, timeout=30, trust_env=False) as control:
            (await control.patch("/_sandbox/knobs", json={"latency_ms": 50})).raise_for_status()
        start = datetime.now(UTC) + timedelta(seconds=6)
        total = per_second * seconds
        plan = [
            Planned(connected[n % len(connected)], f"Punctual {n}", start + timedelta(seconds=n / per_second))
            for n in range(total)
        ]
        ids = await schedule(scratch, plan)
        counts = await wait_until_final(scratch, ids, seconds=seconds + 120)
        connection = await database(scratch)
        rows = await connection.fetch(
            """SELECT extract(epoch FROM min(a.started_at) - p.scheduled_for)::float AS late
               FROM publication_attempts a JOIN publications p ON p.id = a.publication_id
               WHERE p.post_id = ANY($1) AND a.host IS NOT NULL GROUP BY p.id, p.scheduled_for ORDER BY 1""",
            ids,
        )
        await connection.close()
        await client.aclose()
    late = [row["late"] for row in rows]
    return {
        "posts": total,
        "per_second": per_second,
        "counts": counts,
        "p50_seconds": round(late[len(late) // 2], 3),
        "p99_seconds": round(late[int(len(late) * 0.99)], 3),
        "max_seconds": round(late[-1], 3),
    }
