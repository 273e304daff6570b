"""Letters on their way to a real mail server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.mail_server import MailServer, mail_server
from whalefall.base.mail import DeliveryError, Mail, UndeliverableError
from whalefall.base.smtp import SmtpServer, SmtpTransport, message_from

SENDER = "Whalefall <no-reply@whalefall.test>"
LETTER = Mail(
    "mail_1",
    "ann@example.org",
    "Your code 验证码",
    "123456\n.\nFrom here on\n",
    datetime(2026, 1, 15, tzinfo=UTC),
)


def transport_to(server: MailServer, security: str = "none") -> SmtpTransport:
    known = {"none": "none", "starttls": "starttls"}[security]
    return SmtpTransport(SmtpServer("127.0.0.1", server.port, known, SENDER), timeout_seconds=5)  # type: ignore[arg-type]


async def test_a_letter_arrives_as_it_was_written() -> None:
    async with mail_server() as server:
        await transport_to(server).send(LETTER)
    (found,) = server.letters
    assert (found["To"], found["From"], found["Subject"]) == (
        LETTER.recipient,
        SENDER,
        LETTER.subject,
    )
    assert found["Message-ID"] == "<mail_1@whalefall.test>"
    assert found["Date"] == "Thu, 15 Jan 2026 00:00:00 +0000"
    assert found.get_content().replace("\r\n", "\n") == LETTER.text
    assert "no-reply@whalefall.test" in server.senders[0]


@pytest.mark.parametrize(
    ("refusal", "is_final"), [("550 no such user", True), ("451 come back later", False)]
)
async def test_a_refusal_is_final_or_not(refusal: str, is_final: bool) -> None:
    async with mail_server() as server:
        server.refusal = refusal
        with pytest.raises(DeliveryError, match=refusal[:3]) as caught:
            await transport_to(server).send(LETTER)
    assert isinstance(caught.value, UndeliverableError) is is_final
    assert server.letters == []


async def test_a_server_that_is_not_there_or_silent_is_tried_later() -> None:
    async with mail_server() as server:
        server.says_hello = False
        silent = SmtpServer("127.0.0.1", server.port, "none", SENDER)
        with pytest.raises(DeliveryError):
            await SmtpTransport(silent, timeout_seconds=0.2).send(LETTER)
    nowhere = SmtpServer("127.0.0.1", 1, "none", SENDER)
    with pytest.raises(DeliveryError):
        await SmtpTransport(nowhere).send(LETTER)


async def test_nothing_is_said_without_encryption_when_it_is_asked_for() -> None:
    """The server offers no STARTTLS: no sender, no recipient, no letter goes over the wire."""
    async with mail_server() as server:
        with pytest.raises(DeliveryError):
            await transport_to(server, "starttls").send(LETTER)
    assert (server.senders, server.recipients, server.letters) == ([], [], [])


def test_a_recipient_cannot_add_a_header() -> None:
    mail = Mail("mail_1", "ann@example.org\nBcc: eve@evil.example", "hi", "text", LETTER.created_at)
    with pytest.raises(ValueError, match="linefeed"):
        message_from(mail, SENDER)


def test_the_password_is_not_in_what_logs_show() -> None:
    assert "secret" not in repr(SmtpServer("mail", 25, "tls", SENDER, "me", "the secret"))
