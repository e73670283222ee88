"""Registration, sign-in and sessions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.exc import IntegrityError

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import EmailTaken, FieldError, InvalidRequest, InvalidToken, WrongCredentials
from app.domain.zones import find_zone
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.models import AuthSession, User
from app.repositories.user_repository import Identity, UserRepository

ALGORITHM = "HS256"

_hasher = PasswordHash((Argon2Hasher(),))
_DUMMY_HASH = _hasher.hash("the password of nobody")
"""Verified against when an address is unknown, so that both answers take the same time."""


@dataclass(frozen=True)
class TokenRules:
    secret: str
    access_life: timedelta
    refresh_life: timedelta


@dataclass(frozen=True)
class Pair:
    access_token: str
    refresh_token: str
    expires_in: int
    user: Identity


class AuthService:
    def __init__(self, uow: UnitOfWork, rules: TokenRules, clock: Clock) -> None:
        self._users = UserRepository(uow.session)
        self._rules = rules
        self._clock = clock

    async def register(self, *, email: str, password: str, timezone: str | None) -> Pair:
        """Create a user and sign in. Raises `EmailTaken`, `InvalidRequest`."""
        zone = timezone or "UTC"
        if find_zone(zone) is None:
            sentence = f"'{zone}' is not a time zone. Use a name such as Europe/Paris."
            raise InvalidRequest([FieldError(("body", "timezone"), sentence, "unknown_timezone")])
        password_hash = await asyncio.to_thread(_hasher.hash, password)
        user = User(id=new_id(), email=email, password_hash=password_hash, timezone=zone)
        try:
            await self._users.add(user)
        except IntegrityError as error:
            raise EmailTaken from error
        return await self._sign_in(user.id)

    async def login(self, *, email: str, password: str) -> Pair:
        """Sign in. Raises `WrongCredentials`, alike and equally slowly for an unknown address and a wrong password."""
        user = await self._users.find_by_email(email)
        user_id, known, active = (user.id, user.password_hash, user.is_active) if user else (None, None, False)
        await self._users.let_go()  # no connection is held while the password is hashed
        good = await asyncio.to_thread(_hasher.verify, password, known or _DUMMY_HASH)
        if user_id is None or known is None or not good or not active:
            raise WrongCredentials
        return await self._sign_in(user_id)

    async def refresh(self, refresh_token: str) -> Pair | None:
        """Exchange a refresh token for a new pair; `None` when the family was ended because an old one was reused.

        The caller must let the unit of work commit in both cases and answer `InvalidToken` for `None`.
        """
        claims = read_token(refresh_token, self._rules.secret, kind="refresh")
        session = await self._users.lock_session(_uuid(claims, "sid"))
        now = self._clock()
        if session is None or session.ended_at is not None or session.expires_at <= now:
            raise InvalidToken
        if session.current_token_id != _uuid(claims, "jti"):
            session.ended_at, session.ended_reason = now, "reuse"
            return None
        identity = await self._users.identity(session.user_id)
        if identity is None or not identity.is_active:
            raise InvalidToken
        session.current_token_id = new_id()
        session.last_used_at = now
        session.expires_at = now + self._rules.refresh_life
        return self._pair(identity, session)

    async def logout(self, session_id: UUID | None) -> None:
        """End the family of refresh tokens that an access token belongs to."""
        if session_id is None:
            return
        session = await self._users.lock_session(session_id)
        if session is not None and session.ended_at is None:
            session.ended_at, session.ended_reason = self._clock(), "logout"

    async def _sign_in(self, user_id: UUID) -> Pair:
        now = self._clock()
        session = AuthSession(
            id=new_id(), user_id=user_id, expires_at=now + self._rules.refresh_life, current_token_id=new_id()
        )
        await self._users.add_session(session)
        identity = await self._users.identity(user_id)
        assert identity is not None
        return self._pair(identity, session)

    def _pair(self, identity: Identity, session: AuthSession) -> Pair:
        now = self._clock()
        common = {"sub": str(identity.id), "sid": str(session.id), "iat": int(now.timestamp())}
        access = {**common, "type": "access", "exp": int((now + self._rules.access_life).timestamp())}
        refresh = {
            **common,
            "type": "refresh",
            "jti": str(session.current_token_id),
            "exp": int(session.expires_at.timestamp()),
        }
        return Pair(
            access_token=jwt.encode(access, self._rules.secret, ALGORITHM),
            refresh_token=jwt.encode(refresh, self._rules.secret, ALGORITHM),
            expires_in=int(self._rules.access_life.total_seconds()),
            user=identity,
        )


def read_token(token: str, secret: str, *, kind: str) -> dict[str, Any]:
    """Return the claims of a token of one kind. Raises `InvalidToken`."""
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, [ALGORITHM], options={"require": ["exp", "sub", "type"]})
    except jwt.PyJWTError as error:
        raise InvalidToken from error
    if claims["type"] != kind:
        raise InvalidToken
    return claims


def _uuid(claims: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(str(claims.get(name)))
    except ValueError as error:
        raise InvalidToken from error
