"""What people do with their own sign-in: confirm their address, get back in, change password and address, look where
they are signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import EmailTaken, LinkUsedUp, SessionNotFound, WrongPassword
from app.domain.tries import (
    LETTERS_BY_EMAIL,
    LETTERS_BY_PLACE,
    LINK_BY_PLACE,
    PASSWORD_BY_ACCOUNT,
    SIGN_IN_BY_ACCOUNT,
)
from app.domain.vocabulary import (
    CHANGE_EMAIL,
    EMAIL_CHANGED,
    ERASE_PEOPLE,
    PASSWORD_CHANGED,
    RESET_PASSWORD,
    VERIFY_EMAIL,
    WRITE_LETTERS,
)
from app.kit.clock import Clock
from app.kit.crypto import KeyRing
from app.kit.tokens import digest
from app.models import AuthSession, User
from app.repositories.letter_repository import LetterRepository
from app.repositories.user_repository import Identity, UserRepository
from app.services.auth.audit import AuditLog, Client
from app.services.auth.passwords import hash_password, is_password
from app.services.auth.second_factor import SecondFactor, Setup
from app.services.auth.tries import Tries
from app.services.auth_service import require_zone


class SelfService:
    def __init__(self, uow: UnitOfWork, tries: Tries, keyring: KeyRing, client: Client, clock: Clock) -> None:
        self._uow = uow
        self._users = UserRepository(uow.session)
        self._letters = LetterRepository(uow.session)
        self._audit = AuditLog(uow, client)
        self._factor = SecondFactor(uow, keyring, self._audit, clock)
        self._tries = tries
        self._client = client
        self._clock = clock

    # Letters and their links

    async def forgot_password(self, email: str) -> None:
        """Have a link sent that sets a new password, if somebody has this address. Nobody is told whether.

        Raises `TooManyTries` for too many requests from one place.
        """
        await self._tries.take(LETTERS_BY_PLACE, self._client.place)
        if await self._tries.may(LETTERS_BY_EMAIL, email):
            await self._request(RESET_PASSWORD, email)

    async def reset_password(self, token: str, password: str) -> None:
        """Set a new password with a link's token, and sign out everywhere. Raises `LinkUsedUp`, `TooManyTries`."""
        await self._tries.take(LINK_BY_PLACE, self._client.place)
        password_hash = await hash_password(password)
        used = await self._letters.use_token(digest(token), RESET_PASSWORD, now=self._clock())
        if used is None:
            raise LinkUsedUp
        _, link = used
        user = await self._users.get_locked(link.user_id)
        if user.email.lower() != link.email.lower():
            raise LinkUsedUp
        if user.email_verified_at is None:
            user.email_verified_at = self._clock()  # the link came to this address
        await self._set_password(user, password_hash, kind="password.reset")
        await self._users.end_sessions(user.id, at=self._clock(), reason="password_reset")
        await self._tries.forget(SIGN_IN_BY_ACCOUNT, user.email)

    async def resend_verification(self, identity: Identity) -> None:
        """Send the link that confirms one's address again. Raises `TooManyTries`."""
        if not identity.is_email_verified:
            await self._tries.take(LETTERS_BY_EMAIL, identity.email)
            await self._request(VERIFY_EMAIL, identity.email)

    async def confirm_email(self, token: str) -> str:
        """Confirm an address, or a change to it, with a link's token, and return it. Raises `LinkUsedUp`,
        `EmailTaken`, `TooManyTries`."""
        await self._tries.take(LINK_BY_PLACE, self._client.place)
        used = await self._letters.use_token(digest(token), VERIFY_EMAIL, CHANGE_EMAIL, now=self._clock())
        if used is None:
            raise LinkUsedUp
        purpose, link = used
        user = await self._users.get_locked(link.user_id)
        if purpose == VERIFY_EMAIL and user.email.lower() != link.email.lower():
            raise LinkUsedUp
        before = user.email
        user.email, user.email_verified_at = link.email, self._clock()
        if purpose == CHANGE_EMAIL:
            try:
                await self._uow.session.flush()
            except IntegrityError as error:
                raise EmailTaken from error
            await self._letters.drop_tokens(user.id, RESET_PASSWORD, VERIFY_EMAIL)
            await self._request(EMAIL_CHANGED, before, user_id=user.id)
        await self._audit.note(user.id, "email.changed" if purpose == CHANGE_EMAIL else "email.confirmed")
        return link.email

    # While signed in

    async def change_password(self, identity: Identity, session_id: UUID, *, present: str, password: str) -> None:
        """Change the password, and sign out everywhere else. Raises `WrongPassword`, `TooManyTries`."""
        await self._require_password(identity, present)
        password_hash = await hash_password(password)
        user = await self._users.get_locked(identity.id)
        await self._set_password(user, password_hash, kind="password.changed")
        await self._users.end_sessions(user.id, at=self._clock(), reason="password_changed", but=session_id)

    async def change_email(self, identity: Identity, *, email: str, password: str) -> None:
        """Send a link to a new address; it takes effect when it is followed. Nobody is told whether the address is
        somebody else's: its owner is. Raises `WrongPassword`, `TooManyTries`."""
        await self._require_password(identity, password)
        await self._tries.take(LETTERS_BY_EMAIL, email)
        await self._request(CHANGE_EMAIL, email, user_id=identity.id)
        await self._audit.note(identity.id, "email.change_asked")

    async def change_profile(self, identity: Identity, changes: dict[str, Any]) -> None:
        """Raises `InvalidRequest`."""
        user = await self._users.get_locked(identity.id)
        if "timezone" in changes:
            require_zone(changes["timezone"])
            user.timezone = changes["timezone"]

    async def sessions(self, user_id: UUID) -> list[AuthSession]:
        return await self._users.list_sessions(user_id, now=self._clock())

    async def end_session(self, user_id: UUID, session_id: UUID) -> None:
        """Sign out somewhere. Raises `SessionNotFound`, also for one that has ended."""
        if not await self._users.end_sessions(user_id, at=self._clock(), reason="ended", only=session_id):
            raise SessionNotFound
        await self._audit.note(user_id, "session.ended")

    async def end_sessions(self, user_id: UUID, *, but: UUID | None) -> int:
        """Sign out everywhere, or everywhere else."""
        ended = await self._users.end_sessions(user_id, at=self._clock(), reason="ended", but=but)
        await self._audit.note(user_id, "session.all_ended", count=ended)
        return ended

    # Second factor

    async def begin_second_factor(self, identity: Identity, password: str) -> Setup:
        """Raises `WrongPassword`, `SecondFactorState`, `TooManyTries`."""
        await self._require_password(identity, password)
        return await self._factor.begin(identity.id)

    async def enable_second_factor(self, identity: Identity, code: str) -> list[str]:
        """Raises `WrongCode`, `SecondFactorState`, `TooManyTries`."""
        await self._tries.take(PASSWORD_BY_ACCOUNT, str(identity.id))
        codes = await self._factor.enable(identity.id, code)
        self._uow.after_commit(WRITE_LETTERS)
        return codes

    async def disable_second_factor(self, identity: Identity, *, password: str, code: str) -> None:
        """Raises `WrongPassword`, `WrongCode`, `SecondFactorState`, `TooManyTries`."""
        await self._require_password(identity, password, code=code)
        await self._factor.disable(identity.id)
        self._uow.after_commit(WRITE_LETTERS)

    async def renew_recovery_codes(self, identity: Identity, *, password: str, code: str) -> list[str]:
        """Raises `WrongPassword`, `WrongCode`, `SecondFactorState`, `TooManyTries`."""
        await self._require_password(identity, password, code=code)
        return await self._factor.renew_codes(identity.id)

    async def recovery_codes_left(self, user_id: UUID) -> int:
        return await self._factor.codes_left(user_id)

    # Leaving

    async def erase(self, identity: Identity, *, password: str, code: str) -> None:
        """Sign out everywhere for good, and have everything erased. Raises `WrongPassword`, `WrongCode`,
        `TooManyTries`."""
        await self._require_password(identity, password, code=code)
        user = await self._users.get_locked(identity.id)
        user.erase_due_at = self._clock()
        await self._users.end_sessions(user.id, at=self._clock(), reason="erased")
        await self._audit.note(user.id, "user.erasure_asked")
        self._uow.after_commit(ERASE_PEOPLE)

    async def _require_password(self, identity: Identity, password: str, *, code: str | None = None) -> None:
        """Raises `WrongPassword`, and `WrongCode` where a code of the second factor is asked for as well."""
        await self._tries.take(PASSWORD_BY_ACCOUNT, str(identity.id))
        known = (await self._users.get_locked(identity.id)).password_hash
        await self._users.let_go()
        if not await is_password(password, known):
            raise WrongPassword
        if code is not None:
            await self._factor.check(identity.id, code)

    async def _set_password(self, user: User, password_hash: str, *, kind: str) -> None:
        user.password_hash, user.password_changed_at = password_hash, self._clock()
        await self._letters.drop_tokens(user.id, RESET_PASSWORD)
        await self._audit.note(user.id, kind)
        await self._request(PASSWORD_CHANGED, user.email, user_id=user.id)

    async def _request(self, purpose: str, email: str, *, user_id: UUID | None = None) -> None:
        await self._letters.request(purpose, email, user_id=user_id)
        self._uow.after_commit(WRITE_LETTERS)
