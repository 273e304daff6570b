"""The part of the proof that is about bank transfers: entries of statements against the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from whalefall.base.money import Currency
from whalefall.billing.bank_entries import bank_entries
from whalefall.billing.bank_statements.entry import Direction
from whalefall.billing.differences import Difference
from whalefall.billing.top_ups import TopUpSource, top_ups
from whalefall.billing.transfers import AccountKind, account_id, ledger_accounts


def check_bank_entries(conn: Connection) -> Iterator[Difference]:
    """What waits is what lies in suspense; every credited entry is one top-up of its amount to its
    user, and every top-up by bank is one entry."""
    yield from _check_suspense(conn)
    yield from _check_top_ups(conn)


def _check_suspense(conn: Connection) -> Iterator[Difference]:
    columns = bank_entries.c
    waiting = (
        select(columns.currency, func.sum(columns.amount_nanos))
        .where(columns.state == "waiting", columns.direction == Direction.CREDIT.value)
        .group_by(columns.currency)
    )
    expected = {currency: int(nanos) for currency, nanos in conn.execute(waiting)}
    balance = ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted
    for currency in Currency:
        account = account_id(AccountKind.BANK_SUSPENSE, currency, TopUpSource.BANK.owner)
        query = select(balance).where(ledger_accounts.c.id == account)
        found = conn.execute(query).scalar_one_or_none() or 0
        if found != expected.get(currency, 0):
            waits = str(expected.get(currency, 0))
            yield Difference("bank suspense", account, waits, str(found))


def _check_top_ups(conn: Connection) -> Iterator[Difference]:
    names = ("user_id", "currency", "amount_nanos")
    query = select(
        bank_entries.c.id.label("entry_id"),
        top_ups.c.id.label("top_up_id"),
        *(bank_entries.c[name].label(f"arrived_{name}") for name in names),
        *(top_ups.c[name].label(f"credited_{name}") for name in names),
        top_ups.c.source,
    ).join_from(bank_entries, top_ups, top_ups.c.id == bank_entries.c.top_up_id, full=True)
    concerned = query.where(
        (top_ups.c.source == TopUpSource.BANK.value) | bank_entries.c.top_up_id.is_not(None)
    )
    for row in conn.execute(concerned, execution_options={"yield_per": 1000}):
        arrived = tuple(getattr(row, f"arrived_{name}") for name in names)
        credited = tuple(getattr(row, f"credited_{name}") for name in names)
        if arrived != credited or row.source != TopUpSource.BANK:
            subject = row.entry_id or row.top_up_id
            yield Difference("bank transfer", subject, str(arrived), str(credited))
