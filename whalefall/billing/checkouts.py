"""How an order is paid at its provider, and when the provider is asked next whether it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, Table, Text, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.tables import Instant, metadata
from whalefall.billing.payments.base import Checkout
from whalefall.billing.transfers import NOTE_LENGTH_MAX

checkouts = Table(
    "checkouts",
    metadata,
    Column("top_up_id", Text, ForeignKey("top_ups.id"), primary_key=True),
    Column("reference", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("qr", Text, nullable=False),
    Column("num_queries", Integer, nullable=False),
    Column("query_at", Instant),
    Column("problem", Text, nullable=False),
    Index(None, "query_at"),
)


@dataclass(frozen=True, slots=True)
class OpenCheckout:
    top_up_id: str
    checkout: Checkout
    num_queries: int
    """How often the provider was asked."""
    query_at: datetime | None
    """When it is asked next; None when there is nothing more to ask."""
    problem: str
    """What went wrong when it was last asked."""


def keep_checkout(
    conn: Connection, top_up_id: str, checkout: Checkout, query_at: datetime
) -> OpenCheckout:
    """Remember it; where one is kept already, that one stays."""
    row = {
        "top_up_id": top_up_id,
        "reference": checkout.reference,
        "url": checkout.url,
        "qr": checkout.qr,
        "num_queries": 0,
        "query_at": query_at,
        "problem": "",
    }
    conn.execute(upsert(checkouts).values(row).on_conflict_do_nothing())
    kept = find_checkout(conn, top_up_id)
    assert kept is not None
    return kept


def find_checkout(conn: Connection, top_up_id: str) -> OpenCheckout | None:
    row = conn.execute(select(checkouts).where(checkouts.c.top_up_id == top_up_id)).one_or_none()
    return None if row is None else _from_row(row)


def due_checkouts(conn: Connection, now: datetime, *, limit: int = 50) -> list[OpenCheckout]:
    """Those whose provider is to be asked now, the longest due first."""
    query = select(checkouts).where(checkouts.c.query_at <= now).order_by(checkouts.c.query_at)
    return [_from_row(row) for row in conn.execute(query.limit(limit))]


def troubled_checkouts(conn: Connection, *, limit: int = 200) -> list[OpenCheckout]:
    """Those whose provider could not be asked, for the operator."""
    query = select(checkouts).where(checkouts.c.problem != "").order_by(checkouts.c.query_at)
    return [_from_row(row) for row in conn.execute(query.limit(limit))]


def note_query(
    conn: Connection, top_up_id: str, query_at: datetime | None, problem: str = ""
) -> None:
    """The provider was asked; when to ask it next, None for never."""
    values = {
        "num_queries": checkouts.c.num_queries + 1,
        "query_at": query_at,
        "problem": problem[:NOTE_LENGTH_MAX],
    }
    conn.execute(update(checkouts).where(checkouts.c.top_up_id == top_up_id).values(values))


def _from_row(row: object) -> OpenCheckout:
    values = {name: getattr(row, name) for name in OpenCheckout.__slots__ if name != "checkout"}
    checkout = Checkout(*(getattr(row, name) for name in Checkout.__slots__))
    return OpenCheckout(checkout=checkout, **values)
