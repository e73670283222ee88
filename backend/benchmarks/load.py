"""A small load generator: raw sockets, kept open, so that it takes little from the machine it shares."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Load:
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    bytes_per_answer: int


class _Asker(asyncio.Protocol):
    """Asks again as soon as an answer is complete. Counts bytes rather than keeping them."""

    def __init__(self, request: bytes, stop_at: float) -> None:
        self.request = request
        self.stop_at = stop_at
        self.times: list[float] = []
        self.sizes: set[int] = set()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._head = b""
        self._began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(RuntimeError(head.split(b"\r\n")[0].decode()))
                self.transport.close()
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self.sizes.add(length)
            self._missing = length - len(body)
        else:
            self._missing -= len(data)
        if not self._missing:
            now = time.perf_counter()
            self.times.append(now - self._began)
            if now < self.stop_at:
                self._ask()
            else:
                self.done.set_result(None)
                self.transport.close()


async def load(port: int, path: str, *, token: str, connections: int, seconds: float) -> Load:
    """Ask for one path over and over on some connections. Raises `RuntimeError` for any answer but 200."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n"
    ).encode()
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    askers = []
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: _Asker(request, began + seconds), "127.0.0.1", port)
        askers.append(asker)
    await asyncio.gather(*(asker.done for asker in askers))
    elapsed = time.perf_counter() - began
    times = sorted(one for asker in askers for one in asker.times)
    return Load(
        requests_per_second=round(len(times) / elapsed, 1),
        p50_ms=round(times[len(times) // 2] * 1000, 1),
        p99_ms=round(times[int(len(times) * 0.99)] * 1000, 1),
        bytes_per_answer=max(size for asker in askers for size in asker.sizes),
    )
