"""The part of the proof that is about money paid in: top-ups against their transfers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from whalefall.base.money import Currency
from whalefall.billing.differences import Difference
from whalefall.billing.top_ups import TOP_UP_REASON, TopUpSource, TopUpState, top_ups
from whalefall.billing.transfers import AccountKind, TransferKind, account_id, transfers


def check_top_ups(conn: Connection) -> Iterator[Difference]:
    """Every paid top-up is one transfer of its amount from its source to its customer, and every
    transfer that credits a payment belongs to a top-up."""
    query = select(
        top_ups,
        transfers.c.id.label("moved_by"),
        transfers.c.kind,
        transfers.c.amount_nanos.label("moved_nanos"),
        transfers.c.debit_account_id,
        transfers.c.credit_account_id,
        transfers.c.reason,
    ).join(transfers, transfers.c.id == top_ups.c.transfer_id, isouter=True)
    for row in conn.execute(query, execution_options={"yield_per": 1000}):
        yield from _check_top_up(row)
    yield from _strays(conn)


def _check_top_up(row: Row[*tuple[Any, ...]]) -> Iterator[Difference]:
    if (row.state == TopUpState.PAID) != (row.moved_by is not None):
        yield Difference("top-up", row.id, f"{row.state} by a transfer or not", str(row.moved_by))
        return
    if row.moved_by is None:
        return
    currency, owner = Currency(row.currency), TopUpSource(row.source).owner
    sources = [account_id(kind, currency, owner) for kind in _SOURCES]
    if row.debit_account_id not in sources:
        yield Difference("top-up source", row.id, " or ".join(sources), row.debit_account_id)
    paid = account_id(AccountKind.PAID, currency, row.user_id)
    told = (TransferKind.SINGLE.value, row.amount_nanos, paid, TOP_UP_REASON)
    moved = (row.kind, row.moved_nanos, row.credit_account_id, row.reason)
    if moved != told:
        yield Difference("top-up", row.id, str(told), str(moved))


_SOURCES = (AccountKind.CASH_CLEARING, AccountKind.BANK_SUSPENSE)


def _strays(conn: Connection) -> Iterator[Difference]:
    """Transfers that say they are top-ups and that no top-up names."""
    query = (
        select(transfers.c.id, transfers.c.amount_nanos)
        .join(top_ups, top_ups.c.transfer_id == transfers.c.id, isouter=True)
        .where(transfers.c.reason == TOP_UP_REASON, top_ups.c.id.is_(None))
    )
    for transfer, amount in conn.execute(query):
        yield Difference("top-up", transfer, f"a top-up of {amount}", "none")
