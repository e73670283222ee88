"""Bytes of a video on their way to a container. Source: Content Publishing › Resumable Uploads (Facebook Login)."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox.instagram.access import BASIC, PUBLISH, account_of
from sandbox.instagram.containers import take_upload
from sandbox.media import append
from sandbox.meta.errors import missing_object
from sandbox.wire import Answer, Call, DroppedError, PlatformError, body_pieces, ok


async def receive(call: Call) -> Answer:
    """`POST /ig-api-upload/{version}/{container}` with the bytes from `offset` on."""
    call.params = dict(call.query)
    if not call.headers.get("authorization", "").startswith("OAuth "):
        raise _error("NotAuthorizedError", "The Authorization header must be OAuth with an access token", 401)
    account_id = account_of(call, BASIC, PUBLISH)
    sandbox = call.sandbox
    container = sandbox.state.containers.get(call.node)
    if container is None or container.account_id != account_id or not container.is_upload:
        raise missing_object(call.node)
    offset, size = call.headers.get("offset", ""), call.headers.get("file_size", "")
    if not offset.isdecimal() or not size.isdecimal() or int(size) == 0:
        raise _error("InvalidHeaderError", "The headers offset and file_size are required")
    if container.size not in (0, int(size)):
        raise _error("InvalidHeaderError", "file_size differs from the one sent before")
    if container.media or int(offset) != container.received:
        raise _error("OffsetInvalidError", f"Request starting offset is invalid, expected {container.received}")
    if call.headers.get("content-length") != str(int(size) - int(offset)):
        raise _error("InvalidHeaderError", "content-length does not fit offset and file_size")
    container.size = int(size)
    path = sandbox.settings.root / "uploads" / container.id
    async for data in body_pieces(call.receive):  # what arrives is kept, also when the connection breaks
        at = container.received
        container.received += len(data)
        await asyncio.to_thread(append, path, data, at)
        sandbox.state.containers.put(container)
        if sandbox.faults.take("drop_inside", account_id):
            raise DroppedError
    if container.received != container.size:
        raise _error("PartialRequestError", f"Received {container.received} of {container.size} bytes")
    facts = await sandbox.library.keep_file(path)
    take_upload(sandbox, container, facts)
    sandbox.state.containers.put(container)
    if container.error_subcode:
        raise _error("ProcessingFailedError", "Request processing failed")
    return ok({"success": True, "message": "Upload successful."})


def _error(kind: str, message: str, status: int = 400) -> PlatformError:
    retriable = kind in ("OffsetInvalidError", "PartialRequestError")
    debug: dict[str, Any] = {"retriable": retriable, "type": kind, "message": message}
    return PlatformError(ok({"debug_info": debug}, status))
