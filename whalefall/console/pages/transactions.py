"""The statement of an account: every movement with its reason and the balance after it, a month at
a time or all of them, as a page and as a table; and the grants with their ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.users import User
from whalefall.base.money import NANOS_PER_UNIT, Currency
from whalefall.billing.grants import Grant, list_grants
from whalefall.billing.ledger import Balance
from whalefall.billing.movements import Movement, MovementKind, movements
from whalefall.billing.rerating import CorrectionMade, list_corrections
from whalefall.billing.top_ups import TopUp, TopUpState, list_top_ups
from whalefall.console.language import mark
from whalefall.console.pages.usage import NUM_MONTHS_MAX, month_from, shown_balances
from whalefall.console.routing import Download, File, View
from whalefall.console.session import Visit
from whalefall.console.usage_export import Month, csv_bytes

PAGE_LENGTH = 100
ALL_MONTHS = "all"
KIND_NAMES = {
    MovementKind.TOP_UP: mark("Top-up"),
    MovementKind.GRANT: mark("Grant"),
    MovementKind.CORRECTION: mark("Correction of past charges"),
    MovementKind.CHARGE: mark("Usage"),
    MovementKind.REFUND: mark("Refund"),
    MovementKind.REFUND_RETURNED: mark("Refund returned"),
    MovementKind.CHARGEBACK: mark("Chargeback"),
    MovementKind.CHARGEBACK_RETURNED: mark("Chargeback returned"),
    MovementKind.EXPIRY: mark("Grant expired"),
    MovementKind.FORFEIT: mark("Given up"),
    MovementKind.OTHER: mark("Other movement"),
}
COLUMNS = (
    "utc_date",
    "utc_time",
    "kind",
    "currency",
    "paid",
    "granted",
    "amount",
    "balance_after",
    "model",
    "count",
    "reason",
    "reference",
    "transfer_id",
)


class StatementQuery(msgspec.Struct, frozen=True):
    month: Annotated[str, msgspec.Meta(max_length=10)] = ""
    """`2026-09`, or `all`; the current month when empty. Days are UTC."""
    kind: MovementKind | None = None
    currency: Currency | None = None
    page: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1
    """A hundred lines each."""


@dataclass(frozen=True, slots=True)
class TransactionsPage:
    month: str
    months: tuple[str, ...]
    """That can be chosen, newest first."""
    kind: MovementKind | None
    kinds: dict[MovementKind, str]
    currency: Currency | None
    currencies: tuple[Currency, ...]
    page: int
    num_pages: int
    movements: tuple[Movement, ...]
    """Newest first."""
    balances: tuple[Balance, ...]
    grants: tuple[Grant, ...]
    top_ups: dict[str, TopUp]
    """By the transfer that paid them."""
    corrections: tuple[CorrectionMade, ...]
    """Past charges that were credited, each with its request."""


async def load_transactions(visit: Visit, query: StatementQuery) -> TransactionsPage:
    return await visit.database.read(_transactions, visit.person, query, visit.now)


async def export_transactions(visit: Visit, query: StatementQuery) -> File:
    lines = await visit.database.read(_chosen, visit.person, query, visit.now)
    name = query.month or str(Month.of(visit.now.date()))
    return File(f"transactions-{name}.csv", statement_csv(lines), "text/csv; charset=utf-8")


def statement_csv(lines: Iterable[Movement]) -> bytes:
    """Exact decimals; no cell begins a formula, and figures stay figures."""
    return csv_bytes([COLUMNS, *(_csv_line(line) for line in lines)], plain=_PLAIN)


_PLAIN = frozenset(COLUMNS.index(name) for name in ("paid", "granted", "amount", "balance_after"))
"""Our own figures, which may begin with a minus."""


def _csv_line(line: Movement) -> tuple[str, ...]:
    return (
        line.day.isoformat(),
        line.at.strftime("%H:%M:%S") if line.at else "",
        line.kind.value,
        line.currency.value,
        _exact(line.paid_nanos),
        _exact(line.granted_nanos),
        _exact(line.amount_nanos),
        _exact(line.balance_nanos),
        line.model,
        str(line.num_parts),
        line.reason,
        line.reference,
        line.transfer_id or "",
    )


def _transactions(
    conn: Connection, user: User, query: StatementQuery, now: datetime
) -> TransactionsPage:
    lines = _chosen(conn, user, query, now)
    balances = shown_balances(conn, user, now)
    start = (query.page - 1) * PAGE_LENGTH
    top_ups = list_top_ups(conn, user.id, state=TopUpState.PAID)
    return TransactionsPage(
        month=query.month or str(Month.of(now.date())),
        months=tuple(_months(user.created_at, now)),
        kind=query.kind,
        kinds=KIND_NAMES,
        currency=query.currency,
        currencies=tuple(wallet.currency for wallet in balances),
        page=query.page,
        num_pages=max(1, -(-len(lines) // PAGE_LENGTH)),
        movements=tuple(lines[start : start + PAGE_LENGTH]),
        balances=balances,
        grants=tuple(reversed(list_grants(conn, user.id))),
        top_ups={each.transfer_id: each for each in top_ups if each.transfer_id},
        corrections=tuple(list_corrections(conn, user.id)),
    )


def _chosen(conn: Connection, user: User, query: StatementQuery, now: datetime) -> list[Movement]:
    first, last = _span(query.month, user, now)
    lines = movements(conn, user.id, first, last, query.currency)
    return [line for line in lines if query.kind is None or line.kind is query.kind]


def _span(text: str, user: User, now: datetime) -> tuple[date, date]:
    if text == ALL_MONTHS:
        return min(user.created_at, now).date(), now.date()
    month = month_from(text, now)
    return month.first_day, month.last_day


def _months(first: datetime, now: datetime) -> list[str]:
    months: list[str] = []
    month = Month.of(now.date())
    while len(months) < NUM_MONTHS_MAX and (not months or month.last_day >= first.date()):
        months.append(str(month))
        month = month.previous
    return months


def _exact(nanos: int) -> str:
    return f"{(Decimal(nanos) / NANOS_PER_UNIT).normalize():f}"


TRANSACTIONS = View(
    "/transactions",
    "transactions.html",
    load_transactions,
    "Every movement of the balance with the balance after it; grants with what is left of them.",
    query=StatementQuery,
)
VIEWS = (TRANSACTIONS,)
DOWNLOADS = (
    Download(
        "/transactions/export",
        export_transactions,
        "The movements of a month, or all, as a CSV file.",
        query=StatementQuery,
    ),
)
