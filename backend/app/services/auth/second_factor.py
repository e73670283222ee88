"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes in its place."""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
import segno

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import SecondFactorState, WrongCode
from app.domain.vocabulary import TWO_FACTOR_CHANGED
from app.kit.clock import Clock
from app.kit.crypto import KeyRing
from app.kit.tokens import digest
from app.models import User
from app.repositories.letter_repository import LetterRepository
from app.repositories.recovery_code_repository import RecoveryCodeRepository
from app.repositories.user_repository import UserRepository
from app.services.auth.audit import AuditLog

ISSUER = "PostPilot"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""How far a clock may be off: one step before and after."""
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
RECOVERY_LENGTH = 16
"""79 random bits: what is kept of one, a digest, cannot be turned around by trying."""


@dataclass(frozen=True)
class Setup:
    """What an authenticator app is told. Shown once, kept encrypted."""

    secret: str
    otpauth_uri: str
    qr_svg: str


class SecondFactor:
    """Works within the caller's unit of work, on a user's row that is locked."""

    def __init__(self, uow: UnitOfWork, keyring: KeyRing, audit: AuditLog, clock: Clock) -> None:
        self._users = UserRepository(uow.session)
        self._codes = RecoveryCodeRepository(uow.session)
        self._letters = LetterRepository(uow.session)
        self._keyring = keyring
        self._audit = audit
        self._clock = clock

    async def begin(self, user_id: UUID) -> Setup:
        """Make a new secret, which counts once a code of it was shown. Raises `SecondFactorState`."""
        user = await self._users.get_locked(user_id)
        if user.totp_enabled_at is not None:
            raise SecondFactorState("The second factor is already on. Switch it off first to use another device.")
        secret = pyotp.random_base32()
        user.totp_ciphertext, user.totp_key_version = self._keyring.encrypt(secret.encode(), context=_context(user_id))
        user.totp_last_step = None
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
        return Setup(secret, uri, _picture(uri))

    async def enable(self, user_id: UUID, code: str) -> list[str]:
        """Switch it on with a first code, and return the recovery codes. Raises `SecondFactorState`, `WrongCode`."""
        user = await self._users.get_locked(user_id)
        if user.totp_enabled_at is not None or user.totp_ciphertext is None:
            raise SecondFactorState("Begin with a new secret, then send a code of it.")
        if not self._is_code(user, code):
            raise WrongCode
        user.totp_enabled_at = self._clock()
        await self._changed(user, "second_factor.enabled")
        return await self._new_codes(user_id)

    async def disable(self, user_id: UUID) -> None:
        """Switch it off, secret and recovery codes included. Raises `SecondFactorState`."""
        user = await self._users.get_locked(user_id)
        if user.totp_enabled_at is None:
            raise SecondFactorState("The second factor is not on.")
        user.totp_ciphertext = user.totp_key_version = user.totp_enabled_at = user.totp_last_step = None
        await self._codes.replace(user_id, ())
        await self._changed(user, "second_factor.disabled")

    async def renew_codes(self, user_id: UUID) -> list[str]:
        """Put new recovery codes in the place of the old ones. Raises `SecondFactorState`."""
        user = await self._users.get_locked(user_id)
        if user.totp_enabled_at is None:
            raise SecondFactorState("The second factor is not on.")
        await self._audit.note(user_id, "second_factor.codes_renewed")
        return await self._new_codes(user_id)

    async def codes_left(self, user_id: UUID) -> int:
        return await self._codes.left(user_id)

    async def check(self, user_id: UUID, code: str) -> None:
        """Use up a code of the app, or a recovery code. Raises `WrongCode`."""
        user = await self._users.get_locked(user_id)
        if user.totp_enabled_at is None:
            return
        if self._is_code(user, code):
            return
        if not await self._codes.use(user_id, _digest_of(user_id, code), now=self._clock()):
            raise WrongCode
        await self._audit.note(user_id, "second_factor.recovery_code_used", left=await self._codes.left(user_id))

    def _is_code(self, user: User, code: str) -> bool:
        """Whether a code is right now and was not used before; it is used up then."""
        assert user.totp_ciphertext is not None
        assert user.totp_key_version is not None
        plain = self._keyring.decrypt(user.totp_ciphertext, version=user.totp_key_version, context=_context(user.id))
        step = matching_step(plain.decode(), code, self._clock(), after=user.totp_last_step)
        if step is None:
            return False
        user.totp_last_step = step
        return True

    async def _new_codes(self, user_id: UUID) -> list[str]:
        made = [
            "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)
        ]
        await self._codes.replace(user_id, [_digest_of(user_id, code) for code in made])
        return ["-".join(code[at : at + 4] for at in range(0, RECOVERY_LENGTH, 4)) for code in made]

    async def _changed(self, user: User, kind: str) -> None:
        await self._audit.note(user.id, kind)
        await self._letters.request(TWO_FACTOR_CHANGED, user.email, user_id=user.id, change=kind.rpartition(".")[2])


def matching_step(secret: str, code: str, at: datetime, *, after: int | None) -> int | None:
    """Return the 30-second step that a code belongs to, among those near a moment and later than `after`."""
    given = "".join(code.split())
    current = int(at.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        right = hmac.compare_digest(totp.generate_otp(step).encode(), given.encode("utf-8", "replace"))
        if right and (after is None or step > after):
            found = step
    return found


def _digest_of(user_id: UUID, code: str) -> str:
    plain = "".join(character for character in code.lower() if character.isalnum())
    return digest(f"{user_id}:{hashlib.sha256(plain.encode('utf-8', 'replace')).hexdigest()}")


def _context(user_id: UUID) -> str:
    return f"totp:{user_id}"


def _picture(uri: str) -> str:
    """Return a QR code as SVG."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="svg", scale=4, border=2, xmldecl=False, svgns=True)
    return out.getvalue().decode()
