"""Uploaded files: pictures and videos that posts use."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.api.deps import (
    CurrentUser,
    MediaLibraryDep,
    MediaRenditionsDep,
    MediaTakingDep,
    Page,
    PerPage,
    ReadingMediaLibraryDep,
)
from app.api.forms import receive_file
from app.api.problems import problems
from app.domain.errors import (
    MediaInUse,
    MediaNotFound,
    MediaRefused,
    MediaTooLarge,
    StorageFull,
    StoreAway,
    TooManyFixes,
)
from app.schemas.media import AssetPageRead, AssetRead, FixAsset, RenditionRead, UpdateAsset
from app.services.media.library import AssetPage
from app.storage.store import temporary_path

router = APIRouter(prefix="/media", tags=["media"])

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    operation_id="media_upload",
    openapi_extra=FORM,
    response_model=AssetRead,
    responses=problems(MediaTooLarge, MediaRefused, StorageFull, StoreAway),
)
async def upload(
    request: Request, response: Response, user: CurrentUser, taking: MediaTakingDep, library: ReadingMediaLibraryDep
) -> dict[str, Any]:
    """Upload a picture or a video in one go. Large ones are better sent to /media/uploads, where they can go on."""
    async with temporary_path(taking.folder) as path:
        file_name = await receive_file(request, path, max_bytes=taking.max_bytes, require_room=taking.require_room)
        asset = await taking.take(user.id, path, file_name=file_name)
    response.headers["Location"] = f"/api/v1/media/{asset.id}"
    return await library.get(user.id, asset.id)


@router.get("", operation_id="media_list", response_model=AssetPageRead, responses=problems())
async def list_assets(
    user: CurrentUser,
    library: ReadingMediaLibraryDep,
    kind: Annotated[Literal["image", "video"] | None, Query()] = None,
    page: Page = 1,
    per_page: PerPage = 20,
) -> AssetPage:
    """List uploaded files, newest first."""
    return await library.list_page(user.id, kind=kind, page=page, per_page=per_page)


@router.get("/{asset_id}", operation_id="media_get", response_model=AssetRead, responses=problems(MediaNotFound))
async def get_asset(asset_id: UUID, user: CurrentUser, library: ReadingMediaLibraryDep) -> dict[str, Any]:
    """Return a file with what every post type says to it, and what was made of it."""
    return await library.get(user.id, asset_id)


@router.patch("/{asset_id}", operation_id="media_update", response_model=AssetRead, responses=problems(MediaNotFound))
async def update_asset(
    asset_id: UUID, body: UpdateAsset, user: CurrentUser, library: MediaLibraryDep
) -> dict[str, Any]:
    """Change a file's name or the description for people who cannot see it."""
    return await library.update(user.id, asset_id, body.model_dump(exclude_unset=True))


@router.delete(
    "/{asset_id}", status_code=204, operation_id="media_delete", responses=problems(MediaNotFound, MediaInUse)
)
async def delete_asset(asset_id: UUID, user: CurrentUser, library: MediaLibraryDep) -> None:
    """Delete a file that no waiting post uses, and what was made of it."""
    await library.delete(user.id, asset_id)


@router.post(
    "/{asset_id}/fix",
    status_code=202,
    operation_id="media_fix",
    response_model=RenditionRead,
    responses=problems(MediaNotFound, TooManyFixes),
)
async def fix_asset(
    asset_id: UUID,
    body: FixAsset,
    user: CurrentUser,
    renditions: MediaRenditionsDep,
    library: ReadingMediaLibraryDep,
) -> dict[str, Any]:
    """Have a file made of this one that satisfies all targets at once."""
    targets = [(target.platform.value, target.post_type) for target in body.targets] if body.targets else None
    return library.view_rendition(await renditions.request(user.id, asset_id, targets=targets, fit=body.fit))


@router.get(
    "/{asset_id}/renditions/{rendition_id}",
    operation_id="media_get_rendition",
    response_model=RenditionRead,
    responses=problems(MediaNotFound),
)
async def get_rendition(
    asset_id: UUID,
    rendition_id: UUID,
    user: CurrentUser,
    renditions: MediaRenditionsDep,
    library: ReadingMediaLibraryDep,
) -> dict[str, Any]:
    """Return how far a fix is."""
    return library.view_rendition(await renditions.find(user.id, asset_id, rendition_id))
