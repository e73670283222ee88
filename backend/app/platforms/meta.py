"""What Instagram and Facebook have in common: the Graph envelope, throttling, error decisions and the Graph client.

Sources: developers.facebook.com, Graph API › Handle Errors and › Rate Limits, v25.0, read 2026-11-23.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlencode, urlsplit

from app.platforms.base import (
    JSON,
    Auth,
    FixContent,
    Permanent,
    PlatformError,
    QuotaUsedUp,
    ReconnectAccount,
    RetryLater,
)
from app.platforms.http import Answer, Fault, PlatformHttp, Purpose, encode_json, unknown_outcome
from app.platforms.waiting import StageAgain

GRAPH_VERSION = "v25.0"
"""Graph API version, guaranteed until 2028-07-29. Source: Graph API › Changelog, read 2026-11-23."""

USAGE_STOP_PERCENT = 95
"""Share of the allowance at which calls stop: calls made while throttled lengthen the block (Rate Limits)."""
THROTTLE_WAIT = timedelta(minutes=2)
"""Wait after a throttle error that names no time. Ours: the platform gives no figure."""
USAGE_HEADERS = ("x-business-use-case-usage", "x-app-usage", "x-page-usage")

TELLING_SUBCODE = 1_000_000
"""Subcodes of seven digits mean the same under every code."""

JSON_TYPE = "application/json"


class Kind(StrEnum):
    """What a refusal means for the publication."""

    later = "later"
    throttled = "throttled"
    quota = "quota"
    restage = "restage"  # nothing was published, stage anew
    check = "check"  # on submit the outcome is unknown, else later
    reconnect = "reconnect"
    act = "act"  # the owner must act at the platform, then reconnect
    fix = "fix"
    permanent = "permanent"


@dataclass(frozen=True)
class Row:
    """One row of an error table: what it means, our code for it, and what the owner reads."""

    kind: Kind
    code: str
    sentence: str
    field: str = "media_urls"
    after: timedelta | None = None
    pause: timedelta | None = None
    tries: int = 1
    """How often staging anew is worth trying."""
    then: Kind = Kind.fix
    """What it becomes when staging anew did not help."""
    last_words: str | None = None
    """What the owner reads then, when it is something else."""


Table = Mapping[tuple[int, int | None], Row]


def fault_of(answer: Answer) -> Fault | None:
    """Read a Graph answer: `None` when it is a success."""
    data = answer.data
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(error, dict):
        number, sub = _number(error.get("code")), _number(error.get("error_subcode"))
        code = "/".join(str(part) for part in (number, sub) if part is not None)
        return Fault(
            code=code or f"http_{answer.status}",
            message=str(error.get("message") or ""),
            trace_id=error.get("fbtrace_id"),
            number=number,
            sub=sub,
            transient=error.get("is_transient") is True,
            parsed=number is not None,
        )
    if answer.status < 300:
        return None if isinstance(data, dict) else Fault(code=f"http_{answer.status}", parsed=False)
    if isinstance(data, dict):
        debug = data.get("debug_info")
        if isinstance(debug, dict):  # byte uploads
            return Fault(
                code=str(debug.get("type") or f"http_{answer.status}"),
                message=str(debug.get("message") or ""),
                transient=debug.get("retriable") is True,
            )
        if "error_message" in data:  # Instagram's code exchange
            message = str(data["error_message"])
            return Fault(code=str(data.get("error_type") or "oauth"), message=message, number=_number(data.get("code")))
    return Fault(code=f"http_{answer.status}", parsed=False)


def usage_wait(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long calls for this account should stop, or `None` below 95 % of every allowance."""
    wait: timedelta | None = None
    for name in USAGE_HEADERS:
        text = headers.get(name)
        if text is None:
            continue
        for entry in _usage_entries(text):
            figures = (_percent(entry.get(key)) for key in ("call_count", "total_time", "total_cputime"))
            if max(figures) < USAGE_STOP_PERCENT:
                continue
            minutes = _percent(entry.get("estimated_time_to_regain_access"))  # documented in minutes
            wait = max(wait or timedelta(), timedelta(minutes=minutes) if minutes else THROTTLE_WAIT)
    return wait


def _usage_entries(text: str) -> list[JSON]:
    """Flatten both header shapes; the business header is keyed by an id that need not be ours."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    if not isinstance(value, dict):
        return []
    if not any(isinstance(entries, list) for entries in value.values()):
        return [value]
    lists = (entries for entries in value.values() if isinstance(entries, list))
    return [entry for entries in lists for entry in entries if isinstance(entry, dict)]


@dataclass(frozen=True)
class Decider:
    """Turns faults of one platform into the engine's words, by one table."""

    title: str
    table: Table
    names: Mapping[str, Row] = field(default_factory=dict)
    """Rows for refusals that carry a name instead of a number."""

    def row(self, fault: Fault) -> Row | None:
        """Return the table's row for a fault: code and subcode, a telling subcode alone, the code, then its range."""
        if fault.number is None:
            return self.names.get(fault.code)
        found = self.table.get((fault.number, fault.sub))
        if found is None and fault.sub is not None and fault.sub >= TELLING_SUBCODE:
            found = self.table.get((fault.sub, None))
        if found is None:
            found = self.table.get((fault.number, None))
        if found is None and 200 <= fault.number <= 299:
            found = self.table.get((200, None))
        return found

    def error(self, answer: Answer, purpose: Purpose, auth: Auth | None = None) -> PlatformError:
        """Return the error for a refused call; tells the account to pause where the table says so."""
        fault = answer.fault
        assert fault is not None
        submit = purpose is Purpose.submit
        row = self.row(fault)
        if row is not None and row.pause is not None and auth is not None:
            auth.pause(row.pause)
        if row is None:
            if submit and (answer.status >= 500 or answer.status < 400 or fault.transient or not fault.parsed):
                return unknown_outcome(self.title, fault)
            if answer.status == 429:
                return self._build(Row(Kind.throttled, "platform_busy", self._busy()), answer, fault)
            if answer.status >= 500 or answer.status < 400 or fault.transient:
                return self._build(Row(Kind.later, "platform_busy", self._busy()), answer, fault)
            sentence = (
                f"{self.title} refused this post for a reason that PostPilot does not know (code {fault.code}). "
                f"Check the post in the {self.title} app, or try again later."
            )
            return self._build(Row(Kind.permanent, "platform_refused", sentence), answer, fault)
        if submit and row.kind in (Kind.check, Kind.restage):
            return unknown_outcome(self.title, fault)
        return self._build(row, answer, fault)

    def _busy(self) -> str:
        return f"{self.title} has a problem at the moment. PostPilot tries again by itself."

    def _build(self, row: Row, answer: Answer, fault: Fault) -> PlatformError:
        words: dict[str, Any] = {"code": row.code, "platform_code": fault.code, "trace_id": fault.trace_id}
        match row.kind:
            case Kind.restage:
                final = self._build(_finally(row), answer, fault)
                return StageAgain(row.sentence, tries=row.tries, final=final, after=row.after, code=row.code)
            case Kind.later | Kind.check:
                return RetryLater(row.sentence, after=answer.retry_after() or row.after, **words)
            case Kind.throttled:
                waits = (answer.retry_after(), usage_wait(answer.headers), row.after)
                after = max((wait for wait in waits if wait), default=THROTTLE_WAIT)
                return RetryLater(row.sentence, after=after, **words)
            case Kind.quota:
                until = datetime.now(UTC) + (answer.retry_after() or row.after or timedelta(hours=1))
                return QuotaUsedUp(row.sentence, until=until, **words)
            case Kind.reconnect | Kind.act:
                return ReconnectAccount(row.sentence, **words)
            case Kind.fix:
                return FixContent(row.sentence, field=row.field, **words)
            case Kind.permanent:
                return Permanent(row.sentence, **words)


def _finally(row: Row) -> Row:
    return Row(row.then, row.code, row.last_words or row.sentence, field=row.field, after=row.after)


@lru_cache(maxsize=8192)
def secret_proof(secret: str, token: str) -> str:
    """Return `appsecret_proof`: hex HMAC-SHA256 of the token in use, keyed with the app secret."""
    return hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()


@dataclass
class GraphClient:
    """Calls one Graph host for one account at a time; refusals come out as the engine's errors."""

    http: PlatformHttp
    base_url: str
    decider: Decider
    proof_secret: str | None = field(default=None, repr=False)
    fault_of: Callable[[Answer], Fault | None] = fault_of

    async def get(self, auth: Auth, operation: str, path: str, query: str = "") -> JSON:
        """Read; `query` is already encoded."""
        url = self._url(auth.access_token, path, query)
        return await self.send(auth, operation, "GET", url, Purpose.read, _headers(auth.access_token))

    async def post(
        self,
        auth: Auth,
        operation: str,
        path: str,
        body: Mapping[str, Any],
        *,
        purpose: Purpose = Purpose.stage,
        query: str = "",
    ) -> JSON:
        """Change something, with a JSON body."""
        url = self._url(auth.access_token, path, query)
        return await self.send(
            auth, operation, "POST", url, purpose, _json_headers(auth.access_token), content=encode_json(body)
        )

    async def delete(self, auth: Auth, operation: str, path: str, *, purpose: Purpose = Purpose.stage) -> JSON:
        """Remove something."""
        url = self._url(auth.access_token, path, "")
        return await self.send(auth, operation, "DELETE", url, purpose, _headers(auth.access_token))

    async def upload(
        self, auth: Auth, operation: str, path: str, form: Mapping[str, str], files: Mapping[str, Any]
    ) -> JSON:
        """Stage bytes, as multipart."""
        url = self._url(auth.access_token, path, "")
        total = transfer_seconds(sum(len(part[1]) for part in files.values()))
        return await self.send(
            auth,
            operation,
            "POST",
            url,
            Purpose.stage,
            _headers(auth.access_token),
            form=form,
            files=files,
            total=total,
        )

    async def send(
        self,
        auth: Auth,
        operation: str,
        method: str,
        url: str,
        purpose: Purpose,
        headers: Mapping[str, str],
        **rest: Any,
    ) -> JSON:
        """Make any call with this platform's error table and throttling applied."""
        answer = await self.http.call(
            operation, method, url, purpose=purpose, headers=headers, fault_of=self.fault_of, auth=auth, **rest
        )
        wait = usage_wait(answer.headers)
        if wait is not None:
            auth.pause(wait)
        if answer.fault is not None:
            self.refuse(answer, purpose, auth)
        data: JSON = answer.data
        return data

    def refuse(self, answer: Answer, purpose: Purpose, auth: Auth) -> NoReturn:
        raise self.decider.error(answer, purpose, auth)

    def _url(self, token: str, path: str, query: str) -> str:
        if self.proof_secret is not None and token:
            proof = f"appsecret_proof={secret_proof(self.proof_secret, token)}"
            query = f"{query}&{proof}" if query else proof
        return f"{self.base_url}{path}?{query}" if query else f"{self.base_url}{path}"


@lru_cache(maxsize=8192)
def _headers(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}", "accept": JSON_TYPE} if token else {"accept": JSON_TYPE}


@lru_cache(maxsize=8192)
def _json_headers(token: str) -> Mapping[str, str]:
    return {**_headers(token), "content-type": JSON_TYPE}


def transfer_seconds(size_bytes: int) -> float:
    """Return how long an upload may take: a minute, and more for what 250 kB/s could not carry in it."""
    return 60.0 + size_bytes / 250_000


def needed(data: JSON, key: str, title: str, purpose: Purpose) -> str:
    """Return a value that an accepted call always answers with; without it, a submit's outcome is unknown."""
    value = data.get(key)
    if value:
        return str(value)
    if purpose is Purpose.submit:
        raise unknown_outcome(title)
    raise RetryLater(f"{title} gave an incomplete answer. PostPilot tries again by itself.", code="platform_busy")


def next_page(data: JSON) -> str | None:
    """Return the query part that asks for the next page. Only the cursor is taken from the answer, never an address."""
    paging = data.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    after = (paging.get("cursors") or {}).get("after")
    if after is None:
        values = parse_qs(urlsplit(str(paging["next"])).query).get("after")
        after = values[0] if values else None
    return urlencode({"after": after}) if after else None


def graph_time(value: Any) -> datetime | None:
    """Parse the Graph's times (`2026-11-23T09:00:03+0000`) and Unix seconds."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, tz=UTC)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def rows_of(data: JSON) -> list[JSON]:
    """Return the objects under `data`."""
    rows = data.get("data")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _percent(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
