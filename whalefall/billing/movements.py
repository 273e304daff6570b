"""Everything that changed a customer's balance, with the balance after it: the statement of an
account.

Money that came, was given, taken back or returned is a line each; corrections are one line per run.
Charges are one line per day and model, because there may be millions: each is a sum of requests,
kept per day in the same transaction as they. A hold is no line, it is the charge it ended as.

Lines are by day. A charge counts for the day its request arrived, as on the usage page, and stands
behind the other lines of that day, so that no balance is shown lower than it has been. The newest
balance is the ledger's own; each older one follows from the line above it, exactly."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Text, and_, case, func, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.money import Currency
from whalefall.billing.top_ups import TOP_UP_REASON
from whalefall.billing.transfers import (
    CUSTOMER_KINDS,
    AccountKind,
    TransferKind,
    ledger_accounts,
    transfers,
)
from whalefall.billing.usage import usage_daily


class MovementKind(enum.StrEnum):
    TOP_UP = "top_up"
    GRANT = "grant"
    CORRECTION = "correction"
    CHARGE = "charge"
    REFUND = "refund"
    REFUND_RETURNED = "refund_returned"
    """A refund that the provider could not make."""
    CHARGEBACK = "chargeback"
    CHARGEBACK_RETURNED = "chargeback_returned"
    """A dispute that was won."""
    EXPIRY = "expiry"
    FORFEIT = "forfeit"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Movement:
    day: date
    """UTC."""
    at: datetime | None
    """None for the charges of a day."""
    kind: MovementKind
    currency: Currency
    paid_nanos: int
    """What the topped-up money changed by, with its sign; the next is for granted money."""
    granted_nanos: int
    balance_nanos: int
    """Topped-up and granted money together, after this line."""
    reason: str
    reference: str
    """What it is about: a payment, a grant, an order."""
    transfer_id: str | None = None
    """Of a single transfer."""
    model: str = ""
    """Of a charge."""
    num_parts: int = 1
    """Requests of a charge, postings of a correction."""

    @property
    def amount_nanos(self) -> int:
        return self.paid_nanos + self.granted_nanos


def movements(
    conn: Connection, user_id: str, first: date, last: date, currency: Currency | None = None
) -> list[Movement]:
    """From the first to the last day, both included, newest first; of one currency or of all. The
    caller reads on one snapshot."""
    now = _balances(conn, user_id)
    later = _changes_after(conn, user_id, last)
    running = {name: nanos - later.get(name, 0) for name, nanos in now.items()}
    found = [*_singles(conn, user_id, first, last), *_charges(conn, user_id, first, last)]
    found.sort(key=_order, reverse=True)
    lines = []
    for line in found:
        balance = running.get(line.currency, 0)
        running[line.currency] = balance - line.amount_nanos
        if currency is None or line.currency is currency:
            lines.append(_with_balance(line, balance))
    return lines


@dataclass(frozen=True, slots=True)
class _Line:
    """A movement before its balance is known."""

    day: date
    at: datetime | None
    kind: MovementKind
    currency: Currency
    paid_nanos: int
    granted_nanos: int
    reason: str
    reference: str
    transfer_id: str | None
    model: str
    num_parts: int

    @property
    def amount_nanos(self) -> int:
        return self.paid_nanos + self.granted_nanos


def _with_balance(line: _Line, balance: int) -> Movement:
    values = {name: getattr(line, name) for name in _Line.__slots__}
    return Movement(**values, balance_nanos=balance)


def _order(line: _Line) -> tuple[date, bool, datetime, bool, str, str]:
    """By day, charges last; of one instant what adds comes before what takes."""
    at = line.at or datetime.combine(line.day, time(), UTC)
    identity = line.transfer_id or line.model
    return line.day, line.at is None, at, line.amount_nanos < 0, line.currency.value, identity


def _balances(conn: Connection, user_id: str) -> dict[Currency, int]:
    """As the ledger counts them: reserved money and expired grants that were not taken back yet are
    still there."""
    left = func.sum(ledger_accounts.c.credits_posted - ledger_accounts.c.debits_posted)
    query = select(ledger_accounts.c.currency, left).where(_is_theirs(user_id))
    grouped = query.group_by(ledger_accounts.c.currency)
    return {Currency(row[0]): int(row[1]) for row in conn.execute(grouped)}


def _changes_after(conn: Connection, user_id: str, last: date) -> dict[Currency, int]:
    """What came and went after a day, per currency."""
    changes: dict[Currency, int] = {}
    end = _end_of(last)
    for column, sign in ((transfers.c.credit_account_id, 1), (transfers.c.debit_account_id, -1)):
        query = (
            select(ledger_accounts.c.currency, func.sum(transfers.c.amount_nanos))
            .join(transfers, column == ledger_accounts.c.id)
            .where(_is_theirs(user_id), _is_single(), transfers.c.created_at >= end)
            .group_by(ledger_accounts.c.currency)
        )
        for name, nanos in conn.execute(query):
            changes[Currency(name)] = changes.get(Currency(name), 0) + sign * int(nanos)
    used = func.sum(usage_daily.c.paid_nanos + usage_daily.c.granted_nanos)
    charges = (
        select(usage_daily.c.currency, used)
        .where(usage_daily.c.user_id == user_id, usage_daily.c.day > number_from_day(last))
        .group_by(usage_daily.c.currency)
    )
    for name, nanos in conn.execute(charges):
        changes[Currency(name)] = changes.get(Currency(name), 0) - int(nanos)
    return changes


def _charges(conn: Connection, user_id: str, first: date, last: date) -> Iterator[_Line]:
    sums = [
        func.sum(usage_daily.c[name]) for name in ("num_requests", "paid_nanos", "granted_nanos")
    ]
    keys = (usage_daily.c.day, usage_daily.c.model, usage_daily.c.currency)
    query = (
        select(*keys, *sums)
        .where(
            usage_daily.c.user_id == user_id,
            usage_daily.c.day.between(number_from_day(first), number_from_day(last)),
        )
        .group_by(*keys)
    )
    for day, model, currency, num_requests, paid, granted in conn.execute(query):
        if paid or granted:
            yield _Line(
                day=day_from_number(day),
                at=None,
                kind=MovementKind.CHARGE,
                currency=Currency(currency),
                paid_nanos=-int(paid),
                granted_nanos=-int(granted),
                reason="usage",
                reference="",
                transfer_id=None,
                model=model,
                num_parts=int(num_requests),
            )


def _singles(conn: Connection, user_id: str, first: date, last: date) -> Iterator[_Line]:
    begin, end = datetime.combine(first, time(), UTC), _end_of(last)
    other = ledger_accounts.alias("other")
    sides = (transfers.c.credit_account_id, transfers.c.debit_account_id)
    for (own_side, other_side), sign in ((sides, 1), (sides[::-1], -1)):
        # The postings of one correction are made at one instant to one account.
        part = case((transfers.c.reason == "correction", ""), else_=transfers.c.id)
        keys = (ledger_accounts.c.id, ledger_accounts.c.kind, other.c.kind, transfers.c.created_at)
        query = (
            select(
                ledger_accounts.c.kind.label("own_kind"),
                other.c.kind.label("other_kind"),
                ledger_accounts.c.currency,
                transfers.c.created_at,
                func.sum(transfers.c.amount_nanos).label("nanos"),
                func.min(transfers.c.id).label("transfer_id"),
                func.min(transfers.c.reason).label("reason"),
                func.min(transfers.c.reference).label("reference"),
                func.count().label("num_parts"),
            )
            .join(transfers, own_side == ledger_accounts.c.id)
            .join(other, other.c.id == other_side)
            .where(
                _is_theirs(user_id),
                _is_single(),
                transfers.c.created_at >= begin,
                transfers.c.created_at < end,
            )
            .group_by(*keys, ledger_accounts.c.currency, part)
        )
        yield from (_line_from_row(row, sign) for row in conn.execute(query))


def _line_from_row(row: Row[*tuple[Any, ...]], sign: int) -> _Line:
    is_paid = row.own_kind == AccountKind.PAID
    nanos = sign * int(row.nanos)
    kind = _kind(AccountKind(row.own_kind), AccountKind(row.other_kind), sign, row.reason)
    return _Line(
        day=row.created_at.date(),
        at=row.created_at,
        kind=kind,
        currency=Currency(row.currency),
        paid_nanos=nanos if is_paid else 0,
        granted_nanos=0 if is_paid else nanos,
        reason=row.reason,
        reference="" if kind is MovementKind.CORRECTION else row.reference,
        transfer_id=row.transfer_id,
        model="",
        num_parts=row.num_parts,
    )


_KINDS = {
    (AccountKind.PAID, AccountKind.CASH_CLEARING, 1): MovementKind.CHARGEBACK_RETURNED,
    (AccountKind.PAID, AccountKind.REFUNDS_PAYABLE, -1): MovementKind.REFUND,
    (AccountKind.PAID, AccountKind.REFUNDS_PAYABLE, 1): MovementKind.REFUND_RETURNED,
    (AccountKind.PAID, AccountKind.CASH_CLEARING, -1): MovementKind.CHARGEBACK,
    (AccountKind.PAID, AccountKind.CHARGEBACK_LOSS, -1): MovementKind.CHARGEBACK,
    (AccountKind.PAID, AccountKind.CHARGEBACK_LOSS, 1): MovementKind.CHARGEBACK_RETURNED,
    (AccountKind.PAID, AccountKind.FORFEITED, -1): MovementKind.FORFEIT,
    (AccountKind.GRANTED, AccountKind.PROMOTION_EXPENSE, 1): MovementKind.GRANT,
    (AccountKind.GRANTED, AccountKind.EXPIRED_GRANTS, -1): MovementKind.EXPIRY,
    (AccountKind.GRANTED, AccountKind.FORFEITED, -1): MovementKind.FORFEIT,
}


def _kind(own: AccountKind, other: AccountKind, sign: int, reason: str) -> MovementKind:
    if reason == "correction":
        return MovementKind.CORRECTION
    if reason == TOP_UP_REASON and sign > 0:
        return MovementKind.TOP_UP
    return _KINDS.get((own, other, sign), MovementKind.OTHER)


def _is_theirs(user_id: str) -> ColumnElement[bool]:
    kinds: Sequence[str] = [kind.value for kind in CUSTOMER_KINDS]
    return and_(ledger_accounts.c.user_id == user_id, ledger_accounts.c.kind.in_(kinds))


def _is_single() -> ColumnElement[bool]:
    # Written out, so that the index over single transfers is used.
    return transfers.c.kind == literal_column(f"'{TransferKind.SINGLE.value}'", Text)


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)
