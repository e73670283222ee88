"""A receiver of webhooks: a real HTTP server that checks signatures, and that can be down, slow or unwilling."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Got:
    """One request, as it came."""

    webhook_id: str
    payload: dict[str, Any]
    headers: dict[str, str]
    body: str
    status: int

    @property
    def subject(self) -> str:
        return str(self.payload["data"]["id"])

    @property
    def type(self) -> str:
        return str(self.payload["type"])


@dataclass
class HookReceiver:
    """Listens on an address that the tests allow. `answer` decides by the payload."""

    address: str = "127.0.0.3"
    answer: Callable[[dict[str, Any]], int] = lambda _payload: 204
    headers: dict[str, str] = field(default_factory=dict)
    says: bytes = b""
    delay_seconds: float = 0.0
    got: list[Got] = field(default_factory=list)
    port: int = 0
    most_at_once: int = 0
    _server: ThreadingHTTPServer | None = None
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}/hooks"

    def start(self) -> None:
        """Begin to listen, on the same port as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with receiver._lock:
                    receiver._running += 1
                    receiver.most_at_once = max(receiver.most_at_once, receiver._running)
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                payload = json.loads(body)
                status = receiver.answer(payload)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(headers["webhook-id"], payload, headers, body, status))
                time.sleep(receiver.delay_seconds)
                with receiver._lock:
                    receiver._running -= 1
                with suppress(ConnectionError):  # who has waited long enough hangs up
                    self.send_response(status)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(receiver.says)))
                    self.end_headers()
                    self.wfile.write(receiver.says)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer((self.address, self.port), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def taken(self) -> list[Got]:
        return [one for one in self.got if one.status < 300]


def is_signed(got: Got, secret: str) -> bool:
    """Whether the signature fits, whatever the time is."""
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
    return got.headers["webhook-signature"] == Webhook(secret).sign(got.webhook_id, at, got.body)
