"""Byte upload in chunks. Source: content-posting-api-media-transfer-guide (2026-09-11)."""

from __future__ import annotations

import asyncio
import re
import secrets

from sandbox.core import Sandbox
from sandbox.media import append
from sandbox.records import Publish
from sandbox.tiktok.publishing import complete_upload
from sandbox.wire import Answer, Call, PlatformError, read_body

UPLOAD_URL_SECONDS = 3_600
"""Life of an upload URL, seconds (1 h). Source: content-posting-api-reference-direct-post."""

_TYPES = frozenset({"video/mp4", "video/quicktime", "video/webm"})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


async def put_chunk(call: Call) -> Answer:
    """`PUT {upload_url}`: the next chunk; 206 while more are expected, 201 after the last, when posting starts."""
    sandbox = call.sandbox
    publish = _task(call)
    if sandbox.clock.now() - publish.created_at > UPLOAD_URL_SECONDS:
        raise _plain(403, "upload_url expired")
    if "authorization" in call.headers:
        raise _plain(400, "no Authorization header is expected here")
    if call.headers.get("content-type", "") not in _TYPES:
        raise _plain(400, "Content-Type must be video/mp4, video/quicktime or video/webm")
    found = _RANGE.fullmatch(call.headers.get("content-range", ""))
    length = call.headers.get("content-length", "")
    if found is None or not length.isdecimal():
        raise _plain(400, "Content-Range and Content-Length are required")
    first, last, total = (int(part) for part in found.groups())
    if total != publish.size or last - first + 1 != int(length):
        raise _plain(400, "Content-Range does not fit the video or Content-Length")
    if first != publish.received or last != _expected_last(publish):
        raise PlatformError(_progress(publish, 416))
    data = await read_body(call.receive)
    if len(data) != int(length):
        raise _plain(400, "the body is shorter than Content-Length")
    if first != publish.received:
        raise PlatformError(_progress(publish, 416))
    await _store(sandbox, publish, data)
    return _progress(publish, 201 if publish.received == publish.size else 206)


async def _store(sandbox: Sandbox, publish: Publish, data: bytes) -> None:
    path = sandbox.settings.root / "uploads" / publish.upload_id
    at = publish.received
    # Counted before it is written, so that the same chunk sent twice at once is refused.
    publish.received += len(data)
    await asyncio.to_thread(append, path, data, at)
    if publish.received == publish.size:
        complete_upload(sandbox, publish, await sandbox.library.keep_file(path))
    sandbox.state.publishes.put(publish)


def _task(call: Call) -> Publish:
    publish = call.sandbox.state.by_upload.get(call.query.get("upload_id", ""))
    if publish is None or not secrets.compare_digest(publish.upload_token, call.query.get("upload_token", "")):
        raise _plain(404, "no such upload task")
    return publish


def _expected_last(publish: Publish) -> int:
    """Return the last byte of the next chunk; the last chunk takes the remainder."""
    index = publish.received // publish.chunk_size
    return (publish.size if index >= publish.chunk_count - 1 else publish.received + publish.chunk_size) - 1


def _progress(publish: Publish, status: int) -> Answer:
    content_range = f"bytes 0-{publish.received}/{publish.size}"
    return Answer(b"", status, "text/plain; charset=utf-8", (("content-range", content_range),))


def _plain(status: int, text: str) -> PlatformError:
    return PlatformError(Answer(text.encode(), status, "text/plain; charset=utf-8"))
