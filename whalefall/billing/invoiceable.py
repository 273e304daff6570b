"""How much of a customer's money can still be invoiced: what was paid and has been used, less what
invoices and open requests claim already. Credit notes give back; granted money never counts, and
corrections of past charges are granted money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, and_, case, func, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from whalefall.base.money import Currency
from whalefall.billing.invoice_content import CENT_NANOS, UsageLine
from whalefall.billing.invoice_documents import invoices
from whalefall.billing.invoice_requests import invoice_requests
from whalefall.billing.usage import usage_daily


@dataclass(frozen=True, slots=True)
class MonthLeft:
    """A month in which paid money was used."""

    month: int
    """202601."""
    paid_nanos: int
    left_nanos: int
    """Not claimed as that month's yet, in whole hundredths."""


@dataclass(frozen=True, slots=True)
class Invoiceable:
    currency: Currency
    paid_nanos: int
    """Paid money that was used, of all time, less what chargebacks took of it."""
    invoiced_nanos: int
    """Invoices less credit notes."""
    asked_nanos: int
    """Claimed by requests that wait for an answer."""
    available_nanos: int
    """What a new request may ask for, in whole hundredths."""
    months: tuple[MonthLeft, ...]
    """Newest first."""

    @property
    def uninvoiced_nanos(self) -> int:
        """Used, paid, and on no invoice; perhaps asked for."""
        return self.paid_nanos - self.invoiced_nanos


def invoiceable(
    conn: Connection, user_id: str, currency: Currency, taken_back_nanos: int = 0
) -> Invoiceable:
    """`taken_back_nanos`: money that was used and then charged back by the customer's bank."""
    by_month = _paid_by_month(conn, user_id, currency)
    invoiced = _invoiced_by_month(conn, user_id, currency)
    asked = _asked_by_month(conn, user_id, currency)
    paid = sum(by_month.values()) - taken_back_nanos
    claimed = sum(invoiced.values()) + sum(asked.values())
    available = whole_cents(max(0, paid - claimed))
    months = [
        MonthLeft(
            month,
            nanos,
            min(
                available,
                whole_cents(max(0, nanos - invoiced.get(month, 0) - asked.get(month, 0))),
            ),
        )
        for month, nanos in sorted(by_month.items(), reverse=True)
        if nanos
    ]
    return Invoiceable(
        currency=currency,
        paid_nanos=paid,
        invoiced_nanos=sum(invoiced.values()),
        asked_nanos=sum(asked.values()),
        available_nanos=available,
        months=tuple(months),
    )


def usage_of_month(
    conn: Connection, user_id: str, currency: Currency, month: int
) -> tuple[UsageLine, ...]:
    """What was used in a month, by model; what was paid with grants counts as nothing paid."""
    sums = [
        func.sum(usage_daily.c[name])
        for name in ("num_requests", "hit_tokens", "miss_tokens", "output_tokens", "paid_nanos")
    ]
    query = (
        select(usage_daily.c.model, *sums)
        .where(_is_theirs(user_id, currency), _month() == month)
        .where(usage_daily.c.day.between(month * 100, month * 100 + 31))
        .group_by(usage_daily.c.model)
        .order_by(usage_daily.c.model)
    )
    return tuple(
        UsageLine(row[0], *(int(value) for value in row[1:]))
        for row in map(tuple, conn.execute(query))
    )


def whole_cents(nanos: int) -> int:
    """Rounded down: what is left of a hundredth can be invoiced when it has become a whole one."""
    return nanos // CENT_NANOS * CENT_NANOS


def currencies_with_usage(conn: Connection, user_id: str) -> Sequence[Currency]:
    query = (
        select(usage_daily.c.currency)
        .where(usage_daily.c.user_id == user_id, usage_daily.c.paid_nanos > 0)
        .distinct()
    )
    return sorted(Currency(name) for name in conn.execute(query).scalars())


def _month() -> ColumnElement[int]:
    # A day is written 20260115. The divisor is written out, not bound: PostgreSQL would not see
    # that what is grouped by is what is selected.
    return usage_daily.c.day // literal_column("100", Integer)


def _is_theirs(user_id: str, currency: Currency) -> ColumnElement[bool]:
    return and_(usage_daily.c.user_id == user_id, usage_daily.c.currency == currency.value)


def _paid_by_month(conn: Connection, user_id: str, currency: Currency) -> dict[int, int]:
    query = select(_month(), func.sum(usage_daily.c.paid_nanos)).where(
        _is_theirs(user_id, currency)
    )
    return {int(row[0]): int(row[1]) for row in conn.execute(query.group_by(_month()))}


def _invoiced_by_month(conn: Connection, user_id: str, currency: Currency) -> dict[int | None, int]:
    signed = case(
        (invoices.c.kind == "invoice", invoices.c.amount_nanos), else_=-invoices.c.amount_nanos
    )
    query = (
        select(invoices.c.month, func.sum(signed))
        .where(invoices.c.user_id == user_id, invoices.c.currency == currency.value)
        .group_by(invoices.c.month)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}


def _asked_by_month(conn: Connection, user_id: str, currency: Currency) -> dict[int | None, int]:
    """A request that replaces an invoice claims nothing: that invoice gives back as much."""
    query = (
        select(invoice_requests.c.month, func.sum(invoice_requests.c.amount_nanos))
        .where(
            invoice_requests.c.user_id == user_id,
            invoice_requests.c.currency == currency.value,
            invoice_requests.c.state == "open",
            invoice_requests.c.replaces_id.is_(None),
        )
        .group_by(invoice_requests.c.month)
    )
    return {row[0]: int(row[1]) for row in conn.execute(query)}
