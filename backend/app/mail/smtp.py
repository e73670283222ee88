"""Letters over SMTP: one connection each, bounded in time, replies sorted by their class.

Source: RFC 5321, section 4.2.1 (4yz: try again, 5yz: do not) and 3.3 (a letter is the server's once it answered DATA).
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import formatdate, make_msgid, parseaddr
from typing import Literal

import aiosmtplib
import structlog

from app.mail.base import Letter, MailError, MailLater, MailNever, MailUnsure

log = structlog.get_logger()

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 30.0
TOTAL_SECONDS = 60.0
PORTS = {"starttls": 587, "tls": 465, "none": 25}
OURS = frozenset({421, 454, 502, 503, 530, 534, 535, 538})
"""Replies about the connection or about how we sign in: the letter is not to blame, so it is kept."""

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class SmtpConfig:
    """Where letters are handed over. `sender` is the From line, a name with an address or the address alone."""

    host: str
    sender: str
    port: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    security: Security = "starttls"


class SmtpMailer:
    """Hands letters over to one mail server."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._address = parseaddr(config.sender)[1]
        self._domain = self._address.rpartition("@")[2] or "localhost"

    async def send(self, letter: Letter) -> None:
        """See `Mailer.send`."""
        try:
            message = self._compose(letter)
            to = _only_address(message)
        except (MessageError, ValueError) as error:
            raise MailNever(f"The letter cannot be written: {type(error).__name__}.") from error
        try:
            await self._hand_over(to, message)
        except MailError as error:
            log.warning("mail.not_sent", outcome=type(error).__name__, code=error.code, reason=str(error))
            raise
        log.info("mail.sent", key=letter.key or None)

    def _compose(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=WIRE)
        message["From"] = self._config.sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = self._message_id(letter.key)
        message["Auto-Submitted"] = "auto-generated"  # so that no holiday notice answers it (RFC 3834)
        message.set_content(letter.text)
        if letter.html is not None:
            message.add_alternative(letter.html, subtype="html")
        return message

    def _message_id(self, key: str) -> str:
        if not key:
            return make_msgid(domain=self._domain)
        return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{self._domain}>"

    async def _hand_over(self, to: str, message: EmailMessage) -> None:
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port or PORTS[config.security],
            username=config.username or None,
            password=config.password or None,
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            local_hostname=self._domain if self._domain.isascii() else "localhost",
            timeout=REPLY_SECONDS,
        )
        is_sent = False
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await client.connect(timeout=CONNECT_SECONDS)
                content, options = await _flatten(client, message, (self._address, to))
                await client.mail(self._address, options=options, encoding="utf-8")
                await client.rcpt(to, encoding="utf-8")
                is_sent = True
                await client.data(content)
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error) from error
        except (_AddressNotTakenError, UnicodeError, ValueError) as error:
            raise MailNever("The mail server does not take this address.") from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            if is_sent:
                raise MailUnsure("The mail server did not say whether it has taken the letter.") from error
            raise MailLater(f"The mail server cannot be reached ({type(error).__name__}).") from error
        finally:
            client.close()


def _only_address(message: EmailMessage) -> str:
    """Return whom a letter is for. Raises `ValueError` unless it is one address."""
    addresses = message["To"].addresses
    if len(addresses) != 1 or not addresses[0].username or not addresses[0].domain:
        raise ValueError("a letter is for one address")
    return str(addresses[0].addr_spec)


class _AddressNotTakenError(Exception):
    """An address has letters that this server does not know."""


async def _flatten(
    client: aiosmtplib.SMTP, message: EmailMessage, addresses: tuple[str, str]
) -> tuple[bytes, list[str]]:
    """Return the letter as bytes and the options of MAIL FROM; UTF-8 addresses only where the server takes them."""
    if all(address.isascii() for address in addresses):
        return message.as_bytes(policy=WIRE.clone(cte_type="7bit")), []
    if client.is_ehlo_or_helo_needed:
        await client.ehlo()
    if not client.supports_extension("smtputf8"):
        raise _AddressNotTakenError
    return message.as_bytes(policy=WIRE.clone(utf8=True)), ["SMTPUTF8", "BODY=8BITMIME"]


def _refused(error: aiosmtplib.SMTPResponseException) -> MailError:
    """Sort a refusal. What it says of us (how we sign in, whom we send as) keeps the letter for another try."""
    is_about_us = isinstance(
        error,
        aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPSenderRefused,
    )
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return MailLater(
            "The mail server does not let us sign in. Check SMTP_USERNAME and SMTP_PASSWORD.", code=error.code
        )
    if is_about_us or error.code in OURS or error.code < 500:
        return MailLater(f"The mail server does not take letters at the moment ({error.code}).", code=error.code)
    return MailNever(f"The mail server refuses the letter or its recipient ({error.code}).", code=error.code)
