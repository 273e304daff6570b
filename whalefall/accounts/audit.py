"""The audit log: who did what to whom, from where, when. Rows are only ever added; only the address
of a person whose account is deleted is taken out of them, and the id stays.

An entry names things by id and carries no secret, no code, no key and no letter's text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Row,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)

from whalefall.base.ids import new_id
from whalefall.base.tables import Instant, metadata

NUM_LISTED_MAX = 200
DETAIL_LENGTH_MAX = 500

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("actor_id", Text),
    Column("actor_email", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "created_at"),
    Index(None, "actor_id", "created_at"),
    Index(None, "subject", "created_at"),
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever did it. `id` is None for someone not signed in and for the command line."""

    id: str | None
    email: str
    address: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: str
    created_at: datetime
    actor_id: str | None
    actor_email: str
    address: str
    action: str
    """A noun and a past participle: `api_key.revoked`."""
    subject: str
    """The id of what it was done to."""
    detail: str


def record_action(
    conn: Connection, actor: Actor, action: str, subject: str, now: datetime, detail: str = ""
) -> None:
    """Add an entry, in the transaction of what it tells of."""
    entry = AuditEntry(
        id=new_id("audit"),
        created_at=now,
        actor_id=actor.id,
        actor_email=actor.email,
        address=actor.address,
        action=action,
        subject=subject,
        detail=detail[:DETAIL_LENGTH_MAX],
    )
    values = {name: getattr(entry, name) for name in AuditEntry.__slots__}
    conn.execute(insert(audit_entries).values(values))


def forget_actor_email(
    conn: Connection, user_id: str, email: str, stand_in: str, subjects: Sequence[str]
) -> None:
    """Put `stand_in` where the person's address stands: as the one who did it, or as somebody not
    signed in who did it to this user or to one of the `subjects`."""
    theirs = or_(
        audit_entries.c.actor_id == user_id, audit_entries.c.subject.in_([user_id, *subjects])
    )
    mine = update(audit_entries).where(theirs, func.lower(audit_entries.c.actor_email) == email)
    conn.execute(mine.values(actor_email=stand_in))


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; what is left empty does not matter."""

    actor: str = ""
    """Part of the address of whoever did it, taken literally."""
    action: str = ""
    """The beginning of an action, such as `api_key.`."""
    before: datetime | None = None
    """Only older ones."""


def list_actions(
    conn: Connection,
    *,
    subject: str | None = None,
    wanted: AuditFilter | None = None,
    limit: int = NUM_LISTED_MAX,
) -> list[AuditEntry]:
    """Newest first; of one subject or of all."""
    query = select(*_COLUMNS).order_by(audit_entries.c.created_at.desc(), audit_entries.c.id)
    if subject is not None:
        query = query.where(audit_entries.c.subject == subject)
    if wanted is not None and wanted.actor:
        query = query.where(audit_entries.c.actor_email.icontains(wanted.actor, autoescape=True))
    if wanted is not None and wanted.action:
        query = query.where(audit_entries.c.action.startswith(wanted.action, autoescape=True))
    if wanted is not None and wanted.before is not None:
        query = query.where(audit_entries.c.created_at < wanted.before)
    rows = conn.execute(query.limit(min(limit, NUM_LISTED_MAX)))
    return [_entry_from_row(row) for row in rows]


_COLUMNS = [audit_entries.c[name] for name in AuditEntry.__slots__]


def _entry_from_row(row: Row[Any]) -> AuditEntry:
    return AuditEntry(*tuple(row))
