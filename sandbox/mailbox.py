"""The mailbox: an SMTP server on this machine that takes every letter and sends none, so that they can be looked at."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import asdict
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.clock import iso_time
from sandbox.core import Sandbox
from sandbox.faults import Plan
from sandbox.ids import token
from sandbox.records import Mail

logging.getLogger("mail.log").setLevel(logging.ERROR)

KEPT = 500
"""How many letters are kept; the oldest make room."""
MAX_BYTES = 10_000_000
_NAME = "sandbox.localhost"
_LINK = re.compile(r"https?://[^\s<>\"')]*[^\s<>\"').,;:!?]")


class _Conversation(SMTP):
    """One connection; may be closed without an answer."""

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


class Mailbox:
    """Takes letters over SMTP and keeps them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.port = 0
        self._server: asyncio.Server | None = None
        self._conversations: set[_Conversation] = set()

    async def open(self) -> None:
        """Begin to listen, on loopback alone. Raises `OSError` when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._converse, "127.0.0.1", self.sandbox.settings.smtp_port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for conversation in [*self._conversations]:
            conversation.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _converse(self) -> _Conversation:
        loop = asyncio.get_running_loop()
        handler = _Handler(self)
        conversation = _Conversation(
            handler, hostname=_NAME, ident="mailbox", data_size_limit=MAX_BYTES, enable_SMTPUTF8=True, loop=loop
        )
        handler.conversation = conversation
        self._conversations = {one for one in self._conversations if one.transport is not None} | {conversation}
        return conversation

    def keep(self, envelope: Envelope) -> None:
        """Store a letter once for each of its recipients."""
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        state = self.sandbox.state
        for recipient in envelope.rcpt_tos:
            state.mails.put(
                Mail(
                    id=token("", 16),
                    to=recipient,
                    sender=envelope.mail_from or "",
                    subject=str(message.get("Subject", "")),
                    text=_part(message, "plain"),
                    html=_part(message, "html"),
                    headers=[[name, str(value)] for name, value in message.items()],
                    received_at=self.sandbox.clock.now(),
                )
            )
        for old in self.newest()[KEPT:]:
            state.mails.remove(old.id)
        self.sandbox.store.flush()

    def newest(self, to: str = "") -> list[Mail]:
        """Return the letters to an address, or all, the newest first."""
        found = [mail for mail in self.sandbox.state.mails if not to or mail.to.casefold() == to.casefold()]
        return sorted(found, key=lambda mail: mail.received_at, reverse=True)

    def as_json(self, mail: Mail) -> dict[str, Any]:
        """Return a letter for the control API, with every address that stands in its text."""
        links = list(dict.fromkeys(_LINK.findall(mail.text)))
        return {**asdict(mail), "received_at": iso_time(mail.received_at), "links": links}


class _Handler:
    """What aiosmtpd asks as a conversation goes on; the names of the methods are its."""

    conversation: _Conversation

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = await self._fault("mail.recipient", address)
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        refusal = await self._fault("mail.send", envelope.rcpt_tos[0], keep=lambda: self._mailbox.keep(envelope))
        if refusal:
            return refusal
        self._mailbox.keep(envelope)
        return "250 Kept"

    async def _fault(self, operation: str, address: str, keep: Any = None) -> str:
        """Return the refusal that was asked for this call, or nothing."""
        plan: Plan = self._mailbox.sandbox.faults.asked_for("mail", operation, address)
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.drop_before or plan.drop_after:
            if plan.drop_after and keep is not None:
                keep()
            self.conversation.hang_up()
            return "421 Closing"
        fault = plan.error_before or plan.error_after
        if fault is None:
            return ""
        if fault is plan.error_after and keep is not None:
            keep()
        text = fault.body if isinstance(fault.body, str) else "Asked for by the control API"
        return f"{fault.status} {text}"


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return str(body.get_content()) if body is not None else ""
