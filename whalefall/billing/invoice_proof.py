"""Proves the invoices: every number is there once and in order, nothing issued has changed, and no
more is invoiced than was paid and used."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from whalefall.billing.differences import Difference
from whalefall.billing.invoice_content import InvoiceKind, content_from_text, digest_of
from whalefall.billing.invoice_documents import invoice_files, invoices
from whalefall.billing.invoice_numbers import invoice_counters, number_text
from whalefall.billing.invoice_requests import invoice_requests
from whalefall.billing.usage import usage_daily

_ROWS_AT_A_TIME = 500

AnyRow = Row[*tuple[Any, ...]]


def check_invoices(conn: Connection) -> Iterator[Difference]:
    """Check that

    - each kind counts from 1 to its counter in every year, and its instants never go back;
    - every content has its digest, and says what its row says; every file has its digest;
    - every issued request has one invoice over its amount, and no other request has one;
    - credit notes give back no more than their invoice;
    - invoices less credit notes are at most what was paid and used, per user and currency.
    """
    yield from _check_numbers(conn)
    yield from _check_contents(conn)
    yield from _check_files(conn)
    yield from _check_requests(conn)
    yield from _check_credits(conn)
    yield from _check_totals(conn)


def _check_numbers(conn: Connection) -> Iterator[Difference]:
    columns = ("kind", "year", "sequence", "number", "issued_at")
    query = select(*(invoices.c[name] for name in columns)).order_by(
        invoices.c.kind, invoices.c.year, invoices.c.sequence
    )
    counters = {
        (row.kind, row.year): row.last for row in conn.execute(select(invoice_counters)).all()
    }
    rows = conn.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME})
    for key, group in groupby(rows, key=lambda row: (row.kind, row.year)):
        expected, latest = 0, None
        for row in group:
            expected += 1
            number = number_text(InvoiceKind(row.kind), row.year, expected)
            if (row.sequence, row.number) != (expected, number):
                yield Difference("invoice number", row.number, number, row.number)
                expected = row.sequence
            if latest is not None and row.issued_at < latest:
                found = row.issued_at.isoformat()
                yield Difference("invoice order", row.number, f"not before {latest}", found)
            latest = row.issued_at
        counted = counters.pop(key, 0)
        if counted != expected:
            subject = f"{key[0]} {key[1]}"
            yield Difference("invoice counter", subject, str(expected), str(counted))
    for (kind, year), last in counters.items():
        if last:
            yield Difference("invoice number", f"{kind} {year}", f"{last} numbers", "none")


def _check_contents(conn: Connection) -> Iterator[Difference]:
    rows = conn.execute(select(invoices), execution_options={"yield_per": _ROWS_AT_A_TIME})
    for row in rows:
        digest = digest_of(row.content)
        if digest != row.digest:
            yield Difference("invoice content", row.number, row.digest, digest)
        try:
            content = content_from_text(row.content)
        except msgspec.DecodeError as error:
            yield Difference("invoice content", row.number, "a readable content", str(error))
            continue
        said = (content.kind, content.number, content.currency, content.amount_nanos)
        stored = (row.kind, row.number, row.currency, row.amount_nanos)
        if said != stored:
            yield Difference("invoice content", row.number, str(stored), str(said))
        total = sum(line.amount_nanos for line in content.lines)
        if total != content.amount_nanos:
            expected = str(content.amount_nanos)
            yield Difference("invoice lines", row.number, expected, str(total))


def _check_files(conn: Connection) -> Iterator[Difference]:
    rows = conn.execute(select(invoice_files), execution_options={"yield_per": 20})
    for row in rows:
        digest = digest_of(bytes(row.content))
        if digest != row.digest:
            yield Difference("invoice file", row.invoice_id, row.digest, digest)


def _check_requests(conn: Connection) -> Iterator[Difference]:
    query = select(
        invoice_requests.c.id,
        invoice_requests.c.state,
        invoice_requests.c.user_id,
        invoice_requests.c.amount_nanos,
        invoices.c.number,
        invoices.c.user_id.label("invoice_user"),
        invoices.c.amount_nanos.label("invoice_nanos"),
    ).join(invoices, invoices.c.request_id == invoice_requests.c.id, isouter=True)
    for row in conn.execute(query, execution_options={"yield_per": _ROWS_AT_A_TIME}):
        if (row.state == "issued") != (row.number is not None):
            yield Difference("invoice request", row.id, row.state, str(row.number))
        asked = (row.user_id, row.amount_nanos)
        if row.number is not None and (row.invoice_user, row.invoice_nanos) != asked:
            found = f"{row.invoice_nanos} to {row.invoice_user}"
            yield Difference("invoice request", row.id, f"{asked[1]} to {asked[0]}", found)


def _check_credits(conn: Connection) -> Iterator[Difference]:
    notes = invoices.alias("notes")
    given = func.sum(notes.c.amount_nanos)
    query = (
        select(invoices.c.number, invoices.c.amount_nanos, given)
        .join(notes, notes.c.corrects_id == invoices.c.id)
        .group_by(invoices.c.number, invoices.c.amount_nanos)
        .having(given > invoices.c.amount_nanos)
    )
    for number, amount, back in conn.execute(query):
        yield Difference("credit notes", number, f"at most {amount}", str(back))
    strangers = (
        select(notes.c.number, invoices.c.number)
        .join(invoices, invoices.c.id == notes.c.corrects_id)
        .where(
            (invoices.c.kind != "invoice")
            | (invoices.c.user_id != notes.c.user_id)
            | (invoices.c.currency != notes.c.currency)
        )
    )
    for number, other in conn.execute(strangers):
        yield Difference("credit notes", number, "an invoice of the same customer", other)


def _check_totals(conn: Connection) -> Iterator[Difference]:
    totals: dict[tuple[str, str], int] = {}
    for user, currency, kind, nanos in conn.execute(
        select(
            invoices.c.user_id,
            invoices.c.currency,
            invoices.c.kind,
            func.sum(invoices.c.amount_nanos),
        ).group_by(invoices.c.user_id, invoices.c.currency, invoices.c.kind)
    ):
        sign = 1 if kind == InvoiceKind.INVOICE else -1
        totals[user, currency] = totals.get((user, currency), 0) + sign * int(nanos)
    for (user, currency), nanos in totals.items():
        paid = conn.execute(
            select(func.coalesce(func.sum(usage_daily.c.paid_nanos), 0)).where(
                usage_daily.c.user_id == user, usage_daily.c.currency == currency
            )
        ).scalar_one()
        if not 0 <= nanos <= int(paid):
            yield Difference("invoiced", f"{user} {currency}", f"at most {paid}", str(nanos))
