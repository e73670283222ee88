"""Letters over a real SMTP conversation with the sandbox's mailbox."""

from __future__ import annotations

import socket
from dataclasses import replace

import httpx
import pytest
from factories.servers import Sandbox, free_port

from app.composition import build_mailer
from app.mail.base import Letter, MailLater, MailNever, MailUnsure
from app.mail.layout import Button, Footer, Section, write_letter
from app.mail.smtp import SmtpConfig, SmtpMailer
from app.settings import Settings

LETTER = write_letter(
    to="owner@example.com",
    subject="Your post did not go out",
    sections=[
        Section(
            ["The picture is <too> large & the post waits."],
            title="Spring tea",
            button=Button("Look at the post", "http://dashboard.test/posts/7?a=1&b=2"),
        )
    ],
    footer=Footer("You get this because a post failed.", Button("Change that", "http://dashboard.test/settings")),
    key="notification 7",
)


def mailer(settings: Settings, **changes: object) -> SmtpMailer:
    built = build_mailer(settings)
    assert isinstance(built, SmtpMailer)
    return SmtpMailer(replace(built._config, **changes)) if changes else built


class TestSending:
    async def test_without_a_server_of_its_own_mail_lies_in_the_sandbox(
        self, settings: Settings, sandbox: Sandbox
    ) -> None:
        await mailer(settings).send(LETTER)
        (mail,) = sandbox.mails("owner@example.com")
        headers = dict(mail["headers"])
        assert mail["subject"] == "Your post did not go out"
        assert mail["sender"] == "no-reply@127.0.0.1"
        assert headers["From"] == "PostPilot <no-reply@127.0.0.1>"
        assert headers["Auto-Submitted"] == "auto-generated"
        assert mail["text"].replace("\r\n", "\n") == (
            "Spring tea\n----------\n\nThe picture is <too> large & the post waits.\n\n"
            "Look at the post:\nhttp://dashboard.test/posts/7?a=1&b=2\n\n"
            "-- \nPostPilot\nYou get this because a post failed.\nChange that: http://dashboard.test/settings\n"
        )
        assert "The picture is &lt;too&gt; large &amp; the post waits." in mail["html"]
        assert 'href="http://dashboard.test/posts/7?a=1&amp;b=2"' in mail["html"]
        assert mail["links"] == ["http://dashboard.test/posts/7?a=1&b=2", "http://dashboard.test/settings"]

    async def test_a_letter_sent_again_has_the_same_id(self, settings: Settings, sandbox: Sandbox) -> None:
        await mailer(settings).send(LETTER)
        await mailer(settings).send(LETTER)
        await mailer(settings).send(replace(LETTER, key="another"))
        ids = [dict(mail["headers"])["Message-ID"] for mail in sandbox.mails("owner@example.com")]
        assert len(ids) == 3
        assert len(set(ids)) == 2

    async def test_letters_beyond_ascii_arrive_as_written(self, settings: Settings, sandbox: Sandbox) -> None:
        letter = Letter("größe@münchen.example", "Grüße – 你好 🍵", "Zeile äöü\n.führender Punkt\n")
        await mailer(settings).send(letter)
        (mail,) = sandbox.mails("größe@münchen.example")
        assert (mail["subject"], mail["text"].replace("\r\n", "\n")) == (letter.subject, letter.text)

    async def test_nothing_can_be_slipped_into_the_headers(self, settings: Settings, sandbox: Sandbox) -> None:
        for letter in (
            Letter("owner@example.com", "Hello\r\nBcc: else@example.com", "text"),
            Letter("owner@example.com\r\nBcc: else@example.com", "Hello", "text"),
            Letter("owner@example.com, else@example.com", "Hello", "text"),
        ):
            with pytest.raises(MailNever):
                await mailer(settings).send(letter)
        assert sandbox._read("/mail")["total"] == 0


class TestRefusals:
    @pytest.mark.parametrize("operation", ["mail.recipient", "mail.send"])
    @pytest.mark.parametrize(("status", "outcome"), [(450, MailLater), (451, MailLater), (550, MailNever)])
    async def test_the_class_of_the_reply_decides(
        self, settings: Settings, sandbox: Sandbox, operation: str, status: int, outcome: type[Exception]
    ) -> None:
        sandbox.fault(operation, "error_before", status=status)
        with pytest.raises(outcome) as raised:
            await mailer(settings).send(LETTER)
        assert raised.value.code == status  # type: ignore[attr-defined]
        assert sandbox.mails("owner@example.com") == []
        await mailer(settings).send(LETTER)
        assert len(sandbox.mails("owner@example.com")) == 1

    async def test_no_answer_after_the_letter_is_not_knowing(self, settings: Settings, sandbox: Sandbox) -> None:
        sandbox.fault("mail.send", "drop_after")
        with pytest.raises(MailUnsure):
            await mailer(settings).send(LETTER)
        assert len(sandbox.mails("owner@example.com")) == 1

    async def test_a_connection_lost_before_the_letter_is_tried_later(
        self, settings: Settings, sandbox: Sandbox
    ) -> None:
        sandbox.fault("mail.recipient", "drop_before")
        with pytest.raises(MailLater):
            await mailer(settings).send(LETTER)

    async def test_a_server_that_is_away_is_tried_later(self, settings: Settings) -> None:
        with pytest.raises(MailLater):
            await mailer(settings, port=free_port()).send(LETTER)

    async def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(
        self, settings: Settings, sandbox: Sandbox
    ) -> None:
        for security in ("starttls", "tls"):
            with pytest.raises(MailLater):
                await mailer(settings, security=security).send(LETTER)
        assert sandbox.mails("owner@example.com") == []

    async def test_a_server_that_does_not_know_us_is_tried_later(self, settings: Settings, sandbox: Sandbox) -> None:
        with pytest.raises(MailLater):
            await mailer(settings, username="us", password="wrong").send(LETTER)
        assert sandbox.mails("owner@example.com") == []

    async def test_a_silent_server_does_not_hold_us_for_long(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        monkeypatch.setattr("app.mail.smtp.TOTAL_SECONDS", 0.3)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MailLater):
            await mailer(settings, port=silent.getsockname()[1]).send(LETTER)


class TestSettings:
    def test_a_server_of_ones_own_is_used_with_its_usual_port(self, settings: Settings) -> None:
        given = settings.model_copy(update={"smtp_host": "mail.example", "mail_from": "Tea <tea@shop.example>"})
        built = build_mailer(given)
        assert isinstance(built, SmtpMailer)
        assert built._config == SmtpConfig("mail.example", "Tea <tea@shop.example>", security="starttls")

    def test_the_password_shows_nowhere(self) -> None:
        assert "hunter2" not in repr(SmtpConfig("mail.example", "a@b.example", password="hunter2"))


class TestPages:
    async def test_the_mailbox_shows_what_was_sent(self, settings: Settings, sandbox: Sandbox) -> None:
        await mailer(settings).send(LETTER)
        (mail,) = sandbox.mails("owner@example.com")
        async with httpx.AsyncClient(base_url=settings.sandbox_base, trust_env=False) as http:
            home, listing = (await http.get("/")).text, (await http.get("/mailbox")).text
            page, html = await http.get(f"/mailbox/{mail['id']}"), await http.get(f"/mailbox/{mail['id']}/html")
            missing = await http.get("/mailbox/nothing")
        assert 'href="/mailbox"' in home
        assert f'href="/mailbox/{mail["id"]}"' in listing
        assert 'href="http://dashboard.test/settings"' in page.text
        assert "<iframe" in page.text
        assert "sandbox=" in page.text
        assert "script" not in html.headers["content-security-policy"]
        assert "default-src 'none'" in html.headers["content-security-policy"]
        assert html.text == mail["html"]
        assert missing.status_code == 404
