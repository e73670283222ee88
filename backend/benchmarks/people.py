"""Users, accounts and posts for measurements."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.kit.ids import new_id
from deploy.scratch import Scratch

PLATFORMS = ("instagram", "facebook", "tiktok")
PHOTO = {"kind": "image", "mime_type": "image/jpeg", "size_bytes": 161945, "width_px": 1200, "height_px": 800}
VIDEO = {
    "kind": "video",
    "mime_type": "video/mp4",
    "size_bytes": 327443,
    "width_px": 720,
    "height_px": 1280,
    "codec": "h264",
    "frame_rate": 30.0,
    "duration_seconds": 5.0,
}
KINDS = {"instagram": "image", "facebook": "photo", "tiktok": "video"}
"""The post type of each platform that posts get which name none."""


@dataclass(frozen=True)
class Account:
    id: UUID
    user_id: UUID
    platform: str
    external: str


@dataclass(frozen=True)
class Planned:
    """One post to schedule. Where post type and media are left away, it is a picture, or on TikTok a video."""

    account: Account
    text: str
    at: datetime
    post_type: str = ""
    media: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


async def sign_up(scratch: Scratch) -> httpx.AsyncClient:
    """Return a client that is signed in as a new user whose plan has no limits."""
    client = httpx.AsyncClient(base_url=scratch.api, timeout=120, trust_env=False)
    email = f"bench-{secrets.token_hex(6)}@example.com"
    answer = await client.post("/auth/register", json={"email": email, "password": "measured with care"})
    answer.raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    client.headers["X-User"] = answer.json()["user"]["id"]
    await asyncio.to_thread(scratch.give_plan, email)
    return client


async def connect_accounts(client: httpx.AsyncClient, counts: dict[str, int]) -> list[Account]:
    """Connect accounts through the sandbox's consent page and token exchange."""
    limit = asyncio.Semaphore(8)

    async def connect(platform: str, index: int) -> Account:
        async with limit:
            body = {"platform": platform, "account_name": f"{platform[:2]}_{index}_{secrets.token_hex(3)}"}
            answer = await client.post("/accounts", json=body)
            answer.raise_for_status()
            value = answer.json()
            return Account(UUID(value["id"]), UUID(client.headers["X-User"]), platform, value["account_id_external"])

    wanted = [(platform, index) for platform, count in counts.items() for index in range(count)]
    return list(await asyncio.gather(*(connect(*one) for one in wanted)))


def photo(scratch: Scratch) -> dict[str, Any]:
    """Return the sample picture as a post has it."""
    return {"url": scratch.samples + "coffee.jpg", **PHOTO}


def video(scratch: Scratch) -> dict[str, Any]:
    """Return the sample video as a post has it."""
    return {"url": scratch.samples + "coffee.mp4", **VIDEO}


def media_of(scratch: Scratch, platform: str) -> list[dict[str, Any]]:
    return [video(scratch) if platform == "tiktok" else photo(scratch)]


async def database(scratch: Scratch) -> asyncpg.Connection:
    dsn = scratch.settings.database_dsn.replace("postgresql+asyncpg://", "postgresql://")
    return await asyncpg.connect(dsn)


async def schedule(scratch: Scratch, plan: Sequence[Planned]) -> list[UUID]:
    """Insert scheduled posts, as the API would, in one transaction; return their ids in the order of the plan."""
    posts, publications, ids = [], [], []
    for planned in plan:
        account = planned.account
        named = bool(planned.post_type)
        media = list(planned.media) if named else media_of(scratch, account.platform)
        options = planned.options
        if not named and account.platform == "tiktok":
            options = {"privacy_level": "PUBLIC_TO_EVERYONE", **options}
        post_id = new_id()
        ids.append(post_id)
        posts.append(
            (
                post_id,
                account.user_id,
                account.id,
                account.platform,
                planned.post_type or KINDS[account.platform],
                planned.text,
                [item["url"] for item in media],
                json.dumps(media),
                json.dumps(options),
                "scheduled",
                planned.at,
            )
        )
        publications.append((new_id(), post_id, account.user_id, account.id, 1, "prepare", planned.at, planned.at))
    connection = await database(scratch)
    try:
        async with connection.transaction():
            await connection.executemany(
                """INSERT INTO posts (id, user_id, account_id, platform, post_type, content, media_urls, media, options,
                   status, scheduled_for) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)""",
                posts,
            )
            await connection.executemany(
                """INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at)
                   VALUES ($1,$2,$3,$4,$5,$6,$7,$8)""",
                publications,
            )
            await connection.execute(
                """UPDATE publishing_lanes lane SET due_at = due.at FROM (
                       SELECT account_id, min(due_at) AS at FROM publications WHERE finished_at IS NULL GROUP BY 1
                   ) due WHERE due.account_id = lane.account_id"""
            )
    finally:
        await connection.close()
    return ids


async def wait_until_final(scratch: Scratch, ids: list[UUID], *, seconds: float) -> dict[str, int]:
    """Return how many posts have which status, once none is on its way or the time is over."""
    connection = await database(scratch)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        while True:
            rows = await connection.fetch("SELECT status, count(*) FROM posts WHERE id = ANY($1) GROUP BY 1", ids)
            counts = {row["status"]: row["count"] for row in rows}
            moving = counts.get("scheduled", 0) + counts.get("publishing", 0)
            if not moving or asyncio.get_running_loop().time() > deadline:
                return counts
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
