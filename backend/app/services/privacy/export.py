"""Everything that is kept of one person, as a zip: a JSON file for each kind of thing, and the uploaded files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.kit.clock import Clock
from app.repositories.export_repository import ExportRepository, exported_tables
from app.storage.store import FileMissing, Store, StoreUnavailable

log = structlog.get_logger()

PAGE = 500
README = """This is everything that PostPilot keeps of you, except for secrets (passwords, keys and tokens are kept
encrypted or as digests, and stay here). One JSON file for each kind of thing; the files that you uploaded are in media/
under their ids.
"""


class PersonalExport:
    """Reads in pages, each in a short transaction of its own: a slow download keeps nothing open."""

    def __init__(self, *, reading: Sessions, store: Store, clock: Clock) -> None:
        self._reading = reading
        self._store = store
        self._clock = clock

    async def stream(self, user_id: UUID) -> AsyncIterator[bytes]:
        """Give the archive in pieces, as it is written."""
        sink = _Sink()
        moment = self._clock().timetuple()[:6]
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry("README.txt", moment), README)
            for table in exported_tables():
                with archive.open(_entry(f"{table}.json", moment), "w", force_zip64=True) as entry:
                    async for piece in self._rows(user_id, table):
                        entry.write(piece)
                        yield sink.take()
            async for asset_id, name, key in self._files(user_id):
                info = zipfile.ZipInfo(f"media/{asset_id}/{name}", moment)  # stored as it is: media do not shrink
                with archive.open(info, "w", force_zip64=True) as entry:
                    async for piece in self._content(key):
                        entry.write(piece)
                        yield sink.take()
        yield sink.take()

    async def _rows(self, user_id: UUID, table: str) -> AsyncIterator[bytes]:
        last: tuple[Any, ...] | None = None
        written = 0
        yield b"["
        while True:
            async with self._reading() as session:
                rows, last = await ExportRepository(session).page(user_id, table, after=last, limit=PAGE)
            for row in rows:
                text = json.dumps(row, ensure_ascii=False, default=_plain)
                yield (",\n" if written else "\n").encode() + text.encode("utf-8", "replace")
                written += 1
            if len(rows) < PAGE:
                break
        yield b"\n]\n"

    async def _files(self, user_id: UUID) -> AsyncIterator[tuple[UUID, str, str]]:
        last: UUID | None = None
        while True:
            async with self._reading() as session:
                found = await ExportRepository(session).files(user_id, after=last, limit=PAGE)
            for one in found:
                yield one
            if len(found) < PAGE:
                return
            last = found[-1][0]

    async def _content(self, key: str) -> AsyncIterator[bytes]:
        """Give a file's bytes; one that the store has lost is left empty and logged."""
        try:
            async for piece in self._store.stream(key, 0, await self._store.size(key)):
                yield piece
        except (FileMissing, StoreUnavailable, OSError) as error:
            log.warning("export.file_left_out", error=type(error).__name__)


class _Sink(io.RawIOBase):
    """Takes what the archive writes until it is passed on."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _entry(name: str, moment: Any) -> zipfile.ZipInfo:
    """Return an entry that is compressed: a `ZipInfo` of one's own does not take the archive's way."""
    info = zipfile.ZipInfo(name, moment)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(type(value).__name__)
