"""uvicorn with one addition: an application can close the connection without answering."""

from __future__ import annotations

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.app import CLOSE_EXTENSION, App
from sandbox.settings import Settings


class _Protocol(HttpToolsProtocol):
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CLOSE_EXTENSION: {"close": self.transport.close}}


def make_server(settings: Settings, *, log_level: str = "warning") -> uvicorn.Server:
    """Return a server that is ready to run."""
    config = uvicorn.Config(
        App(settings),
        host=settings.host,
        port=settings.port,
        http=_Protocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        proxy_headers=False,
        access_log=False,
        log_level=log_level,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)
