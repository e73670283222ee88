"""Fetching media as the platforms do, and keeping a copy of each file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import httpx

from sandbox.media import Facts, inspect, is_allowed_url
from sandbox.state import Store

META_FETCHER = "facebookexternalhit/1.1"
"""User agent of Meta's fetcher. Source: Content Publishing and Reels Publishing, read 2026-09-11."""
TIKTOK_FETCHER = "PostPilotSandbox/1.0 (TikTok pull)"
"""TikTok documents no user agent for its downloads."""

_FETCH_TIMEOUT = httpx.Timeout(20.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded file and how its host behaved."""

    facts: Facts
    content_type: str
    honours_range: bool


FetchProblem = Literal["url", "unreachable", "timeout", "status", "redirect", "too_big", "empty"]


class FetchError(Exception):
    """The media could not be downloaded."""

    def __init__(self, reason: FetchProblem) -> None:
        super().__init__(reason)
        self.reason = reason


class Library:
    """Copies of media in a folder, named by their content, with what is known about each."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self._store = store
        folder.mkdir(parents=True, exist_ok=True)
        self._facts: dict[str, Facts] = {key: Facts(**document) for key, document in store.load("facts")}
        self._verdicts: dict[str, tuple[tuple[str, ...], Fetched]] = {}
        self._client = httpx.AsyncClient(
            timeout=_FETCH_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )

    async def close(self) -> None:
        """Close the connections of the fetcher."""
        await self._client.aclose()

    def clear(self) -> None:
        """Forget facts and verdicts; the files go with the folder."""
        self._facts.clear()
        self._verdicts.clear()

    def path(self, name: str) -> Path:
        """Return where a copy lies."""
        return self.folder / name[:2] / name

    def temporary(self) -> Path:
        """Return a new path for bytes on their way in."""
        return self.folder / f"incoming-{secrets.token_hex(8)}"

    async def keep(self, data: bytes) -> Facts:
        """Keep uploaded bytes."""
        key = hashlib.sha256(data).hexdigest()
        known = self._facts.get(key)
        if known is not None:
            return known
        path = self.temporary()
        await asyncio.to_thread(path.write_bytes, data)
        return await self.keep_file(path, key)

    async def keep_file(self, path: Path, key: str = "") -> Facts:
        """Take over a file; its facts are worked out once per content."""
        if not key:
            key = await asyncio.to_thread(_hash, path)
        known = self._facts.get(key)
        if known is not None:
            await asyncio.to_thread(path.unlink)
            return known
        facts = await asyncio.to_thread(self._take, path, key)
        self._facts[key] = facts
        self._store.mark("facts", key, lambda: json.dumps(asdict(facts)))
        return facts

    def _take(self, path: Path, key: str) -> Facts:
        facts = inspect(path, key)
        target = self.path(facts.file)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
        return facts

    async def fetch(self, url: str, *, user_agent: str, max_bytes: int, follow_redirects: bool) -> Fetched:
        """Download with HEAD, then GET with Range; a HEAD that shows nothing changed reuses the last verdict.

        Raises `FetchError`. `max_bytes` bounds the download, not the verdict: the caller judges the size.
        """
        if not is_allowed_url(url):
            raise FetchError("url")
        headers = {"user-agent": user_agent, "accept": "*/*"}
        try:
            head = await self._client.head(url, headers=headers, follow_redirects=follow_redirects)
            if head.is_redirect:
                raise FetchError("redirect")
            marks: tuple[str, ...] = ()
            if head.is_success:
                marks = tuple(head.headers.get(name, "") for name in ("etag", "last-modified", "content-length"))
                known = self._verdicts.get(url)
                if known is not None and any(marks) and known[0] == marks:
                    return known[1]
                if int(head.headers.get("content-length") or 0) > max_bytes:
                    raise FetchError("too_big")
            elif head.status_code not in (405, 501):
                raise FetchError("status")
            fetched = await self._download(url, headers, max_bytes, follow_redirects=follow_redirects)
        except httpx.TimeoutException as error:
            raise FetchError("timeout") from error
        except httpx.HTTPError as error:
            raise FetchError("unreachable") from error
        if any(marks):
            self._verdicts[url] = (marks, fetched)
        return fetched

    async def readable(self, url: str) -> str | None:
        """Return the title of a page as the link scraper sees it, or None when it cannot be read."""
        try:
            page = await self._client.get(url, headers={"user-agent": META_FETCHER}, follow_redirects=True)
        except httpx.HTTPError:
            return None
        if not page.is_success:
            return None
        _, _, rest = page.text.partition("<title>")
        return rest.partition("</title>")[0].strip()

    async def _download(self, url: str, headers: dict[str, str], max_bytes: int, *, follow_redirects: bool) -> Fetched:
        path = self.temporary()
        digest, size = hashlib.sha256(), 0
        try:
            async with self._client.stream(
                "GET", url, headers={**headers, "range": "bytes=0-"}, follow_redirects=follow_redirects
            ) as response:
                if response.is_redirect:
                    raise FetchError("redirect")
                if response.status_code not in (200, 206):
                    raise FetchError("status")
                with path.open("wb") as file:
                    async for part in response.aiter_raw():
                        size += len(part)
                        if size > max_bytes:
                            raise FetchError("too_big")
                        digest.update(part)
                        file.write(part)
                if size == 0:
                    raise FetchError("empty")
            facts = await self.keep_file(path, digest.hexdigest())
        finally:
            path.unlink(missing_ok=True)
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(facts, content_type, response.status_code == 206)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
