"""Media on its way out: a large video in chunks with the worker killed in the middle, and fixed files on every
platform, as the platform received them."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from benchmarks.memory import MemoryOf
from benchmarks.people import database
from benchmarks.scenes import run_ffmpeg
from deploy.scratch import Scratch

MEMORY_MEGABYTES = 150
"""What a process may take more than it does idle while a large video passes through."""
SETTLE_SECONDS = 6.0
FINAL = frozenset({"posted", "failed", "on_hold"})
LONGEST_SECONDS = 300.0
TIKTOK_CHUNK_BYTES = 10_000_000
FACEBOOK_CHUNK_BYTES = 1_048_576
"""What the sandbox asks for at a time, as in Facebook's own example."""
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
FRAMES = 3


class Out:
    """Connects one account of each platform and publishes for them."""

    def __init__(self, scratch: Scratch, client: httpx.Client) -> None:
        self.scratch = scratch
        self.client = client
        self.control = httpx.Client(base_url=f"{scratch.sandbox}/_sandbox", timeout=60, trust_env=False)
        self.accounts: dict[str, dict[str, Any]] = {}
        for platform in ("instagram", "facebook", "tiktok"):
            body = {"platform": platform, "account_name": f"{platform}_media"}
            self.accounts[platform] = client.post("/accounts", json=body).raise_for_status().json()

    def external(self, platform: str) -> str:
        return str(self.accounts[platform]["account_id_external"])

    def begin(self, platform: str, post_type: str, text: str, url: str) -> str:
        """Publish now and return the post's id."""
        body = {
            "account_id": self.accounts[platform]["id"],
            "content": text,
            "post_type": post_type,
            "media_urls": [url],
            "options": PUBLIC if platform == "tiktok" else {},
        }
        answer = self.client.post("/posts", json=body)
        assert answer.is_success, answer.text
        post = str(answer.json()["id"])
        answer = self.client.post(f"/posts/{post}/publish")
        assert answer.is_success, answer.text
        return post

    def until_final(self, post: str) -> dict[str, Any]:
        """Wait until the post is out or has failed, and return it."""
        until = time.monotonic() + LONGEST_SECONDS
        while True:
            read: dict[str, Any] = self.client.get(f"/posts/{post}").raise_for_status().json()
            if read["status"] in FINAL or time.monotonic() > until:
                return read
            time.sleep(0.2)

    def shown(self, platform: str, text: str) -> list[dict[str, Any]]:
        """Return what followers see with this text."""
        query = {"platform": platform, "account_id": self.external(platform), "contains": text}
        deadline = time.monotonic() + 20
        while True:  # what was accepted a moment ago appears soon
            items: list[dict[str, Any]] = (
                self.control.get("/published", params=query).raise_for_status().json()["items"]
            )
            if items or time.monotonic() > deadline:
                return items
            time.sleep(0.2)

    def calls(self, operation: str) -> int:
        platform = operation.partition(".")[0]
        query = {"operation": operation, "account_id": self.external(platform)}
        return int(self.control.get("/calls", params=query).raise_for_status().json()["total"])


def publish_large(out: Out, asset: dict[str, Any], path: Path) -> dict[str, Any]:
    """Publish a large video on TikTok and Facebook, each with the worker killed when half of it has arrived."""
    size = int(asset["size_bytes"])
    longest = math.ceil(float(asset["duration_seconds"])) + 1
    tiktok = out.external("tiktok")
    out.control.patch(f"/accounts/tiktok/{tiktok}", json={"max_duration_seconds": longest}).raise_for_status()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    ways = (
        # TikTok takes every call in which a chunk begins where the last one ended, and refuses all others with 416.
        ("tiktok", "tiktok.video_init", "tiktok.upload", max(1, size // TIKTOK_CHUNK_BYTES)),
        ("facebook", "facebook.video_start", "facebook.video_transfer", math.ceil(size / FACEBOOK_CHUNK_BYTES)),
    )
    return {way[0]: _publish_large(out, asset, digest, *way) for way in ways}


def _publish_large(
    out: Out, asset: dict[str, Any], digest: str, platform: str, opening: str, sending: str, ideal: int
) -> dict[str, Any]:
    text = f"Large on {platform}"
    worker = _fresh_worker(out.scratch)
    with MemoryOf(lambda: out.scratch.pids("worker")) as memory:
        begun = time.monotonic()
        post = out.begin(platform, "video", text, asset["url"])
        while out.calls(sending) < ideal // 2:
            assert time.monotonic() - begun < LONGEST_SECONDS, out.client.get(f"/posts/{post}").text
            time.sleep(0.02)
        os.kill(worker, signal.SIGKILL)
        killed_after = time.monotonic() - begun
        calls_at_kill = out.calls(sending)
        read = out.until_final(post)
        seconds = time.monotonic() - begun
    items = out.shown(platform, text)
    received = b""
    if items:
        with out.control.stream("GET", items[0]["media_urls"][0]) as answer:
            seen = hashlib.sha256()
            for piece in answer.iter_bytes(1_000_000):
                seen.update(piece)
            received = seen.digest()
    calls = out.calls(sending)
    return {
        "status": read["status"],
        "error_code": str(read["error_code"]),
        "out": len(items),
        "is_the_same_file": received.hex() == digest,
        "seconds": round(seconds, 1),
        "killed_after_seconds": round(killed_after, 1),
        "uploads_opened": out.calls(opening),
        "chunks_ideal": ideal,
        "chunks_sent_when_killed": calls_at_kill,
        "chunks_sent": calls,
        "chunks_sent_beyond_ideal": calls - ideal,
        "most_extra_memory_megabytes": round(memory.more_megabytes, 1),
        "memory_allowed_megabytes": MEMORY_MEGABYTES,
        "journal": _answers(out.scratch, post, sending),
    }


def _fresh_worker(scratch: Scratch) -> int:
    """Start the worker anew, so that memory is measured from where it begins, and return its process id."""
    (old,) = scratch.pids("worker")
    os.kill(old, signal.SIGTERM)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        found = [pid for pid in scratch.pids("worker") if pid != old]
        if found:
            time.sleep(SETTLE_SECONDS)
            return found[0]
        time.sleep(0.2)
    raise AssertionError("the worker did not come back")


def _answers(scratch: Scratch, post: str, operation: str) -> str:
    """Return how often the journal has which answer to the sending of bytes; what a killed worker knew is lost."""

    async def read() -> list[Any]:
        connection: asyncpg.Connection = await database(scratch)
        rows = await connection.fetch(
            """SELECT a.status, a.outcome, count(*) AS calls FROM publication_attempts a
               JOIN publications p ON p.id = a.publication_id
               WHERE p.post_id = $1 AND a.operation = $2 GROUP BY 1, 2 ORDER BY 3 DESC""",
            post,
            operation,
        )
        await connection.close()
        return list(rows)

    rows = asyncio.run(read())
    return ", ".join(f"{row['calls']} × {row['status']} {row['outcome']}" for row in rows)


def publish_fixed(
    out: Out, name: str, made: dict[str, Any], pairs: tuple[tuple[str, str], ...], folder: Path
) -> dict[str, Any]:
    """Publish one fixed file on every platform and keep what the platforms received; of videos, three frames too."""
    posts = {}
    for platform, post_type in pairs:
        text = f"Fixed {name} on {platform}"
        posts[platform] = (text, out.begin(platform, post_type, text, made["url"]))
    figures: dict[str, Any] = {}
    for platform, (text, post) in posts.items():
        read = out.until_final(post)
        items = out.shown(platform, text) if read["status"] == "posted" else []
        figures[platform] = (
            f"{read['status']}, out {len(items)} ×" if items else f"{read['status']}: {read['error_message']}"
        )
        for item in items:
            address = item["media_urls"][0]
            kept = folder / f"{name}-{platform}.{address.rpartition('.')[2]}"
            kept.write_bytes(out.control.get(address).raise_for_status().content)
            if made["duration_seconds"]:
                _frames(kept, float(made["duration_seconds"]))
    return figures


def _frames(path: Path, seconds: float) -> None:
    for number in range(FRAMES):
        at = (number + 0.5) * seconds / FRAMES
        run_ffmpeg("-ss", f"{at:.2f}", "-i", str(path), "-frames:v", "1", str(path.with_suffix(f".{number + 1}.png")))
