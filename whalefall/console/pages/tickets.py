"""Tickets, from both sides, and the appeal of someone who cannot sign in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.profiles import get_profile
from whalefall.accounts.throttles import Limit, may_try
from whalefall.accounts.tickets import (
    NewTicket,
    Ticket,
    TicketKind,
    TicketMessage,
    close_ticket,
    get_ticket,
    list_tickets,
    open_ticket,
    reply_to_ticket,
    ticket_messages_of,
)
from whalefall.accounts.users import find_user
from whalefall.base.errors import RateLimitedError
from whalefall.base.mail import queue_mail
from whalefall.console.forms import NoFields
from whalefall.console.language import Catalog, Language, mark
from whalefall.console.letters import ticket_letter
from whalefall.console.pages.sign_in import TOO_MANY_TRIES
from whalefall.console.pages.sign_up import checked_address
from whalefall.console.routing import Action, View
from whalefall.console.session import Standing, Visit

PER_PERSON = Limit("ticket_person", 20, timedelta(hours=1))
APPEALS_PER_ADDRESS = Limit("appeal_address", 5, timedelta(hours=1))
Id = Annotated[str, msgspec.Meta(max_length=64)]
Catalogs = Mapping[Language, Catalog]


class OpenTicket(msgspec.Struct, frozen=True):
    kind: TicketKind = TicketKind.OTHER
    subject: str = ""
    text: str = ""


class Appeal(msgspec.Struct, frozen=True):
    email: str = ""
    text: str = ""


class TicketId(msgspec.Struct, frozen=True):
    ticket_id: Id


class Reply(msgspec.Struct, frozen=True):
    ticket_id: Id
    text: str = ""


@dataclass(frozen=True, slots=True)
class TicketsPage:
    tickets: tuple[Ticket, ...]
    kinds: tuple[TicketKind, ...]
    is_operators: bool


@dataclass(frozen=True, slots=True)
class TicketPage:
    ticket: Ticket
    messages: tuple[TicketMessage, ...]
    is_operators: bool


@dataclass(frozen=True, slots=True)
class Received:
    """An appeal has arrived; the same whether the address has an account or not."""

    email: str


async def load_tickets(visit: Visit, _query: NoFields) -> TicketsPage:
    found = await visit.database.read(list_tickets, user_id=visit.person.id)
    return TicketsPage(tuple(found), tuple(TicketKind), False)


async def load_all_tickets(visit: Visit, _query: NoFields) -> TicketsPage:
    found = await visit.database.read(list_tickets)
    return TicketsPage(tuple(found), tuple(TicketKind), True)


async def load_ticket(visit: Visit, query: TicketId) -> TicketPage:
    return await visit.database.read(_ticket_page, query.ticket_id, visit.person.id)


async def load_any_ticket(visit: Visit, query: TicketId) -> TicketPage:
    return await visit.database.read(_ticket_page, query.ticket_id, None)


async def load_appeal(_visit: Visit, _query: NoFields) -> None:
    return None


async def open_new(visit: Visit, fields: OpenTicket) -> Ticket:
    if not await visit.database.write(may_try, PER_PERSON, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    new = NewTicket(visit.person.id, visit.person.email, fields.kind, fields.subject, fields.text)
    return await visit.database.write(_open, visit.actor, new, visit.now)


async def appeal(visit: Visit, fields: Appeal) -> Received:
    email = checked_address(fields.email)
    if not await visit.database.write(may_try, APPEALS_PER_ADDRESS, visit.address, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    await visit.database.write(_appeal, visit.actor, email, fields.text, visit.now)
    return Received(email)


async def reply(visit: Visit, fields: Reply) -> None:
    if not await visit.database.write(may_try, PER_PERSON, visit.person.id, visit.now):
        raise RateLimitedError(TOO_MANY_TRIES)
    await visit.database.write(_reply, visit.person.id, fields, visit.now)


async def answer(visit: Visit, fields: Reply) -> None:
    await visit.database.write(_answer, visit.actor, fields, visit.console.catalogs, visit.now)


async def close(visit: Visit, fields: TicketId) -> None:
    await visit.database.write(_close, fields.ticket_id, visit.person.id, visit.now)


async def close_any(visit: Visit, fields: TicketId) -> None:
    await visit.database.write(_close_any, visit.actor, fields.ticket_id, visit.now)


def _ticket_page(conn: Connection, ticket_id: str, user_id: str | None) -> TicketPage:
    ticket = get_ticket(conn, ticket_id, user_id=user_id)
    return TicketPage(ticket, tuple(ticket_messages_of(conn, ticket_id)), user_id is None)


def _open(conn: Connection, actor: Actor, new: NewTicket, now: datetime) -> Ticket:
    ticket = open_ticket(conn, new, now)
    record_action(conn, actor, "ticket.opened", ticket.id, now, ticket.kind)
    return ticket


def _appeal(conn: Connection, actor: Actor, email: str, text: str, now: datetime) -> None:
    user = find_user(conn, email)
    new = NewTicket(
        user.id if user else None, email, TicketKind.APPEAL, "Appeal against a suspension", text
    )
    _open(conn, actor, new, now)


def _reply(conn: Connection, user_id: str, fields: Reply, now: datetime) -> None:
    get_ticket(conn, fields.ticket_id, user_id=user_id)
    reply_to_ticket(conn, fields.ticket_id, fields.text, now, is_from_operator=False)


def _answer(
    conn: Connection, actor: Actor, fields: Reply, catalogs: Catalogs, now: datetime
) -> None:
    """The letter is in the language of the ticket's writer, as far as it is known."""
    ticket = get_ticket(conn, fields.ticket_id)
    reply_to_ticket(conn, ticket.id, fields.text, now, is_from_operator=True)
    chosen = get_profile(conn, ticket.user_id).language if ticket.user_id else None
    is_chinese = chosen == Language.CHINESE.value
    catalog = catalogs[Language.CHINESE if is_chinese else Language.ENGLISH]
    queue_mail(conn, ticket_letter(catalog, ticket.email, ticket.subject, fields.text), now)
    record_action(conn, actor, "ticket.answered", ticket.id, now)


def _close(conn: Connection, ticket_id: str, user_id: str | None, now: datetime) -> None:
    get_ticket(conn, ticket_id, user_id=user_id)
    close_ticket(conn, ticket_id, now)


def _close_any(conn: Connection, actor: Actor, ticket_id: str, now: datetime) -> None:
    _close(conn, ticket_id, None, now)
    record_action(conn, actor, "ticket.closed", ticket_id, now)


TICKETS = View("/tickets", "tickets.html", load_tickets, "The user's tickets.")
TICKET = View("/tickets/{ticket_id}", "ticket.html", load_ticket, "One ticket.", query=TicketId)
ALL_TICKETS = View(
    "/operator/tickets",
    "tickets.html",
    load_all_tickets,
    "Everybody's tickets.",
    standing=Standing.OPERATOR,
)
ANY_TICKET = View(
    "/operator/tickets/{ticket_id}",
    "ticket.html",
    load_any_ticket,
    "One ticket of anybody.",
    query=TicketId,
    standing=Standing.OPERATOR,
)
APPEAL = View(
    "/appeal",
    "appeal.html",
    load_appeal,
    "Nothing; an appeal is a call of its own.",
    standing=Standing.VISITOR,
)
KIND_NAMES = {
    TicketKind.APPEAL: mark("Appeal"),
    TicketKind.REFUND: mark("Refund"),
    TicketKind.AGREEMENT: mark("Agreement"),
    TicketKind.OTHER: mark("Something else"),
}

VIEWS = (TICKETS, TICKET, ALL_TICKETS, ANY_TICKET, APPEAL)
ACTIONS = (
    Action(
        "/tickets",
        open_new,
        TICKETS,
        "Open a ticket.",
        fields=OpenTicket,
        then="/tickets?notice=ticket_opened",
    ),
    Action(
        "/tickets/{ticket_id}/reply",
        reply,
        TICKET,
        "Write more; opens a closed ticket again.",
        fields=Reply,
        then="/tickets/{ticket_id}?notice=ticket_replied",
    ),
    Action(
        "/tickets/{ticket_id}/close",
        close,
        TICKET,
        "Close a ticket.",
        fields=TicketId,
        then="/tickets?notice=ticket_closed",
    ),
    Action(
        "/operator/tickets/{ticket_id}/reply",
        answer,
        ANY_TICKET,
        "Answer a ticket; a letter goes to its writer.",
        fields=Reply,
        then="/operator/tickets/{ticket_id}?notice=ticket_replied",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/operator/tickets/{ticket_id}/close",
        close_any,
        ANY_TICKET,
        "Close anybody's ticket.",
        fields=TicketId,
        then="/operator/tickets?notice=ticket_closed",
        standing=Standing.OPERATOR,
    ),
    Action(
        "/appeal",
        appeal,
        APPEAL,
        "Appeal against a suspension.",
        fields=Appeal,
        standing=Standing.VISITOR,
    ),
)
