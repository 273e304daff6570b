"""Mail as rows: whoever writes to a person queues a letter in its own transaction, so a letter
leaves exactly when what it speaks of is durable. A transport empties the queue elsewhere.

Knows neither what letters say nor how they are delivered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)

from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

SUBJECT_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 20_000
ATTACHMENT_BYTES_MAX = 2 * 1024 * 1024
NUM_LISTED_MAX = 200
NUM_TRIES_MAX = 12
"""With the waits between them, most of a day."""
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=4)
ERROR_LENGTH_MAX = 300
KEPT_FOR = timedelta(days=90)

mails = Table(
    "mails",
    metadata,
    Column("id", Text, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("num_tries", Integer, nullable=False, server_default="0"),
    Column("next_try_at", Instant),
    Column("error", Text),
    Index(None, "created_at"),
)

mail_attachments = Table(
    "mail_attachments",
    metadata,
    Column("mail_id", Text, ForeignKey("mails.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""A PDF that goes with a letter, kept until it is delivered or given up."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A PDF."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be said, before anyone is told."""

    recipient: str
    subject: str
    text: str
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter in the outbox."""

    id: str
    recipient: str
    subject: str
    text: str
    created_at: datetime
    sent_at: datetime | None = None
    num_tries: int = 0
    next_try_at: datetime | None = None
    error: str | None = None
    """What the mail server said at the last try that failed."""
    attachment: Attachment | None = None
    """Only where the letter is handed over; lists of letters do not carry it."""

    @property
    def is_given_up(self) -> bool:
        return self.sent_at is None and self.num_tries >= NUM_TRIES_MAX


class DeliveryError(Exception):
    """The letter could not be handed over now; a later try may succeed."""


class UndeliverableError(DeliveryError):
    """The mail server will never take this letter."""


class MailTransport(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand the letter over. DeliveryError when that failed."""
        ...


def queue_mail(conn: Connection, letter: Letter, now: datetime) -> Mail:
    """Put a letter in the outbox. InvalidRequestError for a recipient or subject that would add
    header lines of its own, or for more text than a letter holds."""
    _check_header(letter.recipient, "recipient")
    _check_header(letter.subject, "subject")
    if len(letter.text) > TEXT_LENGTH_MAX:
        raise InvalidRequestError(f"a letter has at most {TEXT_LENGTH_MAX} characters")
    mail = Mail(new_id("mail"), letter.recipient, letter.subject, letter.text, now)
    conn.execute(insert(mails).values({name: getattr(mail, name) for name in _NAMES}))
    if letter.attachment is not None:
        _attach(conn, mail.id, letter.attachment)
    return mail


def _attach(conn: Connection, mail_id: str, attachment: Attachment) -> None:
    _check_header(attachment.name, "attachment's name")
    if len(attachment.content) > ATTACHMENT_BYTES_MAX:
        raise InvalidRequestError(f"an attachment has at most {ATTACHMENT_BYTES_MAX} bytes")
    row = {"mail_id": mail_id, "name": attachment.name, "content": attachment.content}
    conn.execute(insert(mail_attachments).values(row))


def list_mails(conn: Connection, *, limit: int = NUM_LISTED_MAX) -> list[Mail]:
    """Newest first."""
    query = select(*_COLUMNS).order_by(mails.c.created_at.desc(), mails.c.id)
    return [_mail_from_row(row) for row in conn.execute(query.limit(min(limit, NUM_LISTED_MAX)))]


def claim_mails(conn: Connection, now: datetime, *, limit: int = 20) -> list[Mail]:
    """What a transport tries next, oldest first. A claimed letter is not due again before its next
    wait is over, so that no two processes send it at once and a dead one's letters go out later."""
    is_due = or_(mails.c.next_try_at.is_(None), mails.c.next_try_at <= now)
    query = select(*_COLUMNS).where(
        mails.c.sent_at.is_(None), mails.c.num_tries < NUM_TRIES_MAX, is_due
    )
    due = conn.execute(query.order_by(mails.c.created_at, mails.c.id).limit(limit)).all()
    claimed = [mail for mail in map(_mail_from_row, due) if _claim(conn, mail, now)]
    attached = _attachments(conn, [mail.id for mail in claimed])
    return [replace(mail, attachment=attached.get(mail.id)) for mail in claimed]


def _attachments(conn: Connection, mail_ids: list[str]) -> dict[str, Attachment]:
    query = select(mail_attachments).where(mail_attachments.c.mail_id.in_(mail_ids))
    return {row.mail_id: Attachment(row.name, bytes(row.content)) for row in conn.execute(query)}


def _claim(conn: Connection, mail: Mail, now: datetime) -> bool:
    wait = min(FIRST_WAIT * 2**mail.num_tries, LONGEST_WAIT)
    unclaimed = update(mails).where(mails.c.id == mail.id, mails.c.num_tries == mail.num_tries)
    claimed = unclaimed.values(num_tries=mail.num_tries + 1, next_try_at=now + wait)
    return conn.execute(claimed).rowcount == 1


def mark_sent(conn: Connection, mail_id: str, now: datetime) -> None:
    """Delivered. Its text may hold a code, so only its heading is kept."""
    sent = update(mails).where(mails.c.id == mail_id, mails.c.sent_at.is_(None))
    conn.execute(sent.values(sent_at=now, text="", error=None))
    _detach(conn, mail_id)


def mark_failed(conn: Connection, mail_id: str, error: str, *, is_final: bool) -> None:
    """Not delivered, and why; after a final failure it is not tried again."""
    text = "".join(letter for letter in error if letter.isprintable())[:ERROR_LENGTH_MAX]
    values = {"error": text} | ({"num_tries": NUM_TRIES_MAX, "text": ""} if is_final else {})
    conn.execute(update(mails).where(mails.c.id == mail_id).values(values))
    if is_final:
        _detach(conn, mail_id)


def _detach(conn: Connection, mail_id: str) -> None:
    conn.execute(delete(mail_attachments).where(mail_attachments.c.mail_id == mail_id))


def sweep_mails(conn: Connection, now: datetime) -> int:
    """Forget old letters, sent or not; how many there were."""
    is_old = mails.c.created_at <= now - KEPT_FOR
    old = select(mails.c.id).where(is_old)
    conn.execute(delete(mail_attachments).where(mail_attachments.c.mail_id.in_(old)))
    return conn.execute(delete(mails).where(is_old)).rowcount


def _check_header(value: str, name: str) -> None:
    if not value or len(value) > SUBJECT_LENGTH_MAX + 100 or not value.isprintable():
        raise InvalidRequestError(f"a letter's {name} is one printable line")


_NAMES = [name for name in Mail.__slots__ if name != "attachment"]
_COLUMNS = [mails.c[name] for name in _NAMES]


def _mail_from_row(row: Row[Any]) -> Mail:
    return Mail(*tuple(row))
