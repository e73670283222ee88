"""What account endpoints take and return. Tokens are in none of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from app.domain.vocabulary import AccountMode, AccountStatus, Platform
from app.schemas.common import Body, Read, Storable
from app.schemas.platforms import PlatformRulesRead

AccountName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Storable]
ExternalId = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[\w.:-]+$")
]

Login = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[a-z_]+$")]


class ConnectAccount(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"platform": "instagram", "account_name": "corner_cafe"}]}
    )
    platform: Platform
    account_name: AccountName
    account_id_external: ExternalId | None = Field(None, description="Generated on the sandbox when not given.")
    login: Login | None = Field(None, description="How to sign in, where the platform offers several ways.")


class AccountRead(Read):
    id: UUID
    platform: Platform
    account_name: str
    account_id_external: str | None
    is_connected: bool
    mode: AccountMode
    login: str
    status: AccountStatus
    status_reason: str | None
    avatar_url: str | None
    connected_at: datetime | None
    last_posted_at: datetime | None
    token_expires_at: datetime | None
    checked_at: datetime | None
    access_ends_at: datetime | None
    posts_at_risk: int
    forecast: str | None
    created_at: datetime
    authorization_url: str | None


class AuthorizationStart(Read):
    authorization_url: str


class OfferedProfileRead(Read):
    """One profile or Page that a sign-in opened. One that cannot be used says why in `problem`."""

    account_id_external: str
    account_name: str
    avatar_url: str | None
    usable: bool
    problem: str | None
    is_connected: bool


class ConnectionChoiceRead(Read):
    id: UUID
    platform: Platform
    login: str
    expires_at: datetime
    profiles: list[OfferedProfileRead]


class ChooseProfiles(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"account_ids_external": ["1755847768034402"]}]}
    )
    account_ids_external: Annotated[list[ExternalId], Field(min_length=1, max_length=100)]


class Capabilities(Read):
    """What an account may do at this moment, as its platform says. Read anew on every call."""

    account_id: UUID
    platform: Platform
    as_of: datetime
    facts: dict[str, Any]
    rules: PlatformRulesRead
