"""Files in a bucket of any service that speaks S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from app.storage.store import PIECE_BYTES, FileMissing, StoreUnavailable, temporary_path

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_BYTES = 8 * 1024 * 1024
"""Size of the parts a large file is sent in. S3 wants at least 5 MiB and at most 10 000 parts."""
PARTS_AT_ONCE = 2


@dataclass(frozen=True)
class S3Config:
    endpoint_url: str
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    prefix: str = ""


class S3Store:
    """Files in a bucket."""

    def __init__(self, config: S3Config, *, scratch: Path) -> None:
        self._scratch = scratch
        self._bucket = Bucket(
            config.bucket,
            prefix=config.prefix.strip("/") or None,
            endpoint=config.endpoint_url or None,
            region=config.region,
            access_key_id=config.access_key_id,
            secret_access_key=config.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": config.endpoint_url.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=120),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )

    async def keep(self, key: str, path: Path) -> None:
        with _told():
            await obstore.put_async(self._bucket, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
        await asyncio.to_thread(path.unlink)

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        if end <= start:
            return
        with _told():
            found = await obstore.get_async(self._bucket, key, options={"range": (start, end)})
            async for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    async def size(self, key: str) -> int:
        with _told():
            return int((await obstore.head_async(self._bucket, key))["size"])

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        size = await self.size(key)
        async with temporary_path(self._scratch) as path:
            with path.open("wb") as file:
                async for piece in self.stream(key, 0, size):
                    file.write(piece)
            yield path

    async def remove(self, key: str) -> None:
        try:
            with _told():
                await obstore.delete_async(self._bucket, key)
        except FileMissing:
            return


@contextmanager
def _told() -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileMissing(str(error)) from error
    except (BaseError, OSError) as error:
        raise StoreUnavailable(type(error).__name__) from error
