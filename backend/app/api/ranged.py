"""A file as an answer: whole or one range of it, in small pieces, from wherever it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from app.services.media.serving import ServedFile

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def respond(request: Request, file: ServedFile, headers: Mapping[str, str]) -> Response:
    """Answer GET or HEAD. Several ranges at once, and ranges that no file could have, are answered with the
    whole file, as HTTP allows."""
    sent = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": "inline",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        **headers,
    }
    span = _span(request.headers.get("range"), file.size)
    if span is not None and span[0] >= span[1]:
        refused = {**sent, "Content-Range": f"bytes */{file.size}"}
        return Response(status_code=416, headers=refused)
    start, end = span or (0, file.size)
    if span is not None:
        sent["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    sent["Content-Length"] = str(end - start)
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=sent, media_type=file.mime_type)
    return StreamingResponse(file.stream(start, end), status, sent, file.mime_type)


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the part that is asked for, as start and end; `None` for all of it, an empty part for one that is not
    there."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return (max(0, size - int(found[2])), size) if int(found[2]) else (size, size)
    start = int(found[1])
    end = min(size, int(found[2]) + 1) if found[2] else size
    return (start, end) if start < end else (size, size)
