"""What API key endpoints take and return."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from app.schemas.common import Body, Moment, Read, Storable


class NewApiKey(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Warehouse", "scopes": ["posts:write", "queue:read"]}, {"name": "Everything"}]
        },
    )
    name: Annotated[str, Storable] = Field(min_length=1, max_length=255)
    scopes: list[str] | None = Field(None, max_length=64)
    """`read` and `write` for everything, or for a part, such as `posts:read`. Left out: everything. Who may change
    things may look at them."""
    expires_at: Moment | None = None


class ApiKeyRead(Read):
    id: UUID
    name: str
    key_prefix: str
    scopes: list[str]
    is_active: bool
    last_used_at: datetime | None
    expires_at: datetime | None
    created_at: datetime


class ApiKeyMade(ApiKeyRead):
    key: str
    """Shown this once."""
