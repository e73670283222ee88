"""HTTP for the adapters: one client per platform and process, no hidden retries, every call in the journal.

The one distinction that everything rests on is made here: a request that was *not sent* may be repeated, one that was
sent and not answered may have acted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from time import perf_counter
from typing import Any

import httpx

from app.platforms.base import Auth, CallRecord, OutcomeUnknown, PlatformError, RetryLater

if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it a dozen times per call, and Python searches anew for what it did not find: a quarter
    # of a call's cost. This makes each try fail at once.
    sys.modules["sniffio"] = None  # type: ignore[assignment]
logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO line holds whole URLs, and some queries hold tokens

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
STAGE_SECONDS = 60.0
SUBMIT_SECONDS = 60.0
KEEPALIVE_SECONDS = 4.0
"""Shorter than the 5 s after which common servers close an idle connection: reusing one that is just being closed
would leave a submit without an answer."""
DETAIL_MAX_CHARS = 300
_NOTHING = httpx.ByteStream(b"")

_TOKENS = re.compile(
    r"(?i)(?:access_token|refresh_token|client_secret|appsecret_proof|upload_token|code|bearer|oauth)[=:\s\"']+[^\s\"'&,}]{8,}"
    r"|\b(?:EAA|IGAA|IGQ|act\.|rft\.)[\w.\-~%!]+"
    r"|[\w\-.~%]{40,}"
)


class Purpose(StrEnum):
    """What a call may have changed, which decides what a missing answer means."""

    read = "read"  # nothing: may be repeated at once
    stage = "stage"  # something invisible: may be repeated later
    submit = "submit"  # perhaps the public: must be reconciled


_TOTAL = {Purpose.read: READ_SECONDS, Purpose.stage: STAGE_SECONDS, Purpose.submit: SUBMIT_SECONDS}


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal in the platform's words. `message` is for the journal only, never for the owner."""

    code: str
    message: str = ""
    trace_id: str | None = None
    number: int | None = None
    sub: int | None = None
    transient: bool = False
    parsed: bool = True
    """Whether the answer had the platform's own form; an answer of something in between has not."""


@dataclass(slots=True)
class Answer:
    """An HTTP answer, its JSON (or `None`) and what the platform complains about (or `None`)."""

    status: int
    headers: Mapping[str, str]
    data: Any
    fault: Fault | None = None

    def retry_after(self, now: datetime | None = None) -> timedelta | None:
        """Return the wait that `Retry-After` asks for, given in seconds or as a date."""
        value = self.headers.get("retry-after")
        if not value:
            return None
        if value.strip().isdigit():
            return timedelta(seconds=int(value))
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        if until.tzinfo is None:
            until = until.replace(tzinfo=UTC)
        return max(until - (now or datetime.now(UTC)), timedelta())


def clean_detail(text: str) -> str | None:
    """Return an error text fit for the journal: short, and without anything that looks like a token."""
    return _TOKENS.sub("[…]", text)[:DETAIL_MAX_CHARS] or None


class Lanes:
    """Clients of one connection each, the last used first.

    One client with hundreds of connections walks through all of them several times per call, which at 200 calls at a
    time costs more than ten times as much as everything else.
    """

    def __init__(self, most: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._gate = asyncio.Semaphore(most)
        self._free: list[httpx.AsyncClient] = []
        self._all: list[httpx.AsyncClient] = []
        self._trust: ssl.SSLContext | None = None

    async def take(self) -> httpx.AsyncClient:
        """Return a client nobody else uses. Raises `TimeoutError` when none becomes free in time."""
        if self._gate.locked():
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._gate.acquire()
        else:
            await self._gate.acquire()
        return self._free.pop() if self._free else self._open()

    def give_back(self, client: httpx.AsyncClient) -> None:
        self._free.append(client)
        self._gate.release()

    async def aclose(self) -> None:
        for client in self._all:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS)
        client = httpx.AsyncClient(verify=self._trust, limits=limits, follow_redirects=False)
        self._all.append(client)
        return client


@dataclass
class PlatformHttp:
    """The connections of one process to one platform. `title` is its name in sentences for the owner."""

    title: str
    max_connections: int = 400
    _lanes: Lanes | None = field(default=None, init=False, repr=False)

    async def call(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        purpose: Purpose,
        headers: Mapping[str, str],
        fault_of: Callable[[Answer], Fault | None],
        auth: Auth | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, Any] | None = None,
        total: float | None = None,
    ) -> Answer:
        """Make one call and return what came back, refusals included. Content that is given piece by piece needs its
        `content-length` among the headers, and is sent once.

        Raises `RetryLater` when nothing was sent or nothing could have become public, `OutcomeUnknown` when a submit
        went unanswered. A read is repeated once after a connection error, nothing else ever is.
        """
        seconds = total or _TOTAL[purpose]
        timeouts = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": seconds, "write": seconds}
        lanes = self._ready_lanes()
        again = purpose is Purpose.read
        while True:
            request = httpx.Request(
                method, url, headers=headers, content=content, data=form, files=files, extensions={"timeout": timeouts}
            )
            started_at, clock = datetime.now(UTC), perf_counter()
            try:
                client = await lanes.take()
            except TimeoutError as error:
                self._note(auth, operation, method, url, started_at, clock, "not_sent", detail="all connections busy")
                raise self._unreachable() from error
            try:
                async with asyncio.timeout(seconds):
                    response = await client.send(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
                self._note(auth, operation, method, url, started_at, clock, "not_sent", detail=type(error).__name__)
                if again and not isinstance(error, httpx.PoolTimeout):
                    again = False
                    continue
                raise self._unreachable() from error
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                self._note(auth, operation, method, url, started_at, clock, "no_answer", detail=type(error).__name__)
                if again:
                    again = False
                    continue
                raise self._unanswered(purpose) from error
            except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
                self._note(auth, operation, method, url, started_at, clock, "no_answer", detail=type(error).__name__)
                raise self._unanswered(purpose) from error
            except asyncio.CancelledError:
                self._note(auth, operation, method, url, started_at, clock, "no_answer", detail="cancelled")
                raise
            finally:
                lanes.give_back(client)
            body = response.content
            # Response and stream hold each other, and with them what was sent: a chunk of 10 MB would stay in memory
            # until the collector of cycles comes by.
            response.stream = _NOTHING
            answer = Answer(response.status_code, response.headers, _json(body))
            answer.fault = fault = fault_of(answer)
            if fault is None:
                self._note(auth, operation, method, url, started_at, clock, "ok", answer.status)
            else:
                self._note(auth, operation, method, url, started_at, clock, "refused", answer.status, fault=fault)
            return answer

    async def aclose(self) -> None:
        """Close all connections."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None and lanes.loop is asyncio.get_running_loop():
            await lanes.aclose()

    def _ready_lanes(self) -> Lanes:
        if self._lanes is None or self._lanes.loop is not asyncio.get_running_loop():
            self._lanes = Lanes(self.max_connections)
        return self._lanes

    def _unreachable(self) -> RetryLater:
        return RetryLater(
            f"{self.title} could not be reached. PostPilot tries again by itself.", code="platform_unreachable"
        )

    def _unanswered(self, purpose: Purpose) -> PlatformError:
        if purpose is Purpose.submit:
            return unknown_outcome(self.title)
        return RetryLater(f"{self.title} did not answer. PostPilot tries again by itself.", code="platform_silent")

    def _note(
        self,
        auth: Auth | None,
        operation: str,
        method: str,
        url: str,
        started_at: datetime,
        clock: float,
        outcome: str,
        status: int | None = None,
        *,
        fault: Fault | None = None,
        detail: str | None = None,
    ) -> None:
        if auth is None:
            return
        address = url.partition("?")[0].split("/", 3)
        auth.journal(
            CallRecord(
                operation=operation,
                method=method,
                host=address[2],
                path="/" + (address[3] if len(address) > 3 else ""),
                started_at=started_at,
                duration_ms=round((perf_counter() - clock) * 1000),
                status=status,
                outcome=outcome,
                code=fault.code if fault else None,
                trace_id=fault.trace_id if fault else None,
                detail=clean_detail(fault.message) if fault else detail,
            )
        )


def unknown_outcome(title: str, fault: Fault | None = None) -> OutcomeUnknown:
    """Return the error for a submit whose effect is not known."""
    return OutcomeUnknown(
        f"{title} did not confirm the post. PostPilot checks whether it went out before doing anything else.",
        platform_code=fault.code if fault else None,
        trace_id=fault.trace_id if fault else None,
    )


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Return compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None
