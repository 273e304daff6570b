"""Mail as rows: whoever writes to a person queues a letter in its own transaction, so a letter
leaves exactly when what it speaks of is durable. A transport empties the queue elsewhere.

Knows neither what letters say nor how they are delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, Row, Table, Text, insert, select, update

from whalefall.base.errors import InvalidRequestError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

SUBJECT_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 20_000
NUM_LISTED_MAX = 200

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


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be said, before anyone is told."""

    recipient: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter in the outbox."""

    id: str
    recipient: str
    subject: str
    text: str
    created_at: datetime
    sent_at: datetime | None = None


def queue_mail(conn: Connection, letter: Letter, now: datetime) -> Mail:
    """Put a letter in the outbox. InvalidRequestError for a recipient or subject that would add
    header lines of its own, or for more text than a letter holds."""
    _check_header(letter.recipient, "recipient")
    _check_header(letter.subject, "subject")
    if len(letter.text) > TEXT_LENGTH_MAX:
        raise InvalidRequestError(f"a letter has at most {TEXT_LENGTH_MAX} characters")
    mail = Mail(new_id("mail"), letter.recipient, letter.subject, letter.text, now)
    conn.execute(insert(mails).values({name: getattr(mail, name) for name in Mail.__slots__}))
    return mail


def list_mails(conn: Connection, *, limit: int = NUM_LISTED_MAX) -> list[Mail]:
    """Newest first."""
    query = select(*_COLUMNS).order_by(mails.c.created_at.desc(), mails.c.id)
    return [_mail_from_row(row) for row in conn.execute(query.limit(min(limit, NUM_LISTED_MAX)))]


def unsent_mails(conn: Connection, *, limit: int = 20) -> list[Mail]:
    """Oldest first: what a transport takes next."""
    query = select(*_COLUMNS).where(mails.c.sent_at.is_(None)).order_by(mails.c.created_at)
    return [_mail_from_row(row) for row in conn.execute(query.limit(limit))]


def mark_sent(conn: Connection, mail_id: str, now: datetime) -> None:
    """Delivered. Its text may hold a code, so only its heading is kept."""
    sent = update(mails).where(mails.c.id == mail_id, mails.c.sent_at.is_(None))
    conn.execute(sent.values(sent_at=now, text=""))


def _check_header(value: str, name: str) -> None:
    if not value or len(value) > SUBJECT_LENGTH_MAX + 100 or not value.isprintable():
        raise InvalidRequestError(f"a letter's {name} is one printable line")


_COLUMNS = [mails.c[name] for name in Mail.__slots__]


def _mail_from_row(row: Row[Any]) -> Mail:
    return Mail(*tuple(row))
