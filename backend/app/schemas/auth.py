"""What sign-in takes and returns."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, EmailStr, Field

from app.schemas.common import Body, Read, Storable


def _plain(password: str) -> str:
    if "\x00" in password:
        raise ValueError("The password contains a character that cannot be used")
    return password


PlanName = Literal["free", "pro", "enterprise"]
Code = Annotated[str, Storable, Field(min_length=6, max_length=64, examples=["123456"])]
Password = Annotated[str, Field(min_length=8, max_length=256), AfterValidator(_plain)]


class Register(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "mia@example.com", "password": "a good long one"}]}
    )
    email: EmailStr
    password: Password
    timezone: str | None = None


class Login(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "mia@example.com", "password": "a good long one"}]}
    )
    email: Annotated[str, Storable] = Field(max_length=320)
    password: str = Field(max_length=256)


class SecondStep(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"challenge_token": "eyJhbGciOi…", "code": "123456"}]})
    challenge_token: str = Field(max_length=4096)
    code: Code


class Refresh(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "eyJhbGciOi…"}]})
    refresh_token: str | None = Field(None, max_length=4096)
    """Left out where it is in the cookie."""


class Provision(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "email": "mia@example.com",
                    "plan": "enterprise",
                    "external_platform_id": "user-42",
                    "external_store_id": "store-7",
                }
            ]
        },
    )
    email: EmailStr
    password: Password | None = None
    plan: PlanName | None = None
    external_platform_id: Annotated[str, Storable] = Field(min_length=1, max_length=255)
    external_store_id: Annotated[str, Storable] | None = Field(None, max_length=255)


class ProvisionRead(Read):
    user_id: UUID
    api_key: str
    """Shown this once."""


class Email(Body):
    email: Annotated[str, Storable] = Field(max_length=320, examples=["mia@example.com"])


class NewEmail(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "mia@shop.example", "password": "a good long one"}]}
    )
    email: EmailStr
    password: str = Field(max_length=256)


class Token(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "the token of the letter's link"}]})
    token: str = Field(max_length=512)


class NewPassword(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"token": "the token of the letter's link", "password": "a new good one"}]}
    )
    token: str = Field(max_length=512)
    password: Password


class ChangePassword(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current_password": "a good long one", "password": "a new good one"}]}
    )
    current_password: str = Field(max_length=256)
    password: Password


class ChangeProfile(Body):
    timezone: str | None = Field(None, max_length=64, examples=["Europe/Paris"])


class Confirm(Body):
    """One's password, and a code where the second factor is on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "a good long one", "code": "123456"}]})
    password: str = Field(max_length=256)
    code: str = Field("", max_length=64)


class OwnPassword(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"password": "a good long one"}]})
    password: str = Field(max_length=256)


class OwnCode(Body):
    code: Code


class UserRead(Read):
    id: UUID
    email: str
    is_active: bool
    plan: str
    timezone: str
    is_email_verified: bool
    has_second_factor: bool
    has_password: bool
    created_at: datetime


class ConfirmationSent(Read):
    status: Literal["confirmation_sent"]


class Done(Read):
    status: Literal["ok"]


class EmailConfirmed(Read):
    status: Literal["ok"]
    email: str


class SessionRead(Read):
    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip_address: str | None
    user_agent: str | None
    is_current: bool


class SessionsEnded(Read):
    ended: int


class SecondFactorSetup(Read):
    secret: str
    otpauth_uri: str
    qr_svg: str
    """The address as a QR code, an SVG image."""


class RecoveryCodes(Read):
    recovery_codes: list[str]
    """Shown this once. Each works once in the place of a code."""


class SecondFactorRead(Read):
    is_enabled: bool
    recovery_codes_left: int


class AuditEventRead(Read):
    id: int
    kind: str
    ip_address: str | None
    user_agent: str | None
    facts: dict[str, Any]
    created_at: datetime


class AuditPage(Read):
    items: list[AuditEventRead]
    total: int
    page: int
    per_page: int


class TokenPair(Read):
    access_token: str
    refresh_token: str | None
    """Null where it is in the cookie."""
    token_type: Literal["bearer"]
    expires_in: int
    """Seconds until the access token ends."""
    user: UserRead
