"""What endpoints of templates and hashtag sets take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.domain.caption_templates import FIELDS, unknown_placeholders
from app.domain.vocabulary import Platform
from app.schemas.common import Body, Read, Storable
from app.schemas.posts import Content, Hashtags
from app.schemas.queue import ProductData


def _known(content: str) -> str:
    unknown = unknown_placeholders(content)
    if unknown:
        names = ", ".join("{" + name + "}" for name in FIELDS)
        raise ValueError(f"A product has no field {{{unknown[0]}}}. Use {names}")
    return content


def refuse_nulls(body: AnyBody) -> AnyBody:
    """Refuse a null for what cannot be empty, rather than take it for "unchanged"."""
    for name in sorted(body.model_fields_set):
        if getattr(body, name) is None:
            raise ValueError(f"{name} cannot be null: leave it out if it stays as it is")
    return body


AnyBody = TypeVar("AnyBody", bound=Body)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Storable]
TemplateContent = Annotated[Content, AfterValidator(_known)]
SomeHashtags = Annotated[Hashtags, Field(min_length=1)]


class CreateTemplate(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "New arrival",
                    "content": "{title}\n\n{first_sentence}\n\n{price} · {url}",
                    "hashtags": ["newin"],
                    "platforms": ["facebook"],
                }
            ]
        },
    )

    name: Name
    content: TemplateContent
    hashtags: Hashtags = Field(default_factory=list)
    platforms: Annotated[list[Platform], Field(max_length=20)] = Field(default_factory=list)
    """Where it is offered; empty for everywhere."""


class UpdateTemplate(Body):
    """Fields left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "New arrivals"}]})
    name: Name | None = None
    content: TemplateContent | None = None
    hashtags: Hashtags | None = None
    platforms: Annotated[list[Platform], Field(max_length=20)] | None = None

    @model_validator(mode="after")
    def _nothing_is_emptied(self) -> Self:
        return refuse_nulls(self)


class RenderTemplate(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"product_data": {"title": "Blue mug", "price": "24.00", "currency": "EUR"}}]}
    )
    product_data: ProductData


class ApplyTemplate(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"template_id": "019a5b1c-7d2e-7f00-8000-0123456789ab"}]})
    template_id: UUID
    platforms: Annotated[list[Platform], Field(min_length=1, max_length=20)] | None = None
    """Left out, all of the item that the template is offered for."""


class CreateHashtagSet(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ceramics", "hashtags": ["stoneware", "handmade"]}]}
    )
    name: Name
    hashtags: SomeHashtags


class UpdateHashtagSet(Body):
    """Fields left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hashtags": ["stoneware", "handmade", "pottery"]}]})
    name: Name | None = None
    hashtags: SomeHashtags | None = None

    @model_validator(mode="after")
    def _nothing_is_emptied(self) -> Self:
        return refuse_nulls(self)


class TemplateRead(Read):
    id: UUID
    name: str
    content: str
    hashtags: list[str]
    platforms: list[str]
    created_at: datetime
    updated_at: datetime


class TemplatePage(Read):
    items: list[TemplateRead]
    total: int
    page: int
    per_page: int


class RenderedTemplate(Read):
    caption: str
    hashtags: list[str]


class HashtagSetRead(Read):
    id: UUID
    name: str
    hashtags: list[str]
    created_at: datetime
    updated_at: datetime


class HashtagSetPage(Read):
    items: list[HashtagSetRead]
    total: int
    page: int
    per_page: int
