"""Files that platforms fetch from us. Outside /api/v1: no sign-in, an unguessable address instead."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from app.api.deps import MediaServiceDep
from app.domain.errors import MediaNotFound
from app.storage.own import LOANS_PATH, SAMPLES_PATH, OwnFiles

router = APIRouter(include_in_schema=False)
TYPES = {".jpg": "image/jpeg", ".mp4": "video/mp4"}


@router.api_route(SAMPLES_PATH + "{name}", methods=["GET", "HEAD"])
async def sample(name: str) -> FileResponse:
    """Serve a sample file, in ranges if asked."""
    path = OwnFiles.sample(name)
    if path is None:
        raise MediaNotFound
    return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": "public, max-age=3600"})


@router.api_route(LOANS_PATH + "{token}/{name}", methods=["GET", "HEAD"])
async def loan(request: Request, token: str, name: str, media: MediaServiceDep) -> FileResponse:
    """Serve a file lent to one submission, and remember when it was read to its end."""
    lent, path = await media.find_loan(token)
    size = path.stat().st_size
    whole = request.method == "GET" and _reaches_end(request.headers.get("range"), size)
    return FileResponse(
        path,
        media_type=lent.mime_type,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(media.note_fetched, token) if whole else None,
    )


def _reaches_end(header: str | None, size: int) -> bool:
    """Whether a request covers the last byte: a platform that reads in pieces has the file when it has that one."""
    if header is None:
        return True
    _, _, last = header.partition("=")[2].rpartition("-")
    return not last.isdigit() or int(last) >= size - 1
