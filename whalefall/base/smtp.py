"""Letters over SMTP: a connection per letter, encrypted unless told otherwise, never downgraded."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

import aiosmtplib

from whalefall.base.mail import DeliveryError, Mail, UndeliverableError

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    """starttls: the connection is encrypted before anything is said, or not used at all."""
    sender: str
    """`Whalefall <no-reply@example.org>`."""
    username: str = ""
    password: str = field(default="", repr=False)


class SmtpTransport:
    """Implements base.mail.MailTransport."""

    def __init__(self, server: SmtpServer, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._server = server
        self._timeout_seconds = timeout_seconds

    async def send(self, mail: Mail) -> None:
        server = self._server
        try:
            await aiosmtplib.send(
                message_from(mail, server.sender),
                hostname=server.host,
                port=server.port,
                username=server.username or None,
                password=server.password or None,
                use_tls=server.security == "tls",
                start_tls=server.security == "starttls",
                timeout=self._timeout_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            raise _failure(codes, "; ".join(str(each) for each in error.recipients)) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"the mail server refused the sign-in: {error.code}") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _failure([error.code], f"{error.code} {error.message}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}") from None


def message_from(mail: Mail, sender: str) -> EmailMessage:
    """The letter as it travels. Its id makes a second copy, sent after a crash, recognisable."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = f"<{mail.id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.attachment is not None:
        message.add_attachment(
            mail.attachment.content,
            maintype="application",
            subtype="pdf",
            filename=mail.attachment.name,
        )
    return message


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].rstrip("> ") or "localhost"


def _failure(codes: list[int], text: str) -> DeliveryError:
    is_final = all(500 <= code < 600 for code in codes)
    return UndeliverableError(text) if is_final else DeliveryError(text)
