"""What media endpoints take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from app.domain.vocabulary import Platform
from app.schemas.common import Body, Read, Storable
from app.schemas.posts import MediaRead

FileName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Storable]
AltText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), Storable]
Fit = Literal["crop", "pad"]


class UpdateAsset(Body):
    """A field left out is unchanged; `alt_text: null` clears it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"alt_text": "A blue mug on a wooden table"}]})
    file_name: FileName | None = None
    alt_text: AltText | None = None

    @field_validator("file_name", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("This field cannot be null. Leave it out to keep it as it is")
        return value


class TargetRead(Body):
    """A post type of a platform."""

    platform: Platform
    post_type: Annotated[str, StringConstraints(min_length=1, max_length=32)]


class FixAsset(Body):
    """What the file is to fit, all at once. Without `targets`: every post type that it can be made to fit."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"targets": [{"platform": "instagram", "post_type": "image"}], "fit": "crop"}, {}]
        }
    )
    targets: Annotated[list[TargetRead], Field(min_length=1, max_length=50)] | None = None
    fit: Fit = "pad"


class VerdictProblem(Read):
    code: str
    message: str


class VerdictRead(Read):
    """What one post type of one platform says to the file."""

    platform: Platform
    post_type: str
    ok: bool
    problems: list[VerdictProblem]
    fix_possible: bool


class RenditionRead(Read):
    """A file made of an asset. Facts and addresses are null until it is ready."""

    id: UUID
    asset_id: UUID
    targets: list[TargetRead]
    fit: Fit
    status: Literal["pending", "running", "ready", "failed"]
    progress: int
    error_code: str | None
    error_message: str | None
    url: str | None
    preview_url: str | None
    mime_type: str
    size_bytes: int | None
    width_px: int | None
    height_px: int | None
    duration_seconds: float | None
    codec: str | None
    frame_rate: float | None
    audio_codec: str | None
    color_space: str | None
    created_at: datetime


class AssetRead(MediaRead):
    """An uploaded file. `url` goes into a post's `media_urls`; `preview_url` opens it for two days."""

    id: UUID
    file_name: str
    sha256: str
    preview_url: str
    verdicts: list[VerdictRead]
    renditions: list[RenditionRead]
    created_at: datetime
    last_used_at: datetime


class AssetPageRead(Read):
    items: list[AssetRead]
    total: int
    page: int
    per_page: int
