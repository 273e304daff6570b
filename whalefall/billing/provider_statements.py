"""Providers' own books beside ours: their statements are kept, day by day, and each line has to be
one of our movements, each of our movements one of their lines.

A day is the provider's, so one of our movements may stand in the statement of the day before or
after; what we learned late stands in an older one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.chargebacks import ChargebackKind, ChargebackState, chargebacks
from whalefall.billing.differences import Difference
from whalefall.billing.payments.base import EventKind, StatementLine
from whalefall.billing.refunds import RefundState, refunds
from whalefall.billing.top_ups import TopUpSource, TopUpState, top_ups

DAYS_BACK_MAX = 7
"""So far back a statement that was missed is fetched after all."""

statement_days = Table(
    "statement_days",
    metadata,
    Column("source", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("num_lines", Integer, nullable=False),
    Column("fetched_at", Instant, nullable=False),
)

statement_lines = Table(
    "statement_lines",
    metadata,
    Column("source", Text, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("provider_reference", Text, nullable=False),
    Column("top_up_id", Text, nullable=False),
    Column("refund_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Index(None, "top_up_id"),
    Index(None, "provider_reference"),
)


@dataclass(frozen=True, slots=True)
class StatementSum:
    """What a day's statement says came in and went out."""

    source: TopUpSource
    day: date
    currency: Currency
    paid_nanos: int
    returned_nanos: int


def keep_statement(
    conn: Connection, source: TopUpSource, day: date, lines: Sequence[StatementLine], now: datetime
) -> None:
    """In the place of what was fetched of this day before."""
    number = number_from_day(day)
    for table in (statement_lines, statement_days):
        is_it = (table.c.source == source.value) & (table.c.day == number)
        conn.execute(delete(table).where(is_it))
    told = {"source": source.value, "day": number, "num_lines": len(lines), "fetched_at": now}
    conn.execute(insert(statement_days).values(told))
    if lines:
        rows = [_row(source, number, position, line) for position, line in enumerate(lines)]
        conn.execute(insert(statement_lines), rows)


def missing_days(conn: Connection, source: TopUpSource, until: date) -> list[date]:
    """Days whose statement is to be fetched, oldest first: `until` always, and what was missed
    since the first payment of this source."""
    days = statement_days.c
    query = select(days.day).where(days.source == source.value)
    known = {day_from_number(number) for number in conn.execute(query).scalars()}
    first = conn.execute(
        select(func.min(top_ups.c.paid_at)).where(top_ups.c.source == source.value)
    ).scalar_one_or_none()
    begin = until if first is None else first.astimezone(UTC).date() - timedelta(days=1)
    begin = max(min(begin, until), until - timedelta(days=DAYS_BACK_MAX))
    span = [begin + timedelta(days=index) for index in range((until - begin).days + 1)]
    return [day for day in span if day == until or day not in known]


def statement_sums(conn: Connection, source: TopUpSource, day: date) -> list[StatementSum]:
    sums: dict[Currency, list[int]] = {}
    for line in _lines(conn, source, day):
        both = sums.setdefault(Currency(line.currency), [0, 0])
        if line.kind in (EventKind.PAID, EventKind.CHARGEBACK_RETURNED, EventKind.REFUND_FAILED):
            both[0] += line.amount_nanos
        elif line.kind in (EventKind.REFUNDED, EventKind.CHARGED_BACK):
            both[1] += line.amount_nanos
    return [StatementSum(source, day, currency, *both) for currency, both in sums.items()]


def check_statement(conn: Connection, source: TopUpSource, day: date) -> Iterator[Difference]:
    """Every line of the day is one of our movements, and every movement of ours of the day before
    is a line: by then it has been told, whatever the time zone."""
    lines = _lines(conn, source, day)
    for line in lines:
        if line.kind == EventKind.PAID:
            yield from _check_paid(conn, source, line)
        elif line.kind == EventKind.REFUNDED and _is_ours(conn, line.refund_id):
            yield from _check_refunded(conn, line)
        elif line.kind == EventKind.REFUND_FAILED:
            yield from _check_refund_failed(conn, line)
    yield from _check_taken(conn, source, lines)
    before = day - timedelta(days=1)
    if _is_fetched(conn, source, before):
        yield from _check_told(conn, source, before)


def _check_paid(conn: Connection, source: TopUpSource, line: Any) -> Iterator[Difference]:  # noqa: ANN401
    found = _top_up_of(conn, source, line)
    told = f"paid {line.amount_nanos} {line.currency} by {line.provider_reference}"
    if found is None:
        yield Difference("payment of a provider", line.provider_reference, told, "no top-up")
        return
    ours = f"{found.state} {found.amount_nanos} {found.currency} by {found.provider_reference}"
    if ours != told:
        yield Difference("payment of a provider", found.id, told, ours)


def _check_refunded(conn: Connection, line: Any) -> Iterator[Difference]:  # noqa: ANN401
    """A refund that had failed here and was made after all is an unasked one of its own."""
    row = conn.execute(select(refunds).where(refunds.c.id == line.refund_id)).one()
    told = f"{RefundState.DONE.value} {line.amount_nanos} {line.currency}"
    ours = f"{row.state} {row.amount_nanos} {row.currency}"
    if row.state == RefundState.FAILED.value and _was_taken(conn, row):
        return
    if told != ours:
        yield Difference("refund of a provider", row.id, told, ours)


def _check_refund_failed(conn: Connection, line: Any) -> Iterator[Difference]:  # noqa: ANN401
    query = select(refunds.c.state).where(refunds.c.id == line.refund_id)
    state = conn.execute(query).scalar_one_or_none()
    if state != RefundState.FAILED.value:
        subject = line.refund_id or line.provider_reference
        yield Difference("refund of a provider", subject, "failed", str(state))


def _check_taken(
    conn: Connection, source: TopUpSource, lines: Sequence[Any]
) -> Iterator[Difference]:
    """What was taken back without our asking, counted: two alike need two chargebacks."""
    kinds = {
        EventKind.CHARGED_BACK.value: ChargebackKind.DISPUTE,
        EventKind.REFUNDED.value: ChargebackKind.UNASKED_REFUND,
        EventKind.CHARGEBACK_RETURNED.value: ChargebackKind.DISPUTE,
    }
    told: Counter[tuple[str, str, str, int]] = Counter()
    for line in lines:
        is_asked = line.kind == EventKind.REFUNDED and _is_ours(conn, line.refund_id)
        if line.kind in kinds and not is_asked:
            top_up = _top_up_of(conn, source, line)
            subject = top_up.id if top_up is not None else line.provider_reference
            told[subject, line.kind, line.currency, line.amount_nanos] += 1
    for (subject, kind, currency, amount), count in told.items():
        is_won = kind == EventKind.CHARGEBACK_RETURNED.value
        found = _num_chargebacks(conn, subject, kinds[kind], (currency, amount), is_won=is_won)
        if found < count:
            words = f"{count} {kind} of {amount} {currency}"
            yield Difference("chargeback of a provider", subject, words, str(found))


def _check_told(conn: Connection, source: TopUpSource, day: date) -> Iterator[Difference]:
    """Our movements of this day, each in some statement."""
    first = datetime.combine(day, time(), UTC)
    is_then = _between(top_ups.c.paid_at, first)
    query = select(top_ups).where(
        top_ups.c.source == source.value, top_ups.c.state == TopUpState.PAID.value, is_then
    )
    for row in conn.execute(query):
        is_it = statement_lines.c.provider_reference == (row.provider_reference or "")
        if not _has_line(conn, source, EventKind.PAID, is_it):
            ours = f"paid {row.amount_nanos} {row.currency}"
            yield Difference("payment of ours", row.id, "a line of a statement", ours)
    query = select(refunds).where(
        refunds.c.source == source.value,
        refunds.c.state == RefundState.DONE.value,
        _between(refunds.c.resolved_at, first),
    )
    for row in conn.execute(query):
        is_it = statement_lines.c.refund_id == row.id
        if not _has_line(conn, source, EventKind.REFUNDED, is_it):
            ours = f"refunded {row.amount_nanos} {row.currency}"
            yield Difference("refund of ours", row.id, "a line of a statement", ours)
    yield from _check_chargebacks_told(conn, source, first)


def _check_chargebacks_told(
    conn: Connection, source: TopUpSource, first: datetime
) -> Iterator[Difference]:
    query = (
        select(chargebacks, top_ups.c.provider_reference)
        .join(top_ups, top_ups.c.id == chargebacks.c.top_up_id)
        .where(chargebacks.c.source == source.value, _between(chargebacks.c.created_at, first))
    )
    for row in conn.execute(query):
        is_dispute = row.kind == ChargebackKind.DISPUTE.value
        kind = EventKind.CHARGED_BACK if is_dispute else EventKind.REFUNDED
        line = statement_lines.c
        is_it = (line.top_up_id == row.top_up_id) | (
            line.provider_reference == (row.provider_reference or "")
        )
        if not _has_line(conn, source, kind, is_it):
            ours = f"{row.kind} of {row.amount_nanos} {row.currency}"
            yield Difference("chargeback of ours", row.id, "a line of a statement", ours)


def _lines(conn: Connection, source: TopUpSource, day: date) -> Sequence[Row[Any]]:
    query = select(statement_lines).where(
        statement_lines.c.source == source.value, statement_lines.c.day == number_from_day(day)
    )
    return conn.execute(query.order_by(statement_lines.c.position)).all()


def _row(source: TopUpSource, day: int, position: int, line: StatementLine) -> dict[str, object]:
    return {
        "source": source.value,
        "day": day,
        "position": position,
        "kind": line.kind.value,
        "provider_reference": line.provider_reference,
        "top_up_id": line.top_up_id,
        "refund_id": line.refund_id,
        "currency": line.currency.value,
        "amount_nanos": line.amount_nanos,
    }


def _top_up_of(conn: Connection, source: TopUpSource, line: Any) -> Row[Any] | None:  # noqa: ANN401
    is_it = top_ups.c.provider_reference == line.provider_reference
    if line.top_up_id:
        is_it = top_ups.c.id == line.top_up_id
    query = select(top_ups).where(top_ups.c.source == source.value, is_it)
    return conn.execute(query).one_or_none()


def _is_ours(conn: Connection, refund_id: str) -> bool:
    query = select(refunds.c.id).where(refunds.c.id == refund_id)
    return bool(refund_id) and conn.execute(query).first() is not None


def _was_taken(conn: Connection, refund: Any) -> bool:  # noqa: ANN401
    kind = ChargebackKind.UNASKED_REFUND
    amount = (refund.currency, refund.amount_nanos)
    return _num_chargebacks(conn, refund.top_up_id, kind, amount, is_won=False) > 0


def _num_chargebacks(
    conn: Connection,
    top_up_id: str,
    kind: ChargebackKind,
    amount: tuple[str, int],
    *,
    is_won: bool,
) -> int:
    query = select(func.count()).where(
        chargebacks.c.top_up_id == top_up_id,
        chargebacks.c.kind == kind.value,
        chargebacks.c.currency == amount[0],
        chargebacks.c.amount_nanos == amount[1],
    )
    if is_won:
        query = query.where(chargebacks.c.state == ChargebackState.WON.value)
    return int(conn.execute(query).scalar_one())


def _is_fetched(conn: Connection, source: TopUpSource, day: date) -> bool:
    is_it = (statement_days.c.source == source.value) & (
        statement_days.c.day == number_from_day(day)
    )
    return conn.execute(select(statement_days.c.day).where(is_it)).first() is not None


def _has_line(
    conn: Connection, source: TopUpSource, kind: EventKind, is_it: ColumnElement[bool]
) -> bool:
    line = statement_lines.c
    query = select(line.position).where(line.source == source.value, line.kind == kind.value, is_it)
    return conn.execute(query.limit(1)).first() is not None


def _between(column: Column[datetime], first: datetime) -> ColumnElement[bool]:
    return (column >= first) & (column < first + timedelta(days=1))
