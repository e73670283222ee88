"""Files that platforms fetch from us. Outside /api/v1: no sign-in, an unguessable address instead."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.api.deps import MediaServingDep
from app.api.ranged import respond
from app.domain.errors import MediaNotFound
from app.storage.addresses import SIGNED_PATH
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


@router.api_route(SIGNED_PATH + "{file_id}/{expires}/{signature}/{name}", methods=["GET", "HEAD"])
async def signed(
    request: Request, file_id: UUID, expires: int, signature: str, name: str, serving: MediaServingDep
) -> Response:
    """Serve an uploaded file to whoever was given its signed address, until that expires."""
    file = await serving.signed(file_id, expires, signature, name)
    return respond(request, file, {"Cache-Control": "private, max-age=3600"})


@router.api_route(LOANS_PATH + "{token}/{name}", methods=["GET", "HEAD"])
async def loan(request: Request, token: str, name: str, serving: MediaServingDep) -> Response:
    """Serve a file lent to one submission; that it was asked for is written down before the first byte leaves.

    What was never asked for cannot have been published: that is what a lost answer is decided by.
    """
    file = await serving.loan(token)
    if request.method == "GET":
        await serving.note_fetched(token)
    return respond(request, file, {"Cache-Control": "no-store"})
