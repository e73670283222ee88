"""What endpoints of outgoing webhooks take and return."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from app.domain.happenings import HookKind
from app.schemas.common import Body, Read, Storable

Url = Annotated[str, StringConstraints(min_length=1, max_length=2000), Storable]
Description = Annotated[str, StringConstraints(max_length=255), Storable]


class CreateWebhookEndpoint(Body):
    url: Url = Field(examples=["https://shop.example/hooks/postpilot"])
    description: Description = Field("", examples=["Order desk"])
    events: list[HookKind] = Field(default_factory=list, max_length=50, examples=[["post.posted", "post.failed"]])
    """Kinds of events to send; an empty list means all of them."""


class UpdateWebhookEndpoint(Body):
    url: Url | None = Field(None, examples=["https://shop.example/hooks/postpilot"])
    description: Description | None = Field(None, examples=["Order desk"])
    events: list[HookKind] | None = Field(None, max_length=50, examples=[["post.failed"]])
    is_active: bool | None = Field(None, examples=[True])


class WebhookEndpointRead(Read):
    id: UUID
    url: str
    description: str
    events: list[str]
    """Kinds of events that are sent; empty means all of them."""
    is_active: bool
    failing_since: datetime | None
    """Since when it has taken nothing; null while it does."""
    created_at: datetime
    updated_at: datetime


class WebhookEndpointWithSecret(WebhookEndpointRead):
    secret: str
    """What deliveries are signed with (Standard Webhooks). Shown this once: keep it."""


class DeliveryOutcome(StrEnum):
    delivered = "delivered"
    given_up = "given_up"
    open = "open"


class WebhookDeliveryRead(Read):
    id: UUID
    webhook_id: str
    """What the header `webhook-id` says: the same for every try and every replay."""
    type: str
    payload: dict[str, Any]
    outcome: DeliveryOutcome
    tries: int
    next_try_at: datetime | None
    last_status: int | None
    """What the receiver answered last; null where it did not answer."""
    last_error: str | None
    is_replay: bool
    created_at: datetime
    ended_at: datetime | None


class WebhookDeliveryPage(Read):
    items: list[WebhookDeliveryRead]
    total: int
    page: int
    per_page: int
