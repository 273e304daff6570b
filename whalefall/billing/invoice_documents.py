"""Invoices and credit notes as rows. They are added and never changed: the database refuses it, and
a digest of the content would tell. Their files lie beside them, made once and kept the same way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.errors import NotFoundError
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.invoice_content import (
    InvoiceContent,
    InvoiceKind,
    content_from_text,
    digest_of,
    text_from_content,
)
from whalefall.billing.invoice_requests import invoice_requests

NUM_LISTED_MAX = 200

invoices = Table(
    "invoices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("year", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("number", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("month", Integer),
    Column("request_id", Text, ForeignKey(invoice_requests.c.id)),
    Column("corrects_id", Text, ForeignKey("invoices.id")),
    Column("idempotency_key", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("content", Text, nullable=False),
    Column("digest", Text, nullable=False),
    UniqueConstraint("kind", "year", "sequence"),
    UniqueConstraint("number"),
    UniqueConstraint("request_id"),
    UniqueConstraint("idempotency_key"),
    CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind_known"),
    CheckConstraint("amount_nanos > 0", name="amount_in_range"),
    CheckConstraint("(kind = 'invoice') = (request_id IS NOT NULL)", name="asked_for"),
    CheckConstraint("(kind = 'credit_note') = (corrects_id IS NOT NULL)", name="corrects_one"),
    Index(None, "user_id", "issued_at"),
    Index(None, "corrects_id"),
    Index(None, "issued_at"),
)

invoice_files = Table(
    "invoice_files",
    metadata,
    Column("invoice_id", Text, ForeignKey("invoices.id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice or a credit note, as it was issued."""

    id: str
    kind: InvoiceKind
    year: int
    sequence: int
    number: str
    user_id: str
    currency: Currency
    amount_nanos: int
    month: int | None
    request_id: str | None
    corrects_id: str | None
    """Of a credit note: its invoice."""
    idempotency_key: str
    issued_at: datetime
    content: InvoiceContent
    digest: str
    """Of the content's text."""


def insert_invoice(conn: Connection, made: Invoice) -> None:
    row: dict[str, object] = {name: getattr(made, name) for name in Invoice.__slots__}
    row["kind"] = made.kind.value
    row["currency"] = made.currency.value
    row["content"] = text_from_content(made.content)
    conn.execute(insert(invoices).values(row))


def get_invoice(conn: Connection, invoice_id: str, *, user_id: str | None = None) -> Invoice:
    """NotFoundError for an unknown id and, with `user_id`, for anyone else's."""
    query = select(invoices).where(invoices.c.id == invoice_id)
    if user_id is not None:
        query = query.where(invoices.c.user_id == user_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no invoice {invoice_id}")
    return invoice_from_row(row)


def find_invoice(conn: Connection, idempotency_key: str) -> Invoice | None:
    query = select(invoices).where(invoices.c.idempotency_key == idempotency_key)
    row = conn.execute(query).one_or_none()
    return None if row is None else invoice_from_row(row)


def list_invoices(conn: Connection, *, user_id: str | None = None) -> list[Invoice]:
    """Newest first, credit notes among them; of one user or of all."""
    query = select(invoices)
    if user_id is not None:
        query = query.where(invoices.c.user_id == user_id)
    return _listed(conn, query.order_by(invoices.c.issued_at.desc(), invoices.c.number.desc()))


def credit_notes_of(conn: Connection, invoice_id: str) -> list[Invoice]:
    """Oldest first."""
    query = select(invoices).where(invoices.c.corrects_id == invoice_id)
    return _listed(conn, query.order_by(invoices.c.issued_at, invoices.c.number))


def credited_nanos(conn: Connection, invoice_id: str) -> int:
    """What credit notes have given back of an invoice."""
    query = select(func.coalesce(func.sum(invoices.c.amount_nanos), 0)).where(
        invoices.c.corrects_id == invoice_id
    )
    return int(conn.execute(query).scalar_one())


def keep_file(conn: Connection, invoice_id: str, content: bytes, now: datetime) -> bool:
    """Whether it is new. Where there is a file already, that one stays."""
    row = {"invoice_id": invoice_id, "content": content, "digest": digest_of(content)}
    made = upsert(invoice_files).values(**row, created_at=now)
    kept = made.on_conflict_do_nothing().returning(invoice_files.c.invoice_id)
    return conn.execute(kept).one_or_none() is not None


def file_of(conn: Connection, invoice_id: str) -> bytes | None:
    """None while it has not been made yet."""
    query = select(invoice_files.c.content).where(invoice_files.c.invoice_id == invoice_id)
    found = conn.execute(query).scalar_one_or_none()
    return None if found is None else bytes(found)


def without_file(conn: Connection, limit: int = 20) -> list[Invoice]:
    """Those whose file has still to be made, oldest first."""
    query = (
        select(invoices)
        .join(invoice_files, invoice_files.c.invoice_id == invoices.c.id, isouter=True)
        .where(invoice_files.c.invoice_id.is_(None))
        .order_by(invoices.c.issued_at, invoices.c.number)
    )
    return _listed(conn, query, limit)


def invoice_from_row(row: Row[*tuple[Any, ...]]) -> Invoice:
    values = {name: getattr(row, name) for name in Invoice.__slots__}
    values["kind"] = InvoiceKind(row.kind)
    values["currency"] = Currency(row.currency)
    values["content"] = content_from_text(row.content)
    return Invoice(**values)


def _listed(
    conn: Connection, query: Select[*tuple[Any, ...]], limit: int = NUM_LISTED_MAX
) -> list[Invoice]:
    return [invoice_from_row(row) for row in conn.execute(query.limit(limit))]
