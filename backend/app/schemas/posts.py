"""What post endpoints take and return."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator

from app.domain.hashtags import clean_hashtag
from app.domain.vocabulary import CommentStatus, LiveStatus, Platform, PostStatus
from app.schemas.common import Body, Moment, Read, Storable


def _printable(text: str) -> str:
    if not text.strip():
        raise ValueError("The text is empty")
    return text


def _hashtags(values: list[str]) -> list[str]:
    cleaned = [clean_hashtag(value) for value in values]
    for given, tag in zip(values, cleaned, strict=True):
        if tag is None:
            raise ValueError(f"'{given}' is not a hashtag: use letters, digits and _ without spaces")
    seen: dict[str, str] = {}
    for tag in cleaned:
        assert tag is not None
        seen.setdefault(tag.casefold(), tag)
    return list(seen.values())


Content = Annotated[str, StringConstraints(min_length=1, max_length=5000), Storable, AfterValidator(_printable)]
Hashtags = Annotated[
    list[Annotated[str, StringConstraints(max_length=150)]], Field(max_length=100), AfterValidator(_hashtags)
]
MediaUrl = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), Storable]
MediaUrls = Annotated[list[MediaUrl], Field(max_length=50)]
PostType = Annotated[str, StringConstraints(min_length=1, max_length=32), Storable]
Options = Annotated[dict[str, Any], Storable]

EXAMPLE: dict[str, Any] = {
    "account_id": "01a2b3c4-0000-7000-8000-000000000001",
    "platform": "instagram",
    "content": "Fresh coffee, every morning from seven.",
    "media_urls": ["https://shop.example/coffee.jpg"],
    "hashtags": ["coffee"],
    "scheduled_for": "2030-01-15T08:00:00+01:00",
}


class Override(Body):
    """What differs for one account of a group."""

    content: Content | None = None
    media_urls: MediaUrls | None = None
    hashtags: Hashtags | None = None
    options: Options | None = None
    post_type: PostType | None = None


class CreatePost(Body):
    """One post for one account (`account_id`), or written once for several (`account_ids`)."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    account_id: UUID | None = None
    account_ids: Annotated[list[UUID], Field(min_length=1, max_length=50)] | None = None
    overrides: dict[UUID, Override] = Field(default_factory=dict)
    content: Content
    platform: Platform | None = None
    media_urls: MediaUrls = Field(default_factory=list)
    hashtags: Hashtags = Field(default_factory=list)
    options: Options = Field(default_factory=dict)
    post_type: PostType | None = None
    scheduled_for: Moment | None = None


class UpdatePost(Body):
    """A field left out is unchanged; `scheduled_for: null` makes the post a draft again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"content": "New in store: the autumn mugs", "scheduled_for": "2030-12-24T09:00:00+01:00"},
                {"scheduled_for": None},
            ]
        }
    )
    content: Content | None = None
    media_urls: MediaUrls | None = None
    hashtags: Hashtags | None = None
    options: Options | None = None
    post_type: PostType | None = None
    scheduled_for: Moment | None = None

    @field_validator("content", "media_urls", "hashtags", "options", "post_type", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("This field cannot be null. Leave it out to keep it as it is")
        return value


class SchedulePost(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"scheduled_for": "2030-01-15T08:00:00+01:00"}]}
    )
    scheduled_for: Moment


class MediaRead(Read):
    """What was found out about one file. Null where it is not known."""

    url: str
    kind: str
    mime_type: str | None
    size_bytes: int | None
    width_px: int | None
    height_px: int | None
    duration_seconds: float | None
    codec: str | None
    frame_rate: float | None
    audio_codec: str | None = None
    rotation_degrees: int | None = None
    is_variable_frame_rate: bool | None = None
    color_space: str | None = None
    alt_text: str | None = None


class PostRead(Read):
    id: UUID
    account_id: UUID
    platform: Platform
    post_type: str
    content: str
    media_urls: list[str]
    media: list[MediaRead]
    hashtags: list[str]
    options: dict[str, Any]
    status: PostStatus
    scheduled_for: datetime | None
    posted_at: datetime | None
    error_code: str | None
    error_message: str | None
    platform_post_id: str | None
    permalink: str | None
    attempts: int
    live_status: LiveStatus | None
    live_checked_at: datetime | None
    first_comment_status: CommentStatus | None
    first_comment_error: str | None
    group_id: UUID | None
    queue_item_id: UUID | None
    product_id: UUID | None
    created_at: datetime
    updated_at: datetime


class PostGroup(Read):
    """Posts written together for several accounts."""

    group_id: UUID
    items: list[PostRead]


class PostPage(Read):
    items: list[PostRead]
    total: int
    page: int
    per_page: int
    next_cursor: str | None


class SuggestedTime(Read):
    platform: Platform
    time: str
    label: str


class CalendarDay(Read):
    date: date
    posts: list[PostRead]
    suggested_times: list[SuggestedTime]


class Calendar(Read):
    timezone: str
    days: list[CalendarDay]
    total_posts: int


class FindingRead(Read):
    field: str
    code: str
    message: str


class AccountFindings(Read):
    account_id: UUID
    platform: Platform
    post_type: str
    valid: bool
    text: str
    """As it would go out, with its hashtags where they belong."""
    text_length: int
    text_max: int
    problems: list[FindingRead]
    warnings: list[FindingRead]
    """What does not prevent the post now and may later."""


class Validation(Read):
    valid: bool
    accounts: list[AccountFindings]


class StoryEntry(Read):
    """One call to the platform, or one decision of ours."""

    run: int
    step: str
    operation: str
    outcome: str
    status: int | None
    code: str | None
    trace_id: str | None
    detail: str | None
    started_at: datetime
    duration_ms: int | None
