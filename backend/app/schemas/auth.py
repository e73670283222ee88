"""What sign-in takes and returns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, EmailStr, Field

from app.schemas.common import Body, Read, Storable


def _plain(password: str) -> str:
    if "\x00" in password:
        raise ValueError("The password contains a character that cannot be used")
    return password


Password = Annotated[str, Field(min_length=8, max_length=256), AfterValidator(_plain)]


class Register(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "mia@example.com", "password": "a good long one"}]}
    )
    email: EmailStr
    password: Password
    timezone: str | None = None


class Login(Body):
    email: Annotated[str, Storable] = Field(max_length=320)
    password: str = Field(max_length=256)


class Refresh(Body):
    refresh_token: str = Field(max_length=4096)


class UserRead(Read):
    id: UUID
    email: str
    is_active: bool
    plan: str
    timezone: str
    created_at: datetime


class TokenPair(Read):
    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int
    """Seconds until the access token ends."""
    user: UserRead
