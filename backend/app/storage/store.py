"""Where uploaded files and renditions are kept, under keys of ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

PIECE_BYTES = 256 * 1024
"""How much of a file is in memory at once while it is passed on."""


class StoreUnavailable(Exception):
    """The place where files are kept does not answer. The file is not lost."""


class FileMissing(Exception):
    """There is no file under this key."""


class Store(Protocol):
    """Keeps whole files. Every method raises `StoreUnavailable` when the store does not answer."""

    async def keep(self, key: str, path: Path) -> None:
        """Take a file over; it is gone from `path` afterwards, and complete under its key or not there at all."""
        ...

    def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Give the bytes from `start` up to, not including, `end` in small pieces. Raises `FileMissing`."""
        ...

    async def size(self, key: str) -> int:
        """Return a file's size in bytes. Raises `FileMissing`."""
        ...

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Lend a path under which the file can be read meanwhile. Raises `FileMissing`."""
        ...

    async def remove(self, key: str) -> None:
        """Remove a file; one that is gone already is fine."""
        ...


class DiskStore:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, key: str) -> Path:
        return self._folder / key

    async def keep(self, key: str, path: Path) -> None:
        await asyncio.to_thread(_take_over, path, self._path(key))

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        async for piece in stream_path(self._path(key), start, end):
            yield piece

    async def size(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        except FileNotFoundError as error:
            raise FileMissing(key) from error

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        await self.size(key)
        yield self._path(key)

    async def remove(self, key: str) -> None:
        path = self._path(key)
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _take_over(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(target)
    except OSError:  # another file system
        beside = target.with_name(target.name + ".part")
        shutil.copyfile(path, beside)
        beside.replace(target)
        path.unlink()
    for one in (target, target.parent):
        sync(one)


@asynccontextmanager
async def second_name(path: Path) -> AsyncIterator[Path]:
    """Lend another name of the same file, to give away: the file stays under its first one."""
    second = path.with_name(path.name + ".kept")
    await asyncio.to_thread(_name_again, path, second)
    try:
        yield second
    finally:
        discard(second)


def _name_again(path: Path, second: Path) -> None:
    discard(second)
    try:
        second.hardlink_to(path)
    except OSError:  # a file system without them
        shutil.copyfile(path, second)


def discard(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file or folder would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def stream_path(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """Give a part of a file on disk in small pieces. Raises `FileMissing`."""
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError as error:
        raise FileMissing(path.name) from error
    with file:
        file.seek(start)
        left = end - start
        while left > 0 and (piece := await asyncio.to_thread(file.read, min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece


@asynccontextmanager
async def temporary_path(folder: Path) -> AsyncIterator[Path]:
    """Lend a path for a file that is removed afterwards, if it is still there."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    descriptor, name = await asyncio.to_thread(tempfile.mkstemp, dir=folder)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        discard(path)
