"""How fast the API reads, for a user with many posts in a table with many more."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any
from uuid import UUID

from app.kit.ids import new_id
from benchmarks.load import load
from benchmarks.people import database, sign_up
from deploy.scratch import Scratch, scratch_stack

CONNECTIONS = 16
SECONDS = 6.0
ROUNDS = 3
POSTS_PER_MONTH = 200
"""Posts in the month that is looked at, in both tables alike: what the Pro plan allows in a month."""

_FILL = """
INSERT INTO posts (id, user_id, account_id, platform, post_type, content, media_urls, media, hashtags, options, status,
                   scheduled_for, posted_at, platform_post_id, permalink, attempts, created_at)
SELECT gen_random_uuid(), $1, $2, 'instagram', 'image',
       'Post number ' || n || ': fresh from the roaster this morning, come by before it is gone.',
       ARRAY['https://shop.example/' || n || '.jpg'],
       jsonb_build_array(jsonb_build_object('url', 'https://shop.example/' || n || '.jpg', 'kind', 'image',
           'mime_type', 'image/jpeg', 'size_bytes', 161945, 'width_px', 1200, 'height_px', 800,
           'duration_seconds', NULL)),
       ARRAY['coffee', 'cornercafe'], '{}',
       CASE WHEN n % 50 = 0 THEN 'failed' ELSE 'posted' END,
       timestamptz '2026-11-30 23:00+00' - make_interval(secs => n * 30 * 86400.0 / $4),
       timestamptz '2026-11-30 23:00+00' - make_interval(secs => n * 30 * 86400.0 / $4),
       '1792' || n, 'https://www.instagram.com/p/' || n || '/', 1,
       timestamptz '2026-11-30 23:00+00' - make_interval(secs => n * 30 * 86400.0 / $4)
FROM generate_series(0, $3 - 1) AS n
"""

PATHS = {
    "posts_page": "/api/v1/posts?per_page=20",
    "posts_page_filtered": "/api/v1/posts?per_page=20&status=failed&platform=instagram",
    "calendar_month": "/api/v1/posts/calendar?start_date=2026-11-01&end_date=2026-11-30",
}


async def reads() -> dict[str, Any]:
    """Measure a user with 10,000 posts in 10,000, then the same user with 100,000 in 1,000,000."""
    with scratch_stack() as scratch:
        client = await sign_up(scratch)
        token = client.headers["Authorization"].removeprefix("Bearer ")
        user_id = UUID(client.headers["X-User"])
        account_id = await _account(scratch, user_id)
        await _fill(scratch, user_id, account_id, 10_000)
        small = await _measure(scratch, token, own=10_000)
        connection = await database(scratch)
        await connection.execute("TRUNCATE posts, post_count_deltas CASCADE")
        await connection.close()
        await _fill(scratch, user_id, account_id, 100_000)
        for _ in range(9):
            stranger = await sign_up(scratch)
            stranger_id = UUID(stranger.headers["X-User"])
            await _fill(scratch, stranger_id, await _account(scratch, stranger_id), 100_000)
            await stranger.aclose()
        large = await _measure(scratch, token, own=100_000)
        await client.aclose()
    return {
        "connections": CONNECTIONS,
        "api_processes": 1,
        "posts_in_month": POSTS_PER_MONTH,
        "10000_of_10000": small,
        "100000_of_1000000": large,
        "growth": {
            name: round(small[name]["requests_per_second"] / large[name]["requests_per_second"], 2) for name in PATHS
        },
    }


async def _account(scratch: Scratch, user_id: UUID) -> UUID:
    account_id = new_id()
    connection = await database(scratch)
    await connection.execute(
        """INSERT INTO social_accounts (id, user_id, platform, account_name, account_id_external, mode, status)
           VALUES ($1, $2, 'instagram', 'bench', $3, 'sandbox', 'connected')""",
        account_id,
        user_id,
        str(account_id.int)[:17],
    )
    await connection.close()
    return account_id


async def _fill(scratch: Scratch, user_id: UUID, account_id: UUID, count: int) -> None:
    connection = await database(scratch)
    await connection.execute(_FILL, user_id, account_id, count, float(POSTS_PER_MONTH), timeout=600)
    await connection.execute("VACUUM ANALYZE posts", timeout=600)
    await connection.execute("VACUUM ANALYZE post_count_deltas", timeout=600)
    await connection.close()


async def _measure(scratch: Scratch, token: str, *, own: int) -> dict[str, Any]:
    results: dict[str, Any] = {}
    await asyncio.sleep(3)
    for name, path in PATHS.items():
        port = scratch.settings.api_port
        rounds = [await load(port, path, token=token, connections=CONNECTIONS, seconds=SECONDS) for _ in range(ROUNDS)]
        median = sorted(rounds, key=lambda one: one.requests_per_second)[len(rounds) // 2]
        results[name] = asdict(median)
    results["own_posts"] = own
    return results
