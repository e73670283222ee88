"""What a letter is, and how sending one can end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

PRODUCT = "PostPilot"


@dataclass(frozen=True)
class Letter:
    """One mail to one person. `key` names it for good: a letter sent again under its key has the same Message-ID."""

    to: str
    subject: str
    text: str
    html: str | None = None
    key: str = ""


class MailError(Exception):
    """A letter was not accepted; the text says why, without the letter's content. `code` is the server's reply."""

    def __init__(self, sentence: str, *, code: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code


class MailLater(MailError):
    """Nothing was accepted, and another try may succeed: the server is away, busy (4xx) or does not trust us."""


class MailNever(MailError):
    """The server refuses this letter or this recipient for good (5xx)."""


class MailUnsure(MailError):
    """The whole letter was sent and no answer came: it may have been accepted."""


class Mailer(Protocol):
    async def send(self, letter: Letter) -> None:
        """Hand a letter over to a mail server. Raises `MailLater`, `MailNever`, `MailUnsure`. Calls out: never while a
        transaction is open."""
        ...
