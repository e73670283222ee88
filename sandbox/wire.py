"""One HTTP exchange: what was asked, what is answered, and errors that carry an answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

    from sandbox.core import Sandbox
    from sandbox.records import Token

JSON_TYPE = "application/json; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    body: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    """Sent one by one instead of `body`, where an answer is a stream."""

    def with_headers(self, *headers: tuple[str, str]) -> Answer:
        """Return the same answer with more headers."""
        return Answer(self.body, self.status, self.content_type, (*self.headers, *headers), self.pieces)


def ok(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a JSON document."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(body, status, JSON_TYPE, tuple((headers or {}).items()))


class PlatformError(Exception):
    """A platform's error: raised anywhere below a handler, answered as it is."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body[:200])
        self.answer = answer


class BadBodyError(Exception):
    """The request body cannot be read as its content type says."""


@dataclass(slots=True)
class Call:
    """A request to a platform."""

    sandbox: Sandbox
    method: str
    path: str
    """Whole path, as asked."""
    segments: list[str]
    """Parts of the path behind the name of the platform; the first names the host it stands for."""
    query: dict[str, str]
    headers: dict[str, str]
    base_url: str
    receive: Receive
    body: bytes = b""
    params: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    token: Token | None = None
    account_id: str = ""
    version: str = ""
    node: str = ""
    usage: tuple[tuple[str, str], ...] = ()
    wanted: Any = None
    """What a test wants to be answered."""

    async def read(self) -> None:
        """Read the body and merge query, form or JSON object into `params`; raises `BadBodyError`."""
        self.params = dict(self.query)
        if self.method in ("GET", "HEAD"):
            return
        self.body = await read_body(self.receive)
        if not self.body:
            return
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            self.params |= self.json_object()
        elif kind == "application/x-www-form-urlencoded":
            self.params |= dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        elif kind == "multipart/form-data":
            await self._read_multipart()

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object."""
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise BadBodyError("not JSON") from error
        if not isinstance(document, dict):
            raise BadBodyError("not a JSON object")
        return document

    async def _read_multipart(self) -> None:
        async def stream() -> AsyncGenerator[bytes, None]:
            yield self.body

        parser = MultiPartParser(Headers(self.headers), stream(), max_part_size=len(self.body))
        try:
            form = await parser.parse()
        except (MultiPartException, KeyError) as error:
            raise BadBodyError("malformed multipart") from error
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                self.files[name] = await value.read()
            else:
                self.params[name] = value
        await form.close()


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A handler and the stable name of what it does, such as `instagram.publish`."""

    operation: str
    handler: Handler
    is_oauth: bool = False


def open_call(sandbox: Sandbox, scope: Scope, receive: Receive) -> Call:
    """Wrap an ASGI request to `/{platform}/{host}/…`."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(
        sandbox=sandbox,
        method=scope["method"],
        path=scope["path"],
        segments=[part for part in scope["path"].split("/")[2:] if part],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=headers,
        base_url=f"{headers.get('x-forwarded-proto', scope['scheme'])}://{headers.get('host', 'localhost')}",
        receive=receive,
    )


async def read_body(receive: Receive) -> bytes:
    """Read a request body to its end; a client that went away raises `ConnectionError`."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        parts += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(parts)
        message = await receive()


class DroppedError(Exception):
    """The connection is to be closed without an answer."""


async def body_pieces(receive: Receive) -> AsyncIterator[bytes]:
    """Give a request body as it arrives; a client that went away raises `ConnectionError`."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client went away")
        if message.get("body"):
            yield bytes(message["body"])
        if not message.get("more_body"):
            return


async def send_answer(send: Send, answer: Answer) -> None:
    """Write an answer to the connection."""
    headers = [(b"content-type", answer.content_type.encode("latin-1"))]
    if not answer.pieces:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for piece in answer.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": answer.body})
