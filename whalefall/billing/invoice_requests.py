"""Requests for invoices as rows: what a customer asks to have written, until when the operator has
promised to answer, and how it ended. Only billing/invoices.py changes them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from whalefall.base.days import day_from_number, number_from_day
from whalefall.base.errors import NotFoundError
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.invoice_content import Buyer, TitleKind

NUM_LISTED_MAX = 200


class InvoiceRequestState(enum.StrEnum):
    OPEN = "open"
    ISSUED = "issued"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """By the customer, before it was answered."""


invoice_requests = Table(
    "invoice_requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("month", Integer),
    Column("has_usage", Boolean, nullable=False),
    Column("title_kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("tax_number", Text, nullable=False),
    Column("remarks", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("replaces_id", Text),
    Column("created_at", Instant, nullable=False),
    Column("due_day", Integer, nullable=False),
    Column("decided_at", Instant),
    Column("reason", Text, nullable=False),
    CheckConstraint("state IN ('open', 'issued', 'refused', 'withdrawn')", name="state_known"),
    CheckConstraint("title_kind IN ('personal', 'enterprise')", name="title_kind_known"),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_when_closed"),
    Index(None, "user_id", "created_at"),
    Index(None, "state", "due_day"),
)


@dataclass(frozen=True, slots=True)
class InvoiceRequest:
    id: str
    user_id: str
    state: InvoiceRequestState
    currency: Currency
    amount_nanos: int
    month: int | None
    """Whose usage it is for, as 202601; None where the customer chose an amount."""
    has_usage: bool
    """The usage of the month is listed below the lines."""
    buyer: Buyer
    remarks: str
    language: str
    replaces_id: str | None
    """The invoice that is cancelled when this one is issued."""
    created_at: datetime
    due_on: date
    decided_at: datetime | None
    reason: str
    """Why it was refused."""


def insert_request(conn: Connection, request: InvoiceRequest) -> None:
    names = [name for name in InvoiceRequest.__slots__ if name not in ("buyer", "due_on")]
    row = {name: getattr(request, name) for name in names}
    row |= {
        "state": request.state.value,
        "currency": request.currency.value,
        "title_kind": request.buyer.title_kind.value,
        "title": request.buyer.title,
        "tax_number": request.buyer.tax_number,
        "due_day": number_from_day(request.due_on),
    }
    conn.execute(insert(invoice_requests).values(row))


def get_request(
    conn: Connection, request_id: str, *, user_id: str | None = None, is_locked: bool = False
) -> InvoiceRequest:
    """NotFoundError for an unknown id and, with `user_id`, for anyone else's."""
    query = select(invoice_requests).where(invoice_requests.c.id == request_id)
    if user_id is not None:
        query = query.where(invoice_requests.c.user_id == user_id)
    row = conn.execute(query.with_for_update() if is_locked else query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no request {request_id}")
    return _request_from_row(row)


def end_request(
    conn: Connection, request_id: str, state: InvoiceRequestState, now: datetime, reason: str = ""
) -> None:
    mine = update(invoice_requests).where(invoice_requests.c.id == request_id)
    conn.execute(mine.values(state=state.value, decided_at=now, reason=reason))


def requests_of(conn: Connection, user_id: str) -> list[InvoiceRequest]:
    """A user's, newest first."""
    query = select(invoice_requests).where(invoice_requests.c.user_id == user_id)
    newest = query.order_by(invoice_requests.c.created_at.desc(), invoice_requests.c.id)
    return _listed(conn, newest)


def open_requests(conn: Connection) -> list[InvoiceRequest]:
    """Everybody's that wait for an answer, the most urgent first."""
    query = select(invoice_requests).where(invoice_requests.c.state == "open")
    urgent = query.order_by(
        invoice_requests.c.due_day, invoice_requests.c.created_at, invoice_requests.c.id
    )
    return _listed(conn, urgent)


def count_open(conn: Connection, user_id: str, replaces_id: str | None = None) -> int:
    query = select(func.count()).where(
        invoice_requests.c.user_id == user_id, invoice_requests.c.state == "open"
    )
    if replaces_id is not None:
        query = query.where(invoice_requests.c.replaces_id == replaces_id)
    return conn.execute(query).scalar_one()


def _listed(conn: Connection, query: Select[*tuple[Any, ...]]) -> list[InvoiceRequest]:
    return [_request_from_row(row) for row in conn.execute(query.limit(NUM_LISTED_MAX))]


def _request_from_row(row: Row[*tuple[Any, ...]]) -> InvoiceRequest:
    return InvoiceRequest(
        id=row.id,
        user_id=row.user_id,
        state=InvoiceRequestState(row.state),
        currency=Currency(row.currency),
        amount_nanos=row.amount_nanos,
        month=row.month,
        has_usage=bool(row.has_usage),
        buyer=Buyer(TitleKind(row.title_kind), row.title, row.tax_number),
        remarks=row.remarks,
        language=row.language,
        replaces_id=row.replaces_id,
        created_at=row.created_at,
        due_on=day_from_number(row.due_day),
        decided_at=row.decided_at,
        reason=row.reason,
    )
