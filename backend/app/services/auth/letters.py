"""Writes the letters about signing in. The secret of a link is made here, when its letter is sent: nothing at rest,
in no table and no message, would let anybody in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.vocabulary import (
    ALREADY_REGISTERED,
    CHANGE_EMAIL,
    EMAIL_CHANGED,
    ERASED,
    PASSWORD_CHANGED,
    RESET_PASSWORD,
    TWO_FACTOR_CHANGED,
    VERIFY_EMAIL,
)
from app.kit.clock import Clock
from app.kit.tokens import digest, new_token
from app.mail.base import Letter, Mailer, MailLater, MailNever, MailUnsure
from app.mail.layout import Button, Footer, Section, write_letter
from app.repositories.letter_repository import DueLetter, LetterRepository
from app.repositories.user_repository import UserRepository

log = structlog.get_logger()

LEASE = timedelta(minutes=3)
BATCH = 20
TRIES_MAX = 12
FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(minutes=15)


@dataclass(frozen=True)
class Page:
    """A link of a letter: which page it opens, and how long it works."""

    path: str
    life: timedelta
    label: str


PAGES = {
    VERIFY_EMAIL: Page("/verify-email", timedelta(days=3), "Confirm this address"),
    CHANGE_EMAIL: Page("/verify-email", timedelta(hours=1), "Use this address"),
    RESET_PASSWORD: Page("/reset-password", timedelta(hours=1), "Set a new password"),
}


@dataclass(frozen=True)
class Words:
    """What one kind of letter says."""

    subject: str
    paragraphs: tuple[str, ...]
    why: str


_ASKED = "You get this letter because somebody, probably you, asked for it at PostPilot."
_SAFETY = "You get this letter because something about your sign-in has changed. Such letters cannot be switched off."
_NOT_YOU = "If that was not you, set a new password at once: whoever did it is signed in."
WORDS = {
    VERIFY_EMAIL: Words(
        "Confirm your e-mail address",
        ("Welcome to PostPilot. Follow this link to confirm that the address is yours; it works for three days.",),
        _ASKED,
    ),
    CHANGE_EMAIL: Words(
        "Confirm your new e-mail address",
        (
            "Follow this link to sign in with this address from now on; it works for one hour.",
            "If you have not asked for that, do nothing.",
        ),
        _ASKED,
    ),
    RESET_PASSWORD: Words(
        "Set a new password",
        (
            "Follow this link to set a new password; it works once, for one hour, and signs you out everywhere else.",
            "If you have not asked for that, do nothing: your password stays as it is.",
        ),
        _ASKED,
    ),
    ALREADY_REGISTERED: Words(
        "You already have an account",
        (
            "Somebody, probably you, wanted to sign up with this address. You have an account already: sign in with "
            "it, or set a new password if you have forgotten yours.",
        ),
        _ASKED,
    ),
    PASSWORD_CHANGED: Words("Your password was changed", ("Your password was changed just now.", _NOT_YOU), _SAFETY),
    EMAIL_CHANGED: Words(
        "Your e-mail address was changed",
        (
            "From now on one signs in to your account with another e-mail address.",
            "If that was not you, write to whoever runs this PostPilot at once.",
        ),
        _SAFETY,
    ),
    TWO_FACTOR_CHANGED: Words(
        "Your second factor was changed",
        ("Signing in with a code of your app was switched {change}.", _NOT_YOU),
        _SAFETY,
    ),
    ERASED: Words(
        "Your account was deleted",
        ("Everything that PostPilot kept of you was erased. What was published stays at the platforms.",),
        "You get this letter because you asked for that. It is the last one.",
    ),
}
CHANGES = {"enabled": "on", "disabled": "off"}


class LetterWork:
    """Claims requests, makes the link, sends, and forgets the request. A worker that dies after sending sends once
    more, with a new link; the newest one works."""

    def __init__(self, *, sessions: Sessions, mailer: Mailer, dashboard_base: str, clock: Clock) -> None:
        self._sessions = sessions
        self._mailer = mailer
        self._dashboard = dashboard_base
        self._clock = clock

    async def work(self) -> int:
        """Send what is due and return how many letters went out."""
        sent = 0
        while True:
            async with unit_of_work(self._sessions) as uow:
                due = await LetterRepository(uow.session).claim(lease=LEASE, limit=BATCH)
            for request in due:
                sent += await self._send(request)
            if len(due) < BATCH:
                return sent

    async def _send(self, request: DueLetter) -> bool:
        letter = await self._write(request)
        if letter is None:
            await self._done(request)
            return False
        try:
            await self._mailer.send(letter)
        except MailLater:
            if request.tries < TRIES_MAX:
                wait = min(FIRST_WAIT * 2 ** (request.tries - 1), LONGEST_WAIT)
                async with unit_of_work(self._sessions) as uow:
                    await LetterRepository(uow.session).later(request.id, after=wait)
                return False
            log.error("letter.given_up", purpose=request.purpose)  # noqa: TRY400 - the mailer has said why
        except (MailNever, MailUnsure) as error:  # unsure: rather none than two; a link can be asked for again
            log.warning("letter.not_sent", purpose=request.purpose, outcome=type(error).__name__)
        await self._done(request)
        return True

    async def _done(self, request: DueLetter) -> None:
        async with unit_of_work(self._sessions) as uow:
            await LetterRepository(uow.session).done(request.id)

    async def _write(self, request: DueLetter) -> Letter | None:
        """Return the letter, its link's digest kept; `None` where there is nobody to write to."""
        page = PAGES.get(request.purpose)
        if page is None:
            return self._compose(request, Button("Open PostPilot", self._dashboard))
        token = new_token()
        async with unit_of_work(self._sessions) as uow:
            user_id = await self._recipient(UserRepository(uow.session), request)
            if user_id is None:
                return None
            await LetterRepository(uow.session).put_token(
                digest(token),
                user_id=user_id,
                purpose=request.purpose,
                email=request.email,
                expires_at=self._clock() + page.life,
            )
        link = f"{self._dashboard}{page.path}?{urlencode({'token': token})}"
        return self._compose(request, Button(page.label, link))

    async def _recipient(self, users: UserRepository, request: DueLetter) -> UUID | None:
        if request.user_id is not None:
            return request.user_id
        user = await users.find_by_email(request.email)
        return user.id if user is not None and user.is_active and user.erase_due_at is None else None

    def _compose(self, request: DueLetter, button: Button) -> Letter:
        words = WORDS[request.purpose]
        change = CHANGES.get(str(request.facts.get("change")), "")
        text = [paragraph.replace("{change}", change) for paragraph in words.paragraphs]
        return write_letter(
            to=request.email,
            subject=words.subject,
            sections=[Section(text=text, button=button)],
            footer=Footer(words.why),
            key=f"letter:{request.id}:{request.tries}",
        )
