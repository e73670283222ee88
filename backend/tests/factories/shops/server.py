"""A web server of a shop: counts what it is asked, fails when it is told to, and lets things happen between pages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_seconds: float = 0.0

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class ShopServer:
    """Serves on the one local address that may be fetched from in tests."""

    def __init__(self, address: str = "127.0.0.2") -> None:
        self.asked: list[Asked] = []
        self._replies: list[tuple[str, Reply]] = []
        self._events: list[tuple[str, int, Callable[[], None]]] = []
        self._lock = threading.Lock()
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = shop.reply(Asked(self.command, parts.path, query, headers, self.rfile.read(length)))
                time.sleep(reply.pause_seconds)
                content = reply.content()
                with suppress(ConnectionError):
                    self.send_response(reply.status)
                    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name is the server's

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{address}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            self._happen(asked)
            for index, (path, reply) in enumerate(self._replies):
                if path in asked.path:
                    del self._replies[index]
                    return reply
            return self.answer(asked)

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def instead(self, path: str, *replies: Reply) -> None:
        """Answer the next requests whose path contains `path` in these ways, once each."""
        self._replies += [(path, reply) for reply in replies]

    def before(self, path: str, number: int, action: Callable[[], None]) -> None:
        """Do something just before the n-th request (from 1) of a path is answered."""
        self._events.append((path, number, action))

    def _happen(self, asked: Asked) -> None:
        count = sum(1 for known in self.asked if known.path == asked.path)
        for path, number, action in self._events:
            if path == asked.path and number == count:
                action()

    def count(self, path: str) -> int:
        return sum(1 for asked in self.asked if path in asked.path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
