"""Servers in threads, and a media host whose files are good, bad or odd."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def in_thread(server: uvicorn.Server) -> Iterator[None]:
    """Run a server while the block runs."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


def picture(form: str = "JPEG", size: tuple[int, int] = (1080, 1080), color: str = "#ec4899") -> bytes:
    """Return an image."""
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, form)
    return buffer.getvalue()


class MediaHost:
    """Serves files with HEAD and Range; notes every request."""

    def __init__(self, folder: Path) -> None:
        self.vertical = (folder / "vertical.mp4").read_bytes()
        self.reel = (folder / "reel.mp4").read_bytes()
        self.files: dict[str, tuple[str, bytes]] = {
            "square.jpg": ("image/jpeg", picture()),
            "tall.jpg": ("image/jpeg", picture(size=(1080, 1350), color="#1e293b")),
            "nine16.jpg": ("image/jpeg", picture(size=(1080, 1920))),
            "square.png": ("image/png", picture("PNG")),
            "huge.jpg": ("image/jpeg", picture() + b"\0" * 8_400_000),
            "text.html": ("text/html", b"<title>Our shop</title>"),
            "liar.jpg": ("image/jpeg", b"not an image at all"),
            "vertical.mp4": ("video/mp4", self.vertical),
            "norange.mp4": ("video/mp4", self.vertical),
            "broken.mp4": ("video/mp4", self.vertical[:64] + b"\0" * 5_000),
        }
        self.requests: list[tuple[str, str, str, str]] = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> MediaHost:
        config = uvicorn.Config(
            self._app, port=self.port, log_level="error", lifespan="off", ws="none", interface="asgi3"
        )
        self._stack.enter_context(in_thread(uvicorn.Server(config)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"].lstrip("/")
        headers = dict(scope["headers"])
        agent, wanted = headers.get(b"user-agent", b"").decode(), headers.get(b"range", b"").decode()
        self.requests.append((scope["method"], name, agent, wanted))
        answer: list[tuple[bytes, bytes]] = []
        status, body = 404, b""
        if name == "moved.jpg":
            status, answer = 302, [(b"location", b"/square.jpg")]
        elif name in self.files:
            kind, body = self.files[name]
            status = 206 if wanted and name != "norange.mp4" else 200
            answer = [(b"content-type", kind.encode()), (b"etag", f'"{len(body)}"'.encode())]
        answer.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
