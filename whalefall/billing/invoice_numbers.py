"""Numbers of invoices and of credit notes: each kind counts from 1 in every year, without a gap.

A number is taken inside the transaction that issues with it, under the lock of its counter. An
issuing that fails takes its number back, and one that waits for the lock continues after it."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Connection, Integer, Table, Text, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.tables import Instant, metadata
from whalefall.billing.invoice_content import InvoiceKind

PREFIXES = {InvoiceKind.INVOICE: "INV", InvoiceKind.CREDIT_NOTE: "CN"}

invoice_counters = Table(
    "invoice_counters",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
    Column("last_issued_at", Instant, nullable=False),
)


def take_number(
    conn: Connection, kind: InvoiceKind, day: date, now: datetime
) -> tuple[int, datetime]:
    """The next number of the day's year, and the instant it counts from: never before that of the
    number before it, whatever the clocks of two servers say."""
    key = {"kind": kind.value, "year": day.year}
    fresh = upsert(invoice_counters).values(**key, last=0, last_issued_at=now)
    conn.execute(fresh.on_conflict_do_nothing())
    mine = (invoice_counters.c.kind == kind.value) & (invoice_counters.c.year == day.year)
    locked = select(invoice_counters.c.last, invoice_counters.c.last_issued_at).where(mine)
    last, last_issued_at = conn.execute(locked.with_for_update()).one()
    issued_at = max(now, last_issued_at)
    taken = update(invoice_counters).where(mine)
    conn.execute(taken.values(last=last + 1, last_issued_at=issued_at))
    return last + 1, issued_at


def number_text(kind: InvoiceKind, year: int, sequence: int) -> str:
    """`INV-2026-000001`."""
    return f"{PREFIXES[kind]}-{year}-{sequence:06d}"
