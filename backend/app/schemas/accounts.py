"""What account endpoints take and return. Tokens are in none of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.domain.vocabulary import AccountMode, AccountStatus, Platform
from app.schemas.common import Body, Read, Storable

AccountName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Storable]
ExternalId = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[\w.:-]+$")
]


class ConnectAccount(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"platform": "instagram", "account_name": "corner_cafe"}]}
    )
    platform: Platform
    account_name: AccountName
    account_id_external: ExternalId | None = Field(None, description="Generated on the sandbox when not given.")


class AccountRead(Read):
    id: UUID
    platform: Platform
    account_name: str
    account_id_external: str | None
    is_connected: bool
    mode: AccountMode
    status: AccountStatus
    status_reason: str | None
    avatar_url: str | None
    connected_at: datetime | None
    last_posted_at: datetime | None
    token_expires_at: datetime | None
    created_at: datetime
    authorization_url: str | None


class AuthorizationStart(Read):
    authorization_url: str
