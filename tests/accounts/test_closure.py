"""What a deleted account leaves behind: its id, and nobody's address."""

from __future__ import annotations

import dataclasses

from sqlalchemy import Connection, text

from tests.support.fake_clock import FakeClock
from whalefall.accounts.audit import Actor, list_actions, record_action
from whalefall.accounts.closure import close_account, closed_email
from whalefall.accounts.tickets import (
    NewTicket,
    TicketKind,
    get_ticket,
    open_ticket,
    reply_to_ticket,
    ticket_messages_of,
)
from whalefall.accounts.users import create_user
from whalefall.base.db import Database

EMAIL = "ann.o'hara+x@example.org"


def everything(conn: Connection, *tables: str) -> str:
    return "\n".join(
        str(tuple(row)) for table in tables for row in conn.execute(text(f"SELECT * FROM {table}"))
    )


def test_address_is_gone_from_tickets_and_audit_and_ids_stay(
    database: Database, clock: FakeClock
) -> None:
    now = clock.now()
    ann = database.run(create_user, email=EMAIL, now=now)
    ben = database.run(create_user, email="ben@example.org", now=now)
    new = NewTicket(ann.id, EMAIL, TicketKind.REFUND, f"Refund to {EMAIL}", "Please.")
    refund = database.run(open_ticket, new, now)
    said = f"I wrote to {EMAIL.upper()} twice."
    database.run(reply_to_ticket, refund.id, said, now, is_from_operator=True)
    appeal = database.run(
        open_ticket, dataclasses.replace(new, user_id=None, kind=TicketKind.APPEAL), now
    )
    other = database.run(
        open_ticket, NewTicket(ben.id, ben.email, TicketKind.OTHER, "Hello", "Who is there?"), now
    )
    stranger = database.run(
        open_ticket, NewTicket(None, "x" + EMAIL, TicketKind.APPEAL, "Mine", "I am another."), now
    )
    for actor, subject in (
        (Actor(ann.id, EMAIL, "192.0.2.1"), "login_1"),
        (Actor(None, EMAIL, "192.0.2.1"), ann.id),
        (Actor(None, EMAIL.title(), "192.0.2.1"), ann.id),
        (Actor(None, EMAIL, "192.0.2.1"), appeal.id),
        (Actor(ben.id, ben.email, "192.0.2.2"), ann.id),
    ):
        database.run(record_action, actor, "test.done", subject, now)
    assert EMAIL in database.run_read(everything, "tickets", "audit_entries")

    database.run(close_account, ann.id, now)

    told = database.run_read(everything, "tickets", "ticket_messages", "audit_entries", "users")
    assert EMAIL not in told.lower().replace("x" + EMAIL, "")
    for ticket in (refund, appeal):
        kept = database.run_read(get_ticket, ticket.id)
        assert (kept.user_id, kept.email) == (ticket.user_id, closed_email(ann.id))
        assert kept.subject == f"Refund to {closed_email(ann.id)}"
    texts = [message.text for message in database.run_read(ticket_messages_of, refund.id)]
    assert set(texts) == {"Please.", f"I wrote to {closed_email(ann.id)} twice."}
    assert database.run_read(get_ticket, other.id) == other
    assert database.run_read(get_ticket, stranger.id) == stranger
    entries = database.run_read(list_actions)
    assert {entry.actor_email for entry in entries} == {closed_email(ann.id), ben.email}
    assert {entry.actor_id for entry in entries} == {ann.id, None, ben.id}
    assert len(entries) == 5
