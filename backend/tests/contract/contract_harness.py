"""What the contract tests share: a sandbox of their own, a small media host, and a loop that drives an adapter as the
publishing engine does."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from app.platforms.base import (
    AccountFacts,
    Auth,
    CallRecord,
    ConnectedProfile,
    Draft,
    Grant,
    MediaItem,
    Outcome,
    OutcomeUnknown,
    Phase,
    PlatformAdapter,
    Progress,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
)

ROOT = Path(__file__).resolve().parents[3]
REDIRECT_URI = "https://app.example.com/oauth"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# -- the media host


class MediaHost:
    """Serves files under `/f/{name}` always, and under `/m/{token}/{name}` until the token is revoked."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.lent: dict[str, str] = {}
        self.fetched: set[str] = set()
        self.is_slow = False
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._serve(with_body=False)

            def do_GET(self) -> None:
                self._serve(with_body=True)

            def _serve(self, *, with_body: bool) -> None:
                while host.is_slow:
                    time.sleep(0.02)
                parts = urlsplit(self.path).path.strip("/").split("/")
                token = parts[1] if parts[0] == "m" else None
                name = host.lent.get(token) if token else parts[-1]
                if name is None or name not in host.files:
                    self.send_response(404)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                content, mime_type = host.files[name]
                first = 0
                if self.headers.get("range"):
                    first = int(self.headers["range"].removeprefix("bytes=").split("-")[0])
                    self.send_response(206)
                    self.send_header("content-range", f"bytes {first}-{len(content) - 1}/{len(content)}")
                else:
                    self.send_response(200)
                self.send_header("content-type", mime_type)
                self.send_header("accept-ranges", "bytes")
                self.send_header("content-length", str(len(content) - first))
                self.end_headers()
                if with_body:
                    self.wfile.write(content[first:])
                    if token:
                        host.fetched.add(token)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hurry(self) -> None:
        """Answer what is waiting half a second from now: after the adapter had time to revoke."""
        threading.Timer(0.5, lambda: setattr(self, "is_slow", False)).start()

    def add(self, name: str, content: bytes, mime_type: str) -> str:
        self.files[name] = (content, mime_type)
        return f"{self.url}/f/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class AttemptMedia:
    """What the engine gives an adapter for one attempt."""

    def __init__(self, host: MediaHost) -> None:
        self.host = host
        self.tokens: list[str] = []
        self.is_revoked = False
        self.streamed_from: list[int] = []

    async def size(self, item: MediaItem) -> int:
        return len(await self.read(item))

    async def read_part(self, item: MediaItem, start: int, end: int) -> bytes:
        return (await self.read(item))[start:end]

    async def stream(self, item: MediaItem, start: int = 0) -> AsyncIterator[bytes]:
        self.streamed_from.append(start)
        content = await self.read(item)
        for at in range(start, len(content), 65_536):
            yield content[at : at + 65_536]

    async def address(self, item: MediaItem) -> str:
        return item.url

    async def read(self, item: MediaItem) -> bytes:
        return self.host.files[item.url.rsplit("/", 1)[-1]][0]

    async def lend(self, item: MediaItem, name: str) -> str:
        token = secrets.token_hex(8)
        self.tokens.append(token)
        self.host.lent[token] = item.url.rsplit("/", 1)[-1]
        return f"{self.host.url}/m/{token}/{name}"

    async def revoke(self) -> None:
        self.is_revoked = True
        for token in self.tokens:
            self.host.lent.pop(token, None)

    async def fetched(self) -> bool:
        return any(token in self.host.fetched for token in self.tokens)


# -- the sandbox


class Sandbox:
    """The control API of a running sandbox."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/_sandbox", trust_env=False)

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        response = self._client.request(method, path, json=body or None)
        assert response.is_success, response.text
        return dict(response.json())

    def reset(self) -> None:
        self.send("POST", "/reset")
        self.knobs(processing_seconds=0.1, image_processing_seconds=0.05, tiktok_moderation_seconds=0.0)

    def knobs(self, **values: Any) -> None:
        self.send("PATCH", "/knobs", **values)

    def fault(self, operation: str, kind: str, **details: Any) -> None:
        self.send("POST", "/faults", operation=operation, kind=kind, **details)

    def advance(self, seconds: float) -> None:
        self.send("POST", "/clock", advance_seconds=seconds)

    def calls(self, operation: str) -> int:
        response = self._client.get("/calls", params={"operation": operation})
        return int(response.json()["total"])

    def published(self, platform: str, account_id: str, contains: str = "") -> list[dict[str, Any]]:
        response = self._client.get(
            "/published", params={"platform": platform, "account_id": account_id, "contains": contains}
        )
        assert response.is_success, response.text
        document = response.json()
        assert document["total"] == len(document["items"])
        return list(document["items"])

    def consent(self, authorization_url: str, name: str, **more: Any) -> dict[str, str]:
        """Approve a sign-in and return the callback's parameters."""
        answer = self.send("POST", "/consent", authorization_url=authorization_url, account_name=name, **more)
        query = parse_qs(urlsplit(answer["redirect_url"]).query)
        return {key: values[0] for key, values in query.items()}


@contextmanager
def running_sandbox(folder: Path) -> Iterator[str]:
    """Start a sandbox on a free port and stop it afterwards."""
    port = free_port()
    env = {**os.environ, "DATA_DIR": str(folder), "SANDBOX_PORT": str(port), "SANDBOX_APP_SECRET": "sandbox-secret"}
    env["SANDBOX_SMTP_PORT"] = "0"
    log = (folder / "sandbox.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"], cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 20
        while True:
            try:
                if httpx.get(f"{url}/_sandbox/health", trust_env=False).is_success:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, (folder / "sandbox.log").read_text()
            assert time.monotonic() < until, "the sandbox did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)
        log.close()


# -- the loop


@dataclass
class Driver:
    """Drives one adapter for one account as the engine does: what an adapter returns is 'committed' as JSON first."""

    adapter: PlatformAdapter
    profile: ConnectedProfile
    host: MediaHost
    longest_wait: float = 0.05
    offset: timedelta = timedelta()
    """How far the sandbox's clock is ahead of ours; the engine's clock and the platform's agree."""
    before_reconcile: float = 0.0
    is_forgiving: bool = False
    """Ask whether the token is really dead before believing it, as the engine does."""
    grant: Grant = field(init=False)
    records: list[CallRecord] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    attempts: list[AttemptMedia] = field(default_factory=list)
    pauses: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grant = self.profile.grant

    @property
    def auth(self) -> Auth:
        return Auth(
            account_id="ours",
            account_id_external=self.profile.account_id_external,
            access_token=self.grant.access_token,
            extra=self.grant.extra,
            journal=self.records.append,
            pause=self.pauses.append,
        )

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    async def publish(
        self,
        draft: Draft,
        *,
        until: float = 20.0,
        start: Progress | None = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> Progress:
        """Drive a draft to `published`. Raises what the engine would stop at."""
        assert self.adapter.publisher.validate(draft, AccountFacts()) == []
        stop = time.monotonic() + until
        progress, submitted_at = start or Progress(), None
        media = self._attempt()
        while progress.phase is not Phase.published:
            assert time.monotonic() < stop, f"stuck at {progress}; {self.errors}; {self.outcomes}"
            publisher = self.adapter.publisher
            progress = Progress.from_json(json.loads(json.dumps(progress.to_json())))
            try:
                if submitted_at is not None:
                    verdict = await publisher.reconcile(
                        self.auth, draft, progress, media, submitted_at=submitted_at, now=self.now()
                    )
                    self.outcomes.append(verdict.outcome)
                    progress = verdict.progress
                    if verdict.outcome is Outcome.unknown:
                        raise AssertionError(f"unknown: {draft}; {progress}; {self.errors}; {self.outcomes}")
                    if verdict.outcome is Outcome.look_again:
                        await asyncio.sleep(min(verdict.after_seconds, 0.2))
                        continue
                    submitted_at = None
                    if progress.phase is Phase.preparing:
                        media = self._attempt()
                elif progress.phase is Phase.preparing:
                    progress = await publisher.prepare(self.auth, draft, progress, media)
                elif progress.phase is Phase.ready:
                    begun = self.now()
                    try:
                        progress = await publisher.submit(self.auth, draft, progress, media)
                    except OutcomeUnknown as error:
                        self.errors.append(error.code)
                        submitted_at = begun
                        await asyncio.sleep(self.before_reconcile)
                        on_lost()
                else:
                    await asyncio.sleep(min(progress.look_after or 0, self.longest_wait))
                    progress = await publisher.look(self.auth, draft, progress, media)
            except RefreshToken as error:
                self.errors.append(error.code)
                if self.errors.count(error.code) > 2 and not self.is_forgiving:
                    raise
                await self._refresh()
            except ReconnectAccount as error:
                self.errors.append(error.code)
                if not self.is_forgiving or not await self._is_alive():
                    raise
            except RetryLater as error:
                self.errors.append(error.code)
                if error.restage:
                    progress, media = Progress(), self._attempt()
                await asyncio.sleep(0.02)
        return progress

    async def _refresh(self) -> None:
        words = {"account_id_external": self.profile.account_id_external, "now": datetime.now(UTC)}
        self.grant = await self.adapter.connector.refresh(self.grant, **words)

    async def _is_alive(self) -> bool:
        """Doubt counts as alive; so does one good answer of five, as the sandbox may refuse tokens at random."""
        for _ in range(5):
            try:
                if await self.adapter.connector.check(self.auth):
                    return True
            except RetryLater:
                return True
        return False

    def _attempt(self) -> AttemptMedia:
        self.attempts.append(AttemptMedia(self.host))
        return self.attempts[-1]


async def connect(
    adapter: PlatformAdapter, sandbox: Sandbox, name: str, *, login: str | None = None, **more: Any
) -> list[ConnectedProfile]:
    """Sign in as a person would and return what became connected."""
    login = login or adapter.connector.logins[0]
    request = adapter.connector.authorize(state="state-1", redirect_uri=REDIRECT_URI, login=login)
    answer = sandbox.consent(request.url, name, **more)
    assert answer["state"] == "state-1"
    return await adapter.connector.exchange(
        code=answer["code"],
        redirect_uri=REDIRECT_URI,
        code_verifier=request.code_verifier,
        login=login,
        now=datetime.now(UTC),
    )


def with_token(profile: ConnectedProfile, token: str) -> ConnectedProfile:
    return replace(profile, grant=replace(profile.grant, access_token=token))
