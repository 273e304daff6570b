"""Tickets: a person asks, an operator answers, until one of them closes it. An appeal may come from
someone who cannot sign in, so a ticket names an address and perhaps a user."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Row,
    Table,
    Text,
    and_,
    insert,
    or_,
    select,
    update,
)

from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

SUBJECT_LENGTH_MAX = 120
TEXT_LENGTH_MAX = 10_000
NUM_MESSAGES_MAX = 200
NUM_LISTED_MAX = 200


class TicketKind(enum.StrEnum):
    APPEAL = "appeal"
    REFUND = "refund"
    AGREEMENT = "agreement"
    OTHER = "other"


tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("email", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index(None, "user_id"),
    Index(None, "updated_at"),
)

ticket_messages = Table(
    "ticket_messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("ticket_id", Text, ForeignKey("tickets.id"), nullable=False),
    Column("is_from_operator", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "ticket_id", "created_at"),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    id: str
    user_id: str | None
    email: str
    kind: TicketKind
    subject: str
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TicketMessage:
    id: str
    is_from_operator: bool
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewTicket:
    user_id: str | None
    email: str
    kind: TicketKind
    subject: str
    text: str


def open_ticket(conn: Connection, new: NewTicket, now: datetime) -> Ticket:
    """InvalidRequestError for an empty or overlong subject or text."""
    subject = new.subject.strip()
    if not 1 <= len(subject) <= SUBJECT_LENGTH_MAX or not subject.isprintable():
        raise InvalidRequestError(ODD_SUBJECT)
    ticket = Ticket(new_id("ticket"), new.user_id, new.email, new.kind, subject, now, now)
    values = {name: getattr(ticket, name) for name in Ticket.__slots__}
    conn.execute(insert(tickets).values(**{**values, "kind": new.kind.value}))
    _add(conn, ticket.id, new.text, now, is_from_operator=False)
    return ticket


def reply_to_ticket(
    conn: Connection, ticket_id: str, text: str, now: datetime, *, is_from_operator: bool
) -> None:
    """A reply opens a closed ticket again."""
    if len(ticket_messages_of(conn, ticket_id)) >= NUM_MESSAGES_MAX:
        raise InvalidRequestError(TOO_LONG)
    _add(conn, ticket_id, text, now, is_from_operator=is_from_operator)
    mine = update(tickets).where(tickets.c.id == ticket_id)
    conn.execute(mine.values(updated_at=now, closed_at=None))


def close_ticket(conn: Connection, ticket_id: str, now: datetime) -> None:
    mine = update(tickets).where(tickets.c.id == ticket_id)
    conn.execute(mine.values(updated_at=now, closed_at=now))


def get_ticket(conn: Connection, ticket_id: str, *, user_id: str | None = None) -> Ticket:
    """NotFoundError for an unknown id and, with `user_id`, for anyone else's ticket."""
    query = select(*_COLUMNS).where(tickets.c.id == ticket_id)
    if user_id is not None:
        query = query.where(tickets.c.user_id == user_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no ticket {ticket_id}")
    return _ticket_from_row(row)


def ticket_messages_of(conn: Connection, ticket_id: str) -> list[TicketMessage]:
    """Oldest first."""
    columns = [ticket_messages.c[name] for name in TicketMessage.__slots__]
    query = select(*columns).where(ticket_messages.c.ticket_id == ticket_id)
    ordered = query.order_by(ticket_messages.c.created_at, ticket_messages.c.id)
    return [TicketMessage(*tuple(row)) for row in conn.execute(ordered.limit(NUM_MESSAGES_MAX))]


def list_tickets(conn: Connection, *, user_id: str | None = None) -> list[Ticket]:
    """Open ones first, then by last change; of one user or of all."""
    query = select(*_COLUMNS)
    if user_id is not None:
        query = query.where(tickets.c.user_id == user_id)
    ordered = query.order_by(
        tickets.c.closed_at.is_not(None), tickets.c.updated_at.desc(), tickets.c.id
    )
    return [_ticket_from_row(row) for row in conn.execute(ordered.limit(NUM_LISTED_MAX))]


def forget_email(conn: Connection, user_id: str, email: str, stand_in: str) -> list[str]:
    """Put `stand_in` where the person's address stands in their tickets, in the words too; those
    opened without signing in are found by the address. What was said stays, for money may have
    moved because of it. Returns the tickets' ids."""
    theirs = or_(
        tickets.c.user_id == user_id, and_(tickets.c.user_id.is_(None), tickets.c.email == email)
    )
    address = re.compile(re.escape(email), re.IGNORECASE)
    found = [_ticket_from_row(row) for row in conn.execute(select(*_COLUMNS).where(theirs))]
    for ticket in found:
        mine = update(tickets).where(tickets.c.id == ticket.id)
        conn.execute(mine.values(email=stand_in, subject=address.sub(stand_in, ticket.subject)))
        for said in ticket_messages_of(conn, ticket.id):
            if address.search(said.text):
                message = update(ticket_messages).where(ticket_messages.c.id == said.id)
                conn.execute(message.values(text=address.sub(stand_in, said.text)))
    return [ticket.id for ticket in found]


ODD_SUBJECT = "A ticket's subject is one line of 1 to 120 characters."
ODD_TEXT = "A message has 1 to 10,000 characters."
TOO_LONG = "This ticket is very long by now. Please open a new one."

_COLUMNS = [tickets.c[name] for name in Ticket.__slots__]


def _add(
    conn: Connection, ticket_id: str, text: str, now: datetime, *, is_from_operator: bool
) -> None:
    stripped = text.strip()
    if not 1 <= len(stripped) <= TEXT_LENGTH_MAX:
        raise InvalidRequestError(ODD_TEXT)
    row = {
        "id": new_id("tmsg"),
        "ticket_id": ticket_id,
        "is_from_operator": is_from_operator,
        "text": stripped,
        "created_at": now,
    }
    conn.execute(insert(ticket_messages).values(row))


def _ticket_from_row(row: Row[Any]) -> Ticket:
    identifier, user_id, email, kind, *rest = tuple(row)
    return Ticket(identifier, user_id, email, TicketKind(kind), *rest)
