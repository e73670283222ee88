"""Resumable uploads by tus 1.0: creation (with or without the first bytes), termination, expiration, checksums.

Protocol: https://tus.io/protocols/resumable-upload, version 1.0.0, read 2026-11-24.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from email.utils import format_datetime
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import ClientDisconnect

from app.api.deps import ContainerDep, CurrentUser, MediaUploadsDep
from app.api.problems import problems
from app.domain.errors import (
    FieldError,
    InvalidRequest,
    MediaRefused,
    MediaTooLarge,
    StorageFull,
    StoreAway,
    TooManyUploads,
    TusVersionUnsupported,
    UploadBusy,
    UploadChecksumMismatch,
    UploadNotFound,
    UploadOffsetConflict,
    UploadTypeUnsupported,
)
from app.services.media.uploads import CHECKSUMS, UploadState

VERSION = "1.0.0"
BYTES = "application/offset+octet-stream"
TUS = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}
WRITING = (
    MediaRefused, MediaTooLarge, UploadNotFound, UploadOffsetConflict, UploadBusy, UploadTypeUnsupported,
    UploadChecksumMismatch, TusVersionUnsupported, StorageFull, StoreAway,
)  # fmt: skip

router = APIRouter(prefix="/media/uploads", tags=["media"])


async def speaks_tus(request: Request) -> None:
    """Raises `TusVersionUnsupported`."""
    if request.headers.get("tus-resumable") != VERSION:
        raise TusVersionUnsupported(headers={"Tus-Version": VERSION, **TUS})


SpeaksTus = Depends(speaks_tus)


@router.options("", status_code=204, operation_id="media_uploads_discover")
async def discover(container: ContainerDep) -> Response:
    """Say which version and extensions of tus are spoken, and how large an upload may be."""
    return Response(
        status_code=204,
        headers={
            **TUS,
            "Tus-Version": VERSION,
            "Tus-Extension": "creation,creation-with-upload,termination,expiration,checksum",
            "Tus-Max-Size": str(container.media_uploads.max_bytes),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        },
    )


@router.post(
    "",
    status_code=201,
    operation_id="media_uploads_create",
    dependencies=[SpeaksTus],
    responses=problems(*WRITING, TooManyUploads),
)
async def create(request: Request, user: CurrentUser, uploads: MediaUploadsDep) -> Response:
    """Begin an upload: `Upload-Length`, and `Upload-Metadata` with `filename`. The body may be its first bytes."""
    size = _number(request, "upload-length")
    has_body = request.headers.get("content-type", "") == BYTES
    if not has_body and request.headers.get("content-length", "0") != "0":
        raise UploadTypeUnsupported(headers=TUS)
    upload = await uploads.create(user.id, size=size, file_name=_file_name(request))
    state = UploadState(upload, 0, None)
    if has_body:
        state = await uploads.append(
            user.id, upload.id, offset=0, pieces=_arriving(request), checksum=_checksum(request)
        )
    location = {"Location": f"{request.url.path.rstrip('/')}/{upload.id}"}
    return Response(status_code=201, headers={**_state(state), **location})


@router.head(
    "/{upload_id}",
    operation_id="media_uploads_look",
    dependencies=[SpeaksTus],
    responses=problems(UploadNotFound, MediaRefused, MediaTooLarge, UploadBusy, TusVersionUnsupported, StoreAway),
)
async def look(upload_id: UUID, user: CurrentUser, uploads: MediaUploadsDep) -> Response:
    """Say how much of an upload is there."""
    state = await uploads.look(user.id, upload_id)
    return Response(headers={**_state(state), "Upload-Length": str(state.upload.size_bytes)})


@router.patch(
    "/{upload_id}",
    status_code=204,
    operation_id="media_uploads_append",
    dependencies=[SpeaksTus],
    responses=problems(*WRITING),
)
async def append(request: Request, upload_id: UUID, user: CurrentUser, uploads: MediaUploadsDep) -> Response:
    """Go on with an upload at `Upload-Offset`. The answer to the last byte names the file in `Upload-Asset`."""
    if request.headers.get("content-type", "") != BYTES:
        raise UploadTypeUnsupported(headers=TUS)
    offset = _number(request, "upload-offset")
    state = await uploads.append(
        user.id, upload_id, offset=offset, pieces=_arriving(request), checksum=_checksum(request)
    )
    return Response(status_code=204, headers=_state(state))


@router.delete(
    "/{upload_id}",
    status_code=204,
    operation_id="media_uploads_end",
    dependencies=[SpeaksTus],
    responses=problems(UploadNotFound, TusVersionUnsupported),
)
async def end(upload_id: UUID, user: CurrentUser, uploads: MediaUploadsDep) -> Response:
    """Give an upload up."""
    await uploads.end(user.id, upload_id)
    return Response(status_code=204, headers=TUS)


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    """Give the bytes as they come. A sender that is lost has sent all that it will: what arrived counts."""
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        return


def _state(state: UploadState) -> dict[str, str]:
    headers = {**TUS, "Upload-Offset": str(state.offset)}
    if state.asset_id is None:
        headers["Upload-Expires"] = format_datetime(state.upload.expires_at, usegmt=True)
    else:
        headers |= {"Upload-Asset": str(state.asset_id), "Content-Location": f"/api/v1/media/{state.asset_id}"}
    return headers


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not re.fullmatch(r"\d{1,15}", text):
        raise _wrong(name, "Send a number of bytes.")
    return int(text)


def _file_name(request: Request) -> str:
    """Read `filename` of the metadata: pairs of a name and Base64, separated by commas."""
    for pair in request.headers.get("upload-metadata", "").split(","):
        name, _, encoded = pair.strip().partition(" ")
        if name in ("filename", "name"):
            try:
                return base64.b64decode(encoded, validate=True).decode("utf-8").replace("\x00", "")[:255] or "upload"
            except (binascii.Error, UnicodeDecodeError) as error:
                raise _wrong("upload-metadata", "The values of the metadata are Base64 of UTF-8.") from error
    return "upload"


def _checksum(request: Request) -> tuple[str, bytes] | None:
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise _wrong("upload-checksum", "The checksum is Base64.") from error
    if algorithm not in CHECKSUMS:
        raise _wrong("upload-checksum", f"Use one of: {', '.join(CHECKSUMS)}.")
    return algorithm, digest


def _wrong(name: str, sentence: str) -> InvalidRequest:
    return InvalidRequest([FieldError(("header", name), sentence, "invalid_header")])
