"""The mailbox: letters over SMTP, looked at on pages and through the control API."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from sandbox.mailbox import KEPT
from sandbox.tests.clients import Control


@pytest.fixture
def smtp(control: Control) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", control.get("mail")["port"], timeout=10) as connection:
        yield connection


def letter(to: str, subject: str = "Hello", html: str = "") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, subject
    message.set_content("See http://shop.example/a?b=1, or <http://shop.example/c>.\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


class TestTaking:
    def test_every_recipient_has_a_letter_of_their_own(self, control: Control, smtp: smtplib.SMTP) -> None:
        smtp.send_message(letter("a@example.com, b@example.com", html="<p>Hello</p>"))
        assert control.get("mail")["total"] == 2
        (mail,) = control.get("mail", to="A@example.com")["items"]
        assert (mail["subject"], mail["sender"], mail["html"].strip()) == ("Hello", "shop@example.com", "<p>Hello</p>")
        assert mail["links"] == ["http://shop.example/a?b=1", "http://shop.example/c"]

    def test_reset_and_delete_empty_it(self, control: Control, smtp: smtplib.SMTP) -> None:
        smtp.send_message(letter("a@example.com"))
        assert control.http.delete(f"{control.url}/_sandbox/mail").json() == {"total": 0}
        smtp.send_message(letter("a@example.com"))
        control.http.post(f"{control.url}/_sandbox/reset")
        assert control.get("mail")["total"] == 0

    def test_the_oldest_make_room(self, control: Control, smtp: smtplib.SMTP) -> None:
        for number in range(KEPT + 3):
            smtp.send_message(letter("a@example.com", f"Letter {number}"))
        items = control.get("mail")["items"]
        assert [items[0]["subject"], items[-1]["subject"]] == [f"Letter {KEPT + 2}", "Letter 3"]


class TestFaults:
    @pytest.mark.parametrize("status", [450, 550])
    def test_refuse_once_with_the_words_asked_for(self, control: Control, smtp: smtplib.SMTP, status: int) -> None:
        fault = {"operation": "mail.send", "kind": "error_before", "status": status, "body": "no room"}
        assert control.http.post(f"{control.url}/_sandbox/faults", json=fault).status_code == 201
        with pytest.raises(smtplib.SMTPDataError) as raised:
            smtp.send_message(letter("a@example.com"))
        assert (raised.value.smtp_code, raised.value.smtp_error) == (status, b"no room")
        smtp.send_message(letter("a@example.com"))
        assert control.get("mail")["total"] == 1

    def test_concern_the_recipient_they_name(self, control: Control, smtp: smtplib.SMTP) -> None:
        fault = {"operation": "mail.recipient", "kind": "error_before", "status": 550, "account_id": "b@example.com"}
        control.http.post(f"{control.url}/_sandbox/faults", json=fault)
        refused = smtp.send_message(letter("a@example.com, b@example.com"))
        assert list(refused) == ["b@example.com"]
        assert [mail["to"] for mail in control.get("mail")["items"]] == ["a@example.com"]

    @pytest.mark.parametrize(("kind", "kept"), [("drop_before", 0), ("drop_after", 1)])
    def test_hang_up_without_an_answer(self, control: Control, smtp: smtplib.SMTP, kind: str, kept: int) -> None:
        control.http.post(f"{control.url}/_sandbox/faults", json={"operation": "mail.send", "kind": kind})
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.send_message(letter("a@example.com"))
        assert control.get("mail")["total"] == kept


class TestPages:
    def test_what_is_written_in_a_letter_cannot_act(self, control: Control, smtp: smtplib.SMTP) -> None:
        smtp.send_message(letter("a@example.com", "<b>Subject</b>", html="<script>alert(1)</script>"))
        (mail,) = control.get("mail")["items"]
        listing, page = (control.http.get(f"{control.url}/mailbox{path}").text for path in ("", f"/{mail['id']}"))
        assert "<b>Subject" not in listing + page
        assert "<script>" not in page
        html = control.http.get(f"{control.url}/mailbox/{mail['id']}/html")
        policy = html.headers["content-security-policy"]
        assert "sandbox " in policy
        assert "allow-scripts" not in policy
        assert '<a href="http://shop.example/c" rel="noreferrer">' in page
