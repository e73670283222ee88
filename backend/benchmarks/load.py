"""A small load generator: raw sockets, kept open, so that it takes little from the machine it shares."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    bytes_per_answer: int


async def load(port: int, path: str, *, token: str, connections: int, seconds: float) -> Load:
    """Ask for one path over and over on some connections. Raises `RuntimeError` for any answer but 200."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n"
    ).encode()
    times: list[float] = []
    sizes: set[int] = set()
    stop = time.perf_counter() + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < stop:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.split(b"\r\n")[0].decode())
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
            sizes.add(length)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    elapsed = time.perf_counter() - began
    times.sort()
    return Load(
        requests_per_second=round(len(times) / elapsed, 1),
        p50_ms=round(times[len(times) // 2] * 1000, 1),
        p99_ms=round(times[int(len(times) * 0.99)] * 1000, 1),
        bytes_per_answer=max(sizes),
    )
