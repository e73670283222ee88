"""One connection that hears what PostgreSQL notifies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

CONNECT_SECONDS = 10.0


class Ears:
    """Opens connections that listen. Unlike those of the pool they stay open, one for each process that needs it."""

    def __init__(self, dsn: str, *, application_name: str) -> None:
        self._dsn = dsn.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._application_name = application_name

    @asynccontextmanager
    async def listening(self, channel: str, heard: Callable[[], None]) -> AsyncIterator[asyncpg.Connection]:
        """Call `heard` for every notification while the block runs. Raises `OSError`, `asyncpg.PostgresError`."""
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_SECONDS,
            server_settings={"application_name": self._application_name},
        )

        def note(*_arguments: object) -> None:
            heard()

        try:
            await connection.add_listener(channel, note)
            yield connection
        finally:
            connection.terminate()
