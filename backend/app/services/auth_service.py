"""Registration, sign-in and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
from jwt.types import Options

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import (
    EmailTaken,
    FieldError,
    InvalidRequest,
    InvalidToken,
    SecondFactorRequired,
    WrongCredentials,
)
from app.domain.tries import (
    CODE_BY_ACCOUNT,
    LETTERS_BY_EMAIL,
    REGISTER_BY_PLACE,
    SIGN_IN_BY_ACCOUNT,
    SIGN_IN_BY_PLACE,
)
from app.domain.vocabulary import ALREADY_REGISTERED, VERIFY_EMAIL, WRITE_LETTERS
from app.domain.zones import find_zone
from app.kit.clock import Clock
from app.kit.crypto import KeyRing
from app.kit.ids import new_id
from app.models import AuthSession, User
from app.repositories.letter_repository import LetterRepository
from app.repositories.user_repository import Identity, UserRepository
from app.services.auth.audit import AuditLog, Client
from app.services.auth.passwords import hash_password, is_password
from app.services.auth.second_factor import SecondFactor
from app.services.auth.tries import Tries

ALGORITHM = "HS256"
CLAIM_RULES: Options = {"require": ["exp", "sub", "type"], "verify_iat": False}
"""When a token was made is for people to read: the clocks of two machines may be a second apart."""
CHALLENGE_LIFE = timedelta(minutes=5)
"""How long somebody has for the second step."""


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


@dataclass(frozen=True)
class SignInRules:
    """What holds for everybody who signs in here."""

    tokens: TokenRules
    confirms_email: bool
    """Whether an address must be confirmed before its owner is signed in; then signing up tells nobody whether an
    address was known."""


class AuthService:
    def __init__(
        self, uow: UnitOfWork, rules: SignInRules, tries: Tries, keyring: KeyRing, client: Client, clock: Clock
    ) -> None:
        self._uow = uow
        self._users = UserRepository(uow.session)
        self._letters = LetterRepository(uow.session)
        self._audit = AuditLog(uow, client)
        self._factor = SecondFactor(uow, keyring, self._audit, clock)
        self._rules = rules.tokens
        self._confirms_email = rules.confirms_email
        self._tries = tries
        self._client = client
        self._clock = clock

    async def register(self, *, email: str, password: str, timezone: str | None) -> Pair | None:
        """Create a user and sign in; `None` where addresses are confirmed first, for known ones and new ones alike.

        Raises `EmailTaken`, `InvalidRequest`, `TooManyTries`.
        """
        zone = timezone or "UTC"
        require_zone(zone)
        await self._tries.take(REGISTER_BY_PLACE, self._client.place)
        may_write = await self._tries.may(LETTERS_BY_EMAIL, email)  # asked for every address, known or not
        password_hash = await hash_password(password)
        user = User(id=new_id(), email=email, password_hash=password_hash, timezone=zone)
        is_new = await self._users.add_if_new(user)
        if not is_new and not self._confirms_email:
            raise EmailTaken
        if is_new or may_write:
            await self._letters.request(VERIFY_EMAIL if is_new else ALREADY_REGISTERED, email)
            self._uow.after_commit(WRITE_LETTERS)
        if self._confirms_email:
            return None
        await self._audit.note(user.id, "user.registered")
        return await self._sign_in(user.id)

    async def login(self, *, email: str, password: str) -> Pair:
        """Sign in. Raises `WrongCredentials`, alike and equally slowly for an unknown address and a wrong password;
        `SecondFactorRequired` with what the second step needs; `TooManyTries`."""
        await self._tries.take(SIGN_IN_BY_PLACE, self._client.place)
        await self._tries.take(SIGN_IN_BY_ACCOUNT, email)
        user = await self._users.find_by_email(email)
        known = user.password_hash if user else None
        found = _Found(user) if user else None
        await self._users.let_go()  # no connection is held while the password is hashed
        good = await is_password(password, known)
        if found is None or not good or not found.may_sign_in:
            raise WrongCredentials
        if self._confirms_email and not found.is_verified:
            raise WrongCredentials
        await self._tries.forget(SIGN_IN_BY_ACCOUNT, email)
        if found.has_second_factor:
            raise SecondFactorRequired(challenge_token=self._challenge(found.id))
        await self._audit.note(found.id, "session.signed_in")
        return await self._sign_in(found.id)

    async def second_step(self, *, challenge_token: str, code: str) -> Pair:
        """Finish signing in with the second factor. Raises `InvalidToken`, `WrongCode`, `TooManyTries`."""
        claims = read_token(challenge_token, self._rules.secret, kind="challenge")
        user_id = _uuid(claims, "sub")
        await self._tries.take(CODE_BY_ACCOUNT, str(user_id))
        identity = await self._users.identity(user_id)
        if identity is None or not identity.is_active:
            raise InvalidToken
        await self._factor.check(user_id, code)
        await self._audit.note(user_id, "session.signed_in", second_factor=True)
        pair = await self._sign_in(user_id)
        await self._tries.forget(CODE_BY_ACCOUNT, str(user_id))
        return pair

    def _challenge(self, user_id: UUID) -> str:
        until = self._clock() + CHALLENGE_LIFE
        claims = {"sub": str(user_id), "type": "challenge", "exp": int(until.timestamp())}
        return jwt.encode(claims, self._rules.secret, ALGORITHM)

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
            await self._audit.note(session.user_id, "session.token_reused")
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
            await self._audit.note(session.user_id, "session.signed_out")

    async def _sign_in(self, user_id: UUID) -> Pair:
        now = self._clock()
        session = AuthSession(
            id=new_id(),
            user_id=user_id,
            expires_at=now + self._rules.refresh_life,
            current_token_id=new_id(),
            created_at=now,
            last_used_at=now,
            ip_address=self._client.ip_address or None,
            user_agent=self._client.user_agent or None,
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


class _Found:
    """What is kept of a row while its connection is given back."""

    def __init__(self, user: User) -> None:
        self.id = user.id
        self.may_sign_in = user.is_active and user.erase_due_at is None
        self.is_verified = user.email_verified_at is not None
        self.has_second_factor = user.totp_enabled_at is not None


def require_zone(name: str) -> None:
    """Raises `InvalidRequest` for a time zone that does not exist."""
    if find_zone(name) is None:
        sentence = f"'{name}' is not a time zone. Use a name such as Europe/Paris."
        raise InvalidRequest([FieldError(("body", "timezone"), sentence, "unknown_timezone")])


def read_token(token: str, secret: str, *, kind: str) -> dict[str, Any]:
    """Return the claims of a token of one kind. Raises `InvalidToken`."""
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, [ALGORITHM], options=CLAIM_RULES)
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
