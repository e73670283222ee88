"""What queue endpoints take and return."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.domain.vocabulary import Platform, QueueStatus
from app.schemas.common import Body, Moment, Read, Storable
from app.schemas.posts import Content, Hashtags, MediaUrls, Options

PRODUCT_MAX_CHARS = 50_000
BULK_MAX = 1000


def _product(value: dict[str, Any]) -> dict[str, Any]:
    title = value.get("title")
    if not isinstance(title, str) or not title.strip():
        raise ValueError("A product needs a title")
    if len(json.dumps(value)) > PRODUCT_MAX_CHARS:
        raise ValueError(f"The product's data are longer than {PRODUCT_MAX_CHARS} characters")
    return value


ProductData = Annotated[dict[str, Any], Storable, AfterValidator(_product)]
Tone = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
Instruction = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), Storable]
FindingId = Annotated[str, StringConstraints(max_length=500)]
Platforms = Annotated[list[Platform], Field(max_length=20)]

PRODUCT_EXAMPLE: dict[str, Any] = {
    "title": "Blue stoneware mug",
    "description": "Thrown by hand and glazed twice. Holds 350 ml and may go into the dishwasher.",
    "price": "24.00",
    "currency": "EUR",
    "image_url": "https://shop.example/mug.jpg",
    "url": "https://shop.example/mug",
}


class CreateItem(Body):
    """A product for the queue. `product_data` may hold more fields than these; captions may use them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"product_data": PRODUCT_EXAMPLE, "platforms": ["instagram", "facebook"]}]},
    )

    product_data: ProductData
    platforms: Platforms


class CaptionBody(Body):
    """What is changed by hand; a field left out stays as it is."""

    caption: Content | None = None
    hashtags: Hashtags | None = None


class UpdateItem(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"captions": {"instagram": {"caption": "Blue mugs are back.", "hashtags": ["mug", "stoneware"]}}}
            ]
        }
    )
    captions: dict[Platform, CaptionBody] = Field(default_factory=dict)
    product_data: ProductData | None = None
    platforms: Platforms | None = None


class Generate(Body):
    """How captions are to be this time. The instruction is for this time only."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tone": "playful", "instruction": "Mention that it makes a good present."}]}
    )
    tone: Tone | None = None
    platforms: Platforms | None = None
    instruction: Instruction | None = None


class GenerateCaption(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"product_data": PRODUCT_EXAMPLE, "platform": "instagram"}]}
    )

    product_data: ProductData
    platform: Platform = Platform.instagram
    tone: Tone = "engaging"


class Approve(Body):
    """With accounts, posts are made: at `scheduled_for`, at the next free slot (`auto_schedule`), or else as drafts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"account_ids": ["019a5b1c-7d2e-7f00-8000-0123456789ab"], "auto_schedule": True},
                {"account_ids": ["019a5b1c-7d2e-7f00-8000-0123456789ab"], "scheduled_for": "2030-12-24T09:00:00+01:00"},
            ]
        }
    )
    account_ids: Annotated[list[UUID], Field(max_length=50)] | None = None
    scheduled_for: Moment | None = None
    auto_schedule: bool = False
    schedule_from: Moment | None = None
    schedule_until: Moment | None = None
    spread: bool = False
    """Only one account per platform gets it: the one that has a free slot first."""
    captions: dict[Platform, CaptionBody] = Field(default_factory=dict)
    options: dict[Platform, Options] = Field(default_factory=dict)
    """Options of the posts by platform, such as TikTok's `privacy_level`."""
    media_urls: MediaUrls | None = None
    """Left out, the product's own picture."""
    accepted_findings: Annotated[list[FindingId], Field(max_length=200)] = Field(default_factory=list)
    """Ids of findings that the owner has seen and accepts."""


class BulkAction(StrEnum):
    add = "add"
    generate = "generate"
    approve = "approve"
    reject = "reject"
    delete = "delete"


class BulkFilter(Body):
    """All items that match, oldest first, instead of a list of ids."""

    status: QueueStatus
    limit: Annotated[int, Field(ge=1, le=BULK_MAX)] = BULK_MAX


class Bulk(Body):
    """One action for many items: `items` for add; `item_ids` or `filter` for the others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "approve",
                    "filter": {"status": "generated"},
                    "approve": {"account_ids": ["019a5b1c-7d2e-7f00-8000-0123456789ab"], "auto_schedule": True},
                },
                {
                    "action": "add",
                    "items": [{"product_data": {"title": "Blue mug"}, "platforms": ["instagram"]}],
                    "generate": {},
                },
            ]
        }
    )
    action: BulkAction
    items: Annotated[list[CreateItem], Field(max_length=BULK_MAX)] | None = None
    item_ids: Annotated[list[UUID], Field(max_length=BULK_MAX)] | None = None
    filter: BulkFilter | None = None
    generate: Generate | None = None
    """With add, captions are asked for at once; with generate, how they are to be."""
    approve: Approve | None = None

    @model_validator(mode="after")
    def _names_its_items(self) -> Self:
        if self.action is BulkAction.add:
            if not self.items or self.item_ids is not None or self.filter is not None:
                raise ValueError("To add, send items, and neither item_ids nor filter")
        elif (self.item_ids is None) == (self.filter is None) or self.items is not None:
            raise ValueError("Send either item_ids or filter, and no items")
        return self

    @field_validator("approve")
    @classmethod
    def _captions_differ(cls, value: Approve | None) -> Approve | None:
        if value is not None and value.captions:
            raise ValueError("Captions differ from item to item: change them one by one before approving many")
        return value


class Finding(Read):
    """Something in a caption that does not match the product."""

    id: str
    code: str
    quote: str
    message: str


class CaptionRead(Read):
    caption: str
    hashtags: list[str]
    platform: Platform
    call_to_action: str
    character_count: int
    model: str | None


class ItemCaption(CaptionRead):
    is_edited: bool
    is_shortened: bool
    """Whether it was cut to what its platform takes."""
    notes: list[str]
    """What the writer could not do as asked."""
    findings: list[Finding]


class CheckedCaption(CaptionRead):
    notes: list[str]
    findings: list[Finding]


class ItemRead(Read):
    id: UUID
    product_id: UUID | None
    origin: str
    product_data: dict[str, Any]
    ai_generated_content: dict[str, CaptionRead] | None
    """Captions as they were last generated, before any change by hand."""
    captions: dict[str, ItemCaption]
    platforms: list[str]
    status: QueueStatus
    version: int
    is_generating: bool
    error_code: str | None
    error_message: str | None
    post_ids: list[UUID]
    approved_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ItemPage(Read):
    items: list[ItemRead]
    total: int
    page: int
    per_page: int
    next_cursor: str | None
    counts: dict[str, int]
    """How many items there are in each status."""


class VersionRead(Read):
    version: int
    source: str
    captions: dict[str, ItemCaption]
    model: str | None
    tone: str | None
    instruction: str | None
    created_at: datetime


class BulkError(Read):
    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]]
    findings: list[dict[str, Any]]


class BulkResult(Read):
    id: UUID
    ok: bool
    status: QueueStatus | None
    is_generating: bool
    post_ids: list[UUID]
    error: BulkError | None


class BulkRead(Read):
    action: BulkAction
    total: int
    succeeded: int
    failed: int
    results: list[BulkResult]
