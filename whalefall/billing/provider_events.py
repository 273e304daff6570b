"""What payment providers told us, each thing once, and what became of it.

An event whose payment is not here yet waits for it; one that does not fit is kept as refused, for
the operator to see. The body itself is not kept, only its digest."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Table,
    Text,
    insert,
    select,
    update,
)

from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.payments.base import EventKind, ProviderEvent
from whalefall.billing.top_ups import TopUpSource
from whalefall.billing.transfers import NOTE_LENGTH_MAX

NUM_LISTED_MAX = 200


class EventState(enum.StrEnum):
    APPLIED = "applied"
    WAITING = "waiting"
    """For the payment that it is about."""
    REFUSED = "refused"
    """It does not fit what we know; `problem` says why. Nothing was moved."""
    IGNORED = "ignored"
    """Nothing follows from it."""


provider_events = Table(
    "provider_events",
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("top_up_id", Text, nullable=False),
    Column("provider_reference", Text, nullable=False),
    Column("refund_id", Text, nullable=False),
    Column("currency", Text),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("problem", Text, nullable=False),
    CheckConstraint("state IN ('applied', 'waiting', 'refused', 'ignored')", name="state_known"),
    Index(None, "top_up_id"),
    Index(None, "state", "received_at"),
)


@dataclass(frozen=True, slots=True)
class NotedEvent:
    event: ProviderEvent
    received_at: datetime
    state: EventState
    problem: str


def find_event(conn: Connection, source: TopUpSource, event_id: str) -> NotedEvent | None:
    query = select(provider_events).where(
        provider_events.c.source == source.value, provider_events.c.event_id == event_id
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else _noted_from_row(row)


def note_event(conn: Connection, noted: NotedEvent, body: bytes) -> None:
    """Keep it. The database refuses the same event a second time."""
    event = noted.event
    conn.execute(
        insert(provider_events).values(
            source=event.source.value,
            event_id=event.event_id,
            kind=event.kind.value,
            top_up_id=event.top_up_id,
            provider_reference=event.provider_reference,
            refund_id=event.refund_id,
            currency=event.currency.value if event.currency else None,
            amount_nanos=event.amount_nanos,
            digest=hashlib.sha256(body).hexdigest(),
            received_at=noted.received_at,
            state=noted.state.value,
            problem=noted.problem[:NOTE_LENGTH_MAX],
        )
    )


def set_event_state(
    conn: Connection, event: ProviderEvent, state: EventState, problem: str = ""
) -> None:
    is_it = (provider_events.c.source == event.source.value) & (
        provider_events.c.event_id == event.event_id
    )
    values = {"state": state.value, "problem": problem[:NOTE_LENGTH_MAX]}
    conn.execute(update(provider_events).where(is_it).values(values))


def list_events(
    conn: Connection, state: EventState, *, limit: int = NUM_LISTED_MAX
) -> list[NotedEvent]:
    """Oldest first: the order in which they were told."""
    query = select(provider_events).where(provider_events.c.state == state.value)
    ordered = query.order_by(provider_events.c.received_at, provider_events.c.event_id)
    return [_noted_from_row(row) for row in conn.execute(ordered.limit(limit))]


def _noted_from_row(row: object) -> NotedEvent:
    names = (*ProviderEvent.__slots__, *NotedEvent.__slots__)
    values = {name: getattr(row, name) for name in names if name != "event"}
    values["source"] = TopUpSource(values["source"])
    values["kind"] = EventKind(values["kind"])
    values["currency"] = Currency(values["currency"]) if values["currency"] else None
    event = ProviderEvent(**{name: values[name] for name in ProviderEvent.__slots__})
    return NotedEvent(event, values["received_at"], EventState(values["state"]), values["problem"])
