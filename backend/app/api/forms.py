"""The one file of a multipart form, written to disk as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from app.domain.errors import FieldError, InvalidRequest, MediaTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

WRITE_BYTES = 1_000_000
"""How much is gathered before it is written: the most of a file that is in memory."""
HEADERS_MAX_BYTES = 8_192
PARTS_MAX = 16


class _Receiver:
    """Hears what the parser finds, and keeps the bytes of the field `file`."""

    def __init__(self) -> None:
        self.file_name: str | None = None
        self.waiting = bytearray()
        self.size = 0
        self.is_complete = False
        self._is_file = False
        self._parts = 0
        self._header_bytes = 0
        self._name = b""
        self._value = b""
        self._disposition = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self.on_part_begin,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_part_data": self.on_part_data,
            "on_part_end": self.on_part_end,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise FormParserError("too many parts")
        self._is_file, self._header_bytes, self._disposition = False, 0, b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += self._header(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._header(data[start:end])

    def _header(self, data: bytes) -> bytes:
        self._header_bytes += len(data)
        if self._header_bytes > HEADERS_MAX_BYTES:
            raise FormParserError("headers too long")
        return data

    def on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") == b"file" and b"filename" in options and self.file_name is None:
            self._is_file = True
            self.file_name = options[b"filename"].decode("utf-8", "replace").replace("\x00", "")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.waiting += data[start:end]
            self.size += end - start

    def on_part_end(self) -> None:
        self._is_file = False

    def on_end(self) -> None:
        self.is_complete = True


async def receive_file(request: Request, path: Path, *, max_bytes: int, require_room: Callable[[], None]) -> str:
    """Write the form's file to `path` and return its name; `require_room` is asked as it grows.

    Raises `MediaTooLarge`, `InvalidRequest`, and what `require_room` raises."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _unreadable("Send the file as multipart/form-data, in the field “file”.")
    receiver = _Receiver()
    parser = MultipartParser(options[b"boundary"], receiver.callbacks())
    try:
        with await asyncio.to_thread(path.open, "wb") as file:
            await _pump(request, parser, receiver, file, max_bytes, require_room)
    except (FormParserError, ClientDisconnect) as error:
        raise _unreadable("The form cannot be read. Send it again.") from error
    if receiver.file_name is None:
        raise _unreadable("There is no file in the form. Send it in the field “file”.")
    if not receiver.is_complete:
        raise _unreadable("The form ended too early. Send it again.")
    return receiver.file_name


async def _pump(
    request: Request,
    parser: MultipartParser,
    receiver: _Receiver,
    file: BinaryIO,
    max_bytes: int,
    require_room: Callable[[], None],
) -> None:
    await asyncio.to_thread(require_room)
    async for chunk in request.stream():
        parser.write(chunk)
        if receiver.size > max_bytes:
            raise MediaTooLarge(f"The file has more than the {max_bytes} bytes allowed. Make it smaller.")
        if len(receiver.waiting) >= WRITE_BYTES:
            full, receiver.waiting = receiver.waiting, bytearray()
            await asyncio.to_thread(file.write, full)
            await asyncio.to_thread(require_room)
    await asyncio.to_thread(file.write, receiver.waiting)


def _unreadable(sentence: str) -> InvalidRequest:
    return InvalidRequest([FieldError(("body", "file"), sentence, "file_required")])
