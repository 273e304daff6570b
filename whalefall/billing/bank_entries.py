"""What stood on our bank statements: every entry once, with what became of it.

Knows the rows and how to find them; neither why an entry is credited nor how."""

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
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    update,
)

from whalefall.base.days import day_from_number
from whalefall.base.errors import NotFoundError
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.bank_statements.entry import Direction

NUM_LISTED_MAX = 200
NOTE_LENGTH_MAX = 200


class EntryState(enum.StrEnum):
    MATCHED = "matched"
    """Credited by itself: number and name were right."""
    WAITING = "waiting"
    """For an operator. A credit waits in the suspense account."""
    ATTRIBUTED = "attributed"
    """Credited by an operator."""
    RETURNED = "returned"
    """Sent back to whoever paid it, or taken back by the bank."""
    OUTGOING = "outgoing"
    """A debit: noted, it moves nothing here."""


class WaitReason(enum.StrEnum):
    """Why an entry was not credited by itself."""

    NONE = ""
    NO_NUMBER = "no_number"
    SEVERAL_NUMBERS = "several_numbers"
    UNKNOWN_NUMBER = "unknown_number"
    NOT_VERIFIED = "not_verified"
    OTHER_NAME = "other_name"
    OTHER_CURRENCY = "other_currency"
    ACCOUNT_CLOSED = "account_closed"
    REVERSAL = "reversal"
    """One of our own payments came back."""
    TAKEN_BACK = "taken_back"
    """A debit: the bank takes back a payment that had arrived."""


CREDITED = (EntryState.MATCHED, EntryState.ATTRIBUTED)


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


bank_entries = Table(
    "bank_entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("import_id", Text, ForeignKey("bank_imports.id"), nullable=False),
    Column("base_number", Text, nullable=False),
    Column("booked_on", Integer, nullable=False),
    Column("direction", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("is_reversal", Boolean, nullable=False),
    Column("reference", Text, nullable=False),
    Column("payer_name", Text, nullable=False),
    Column("payer_account", Text, nullable=False),
    Column("credited_account", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("content_key", Text, nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("wait_reason", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("top_up_id", Text, ForeignKey("top_ups.id")),
    Column("note", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("decided_at", Instant),
    UniqueConstraint("content_key", "occurrence"),
    UniqueConstraint("top_up_id"),
    _one_of("direction", Direction),
    _one_of("state", EntryState),
    CheckConstraint(
        f"amount_nanos > 0 AND amount_nanos <= {MAX_AMOUNT_NANOS}", name="amount_in_range"
    ),
    CheckConstraint(
        "(state IN ('matched', 'attributed')) = (top_up_id IS NOT NULL)", name="credited_once"
    ),
    CheckConstraint("state <> 'outgoing' OR direction = 'debit'", name="outgoing_is_debit"),
    Index(None, "state", "created_at"),
    Index(None, "booked_on", "amount_nanos"),
    Index(None, "user_id"),
)


@dataclass(frozen=True, slots=True)
class BankEntry:
    id: str
    import_id: str
    booked_on: date
    direction: Direction
    currency: Currency
    amount_nanos: int
    is_reversal: bool
    reference: str
    payer_name: str
    payer_account: str
    credited_account: str
    text: str
    state: EntryState
    wait_reason: WaitReason
    user_id: str | None
    """Whoever was credited; of a waiting entry, whoever its number belongs to."""
    top_up_id: str | None
    note: str
    """An operator's reason."""
    decided_by: str
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are wanted; what is left empty does not matter."""

    states: tuple[EntryState, ...] = ()
    text: str = ""
    """Part of a payer's name or account, of a reference, a text or a number; or a user's id."""
    before: tuple[datetime, str] | None = None
    """Only those after this one in the list, by arrival and id."""


def get_entry(conn: Connection, entry_id: str) -> BankEntry:
    """NotFoundError when there is none."""
    return _one(conn, _SELECT.where(bank_entries.c.id == entry_id))


def lock_entry(conn: Connection, entry_id: str) -> BankEntry:
    """Read it for a change. NotFoundError when there is none."""
    return _one(conn, _SELECT.where(bank_entries.c.id == entry_id).with_for_update())


def change_entry(conn: Connection, entry_id: str, **values: object) -> BankEntry:
    conn.execute(update(bank_entries).where(bank_entries.c.id == entry_id).values(values))
    return get_entry(conn, entry_id)


def list_entries(
    conn: Connection, wanted: EntryFilter, *, limit: int = NUM_LISTED_MAX
) -> list[BankEntry]:
    """Newest first."""
    columns = bank_entries.c
    query = _SELECT
    if wanted.states:
        query = query.where(columns.state.in_([state.value for state in wanted.states]))
    if wanted.text:
        parts = [
            columns[name].icontains(wanted.text, autoescape=True)
            for name in ("payer_name", "payer_account", "reference", "credited_account", "text")
        ]
        query = query.where(or_(*parts, columns.user_id == wanted.text, columns.id == wanted.text))
    if wanted.before is not None:
        instant, entry_id = wanted.before
        is_same_age = and_(columns.created_at == instant, columns.id < entry_id)
        query = query.where(or_(columns.created_at < instant, is_same_age))
    ordered = query.order_by(columns.created_at.desc(), columns.id.desc())
    return [entry_from_row(row) for row in conn.execute(ordered.limit(min(limit, NUM_LISTED_MAX)))]


def count_entries(conn: Connection) -> dict[EntryState, int]:
    query = select(bank_entries.c.state, func.count()).group_by(bank_entries.c.state)
    found = {EntryState(state): count for state, count in conn.execute(query)}
    return {state: found.get(state, 0) for state in EntryState}


_COLUMNS = [bank_entries.c[name] for name in BankEntry.__slots__]
_SELECT = select(*_COLUMNS)


def _one(conn: Connection, query: Select[*tuple[Any, ...]]) -> BankEntry:
    row = conn.execute(query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such bank entry")
    return entry_from_row(row)


def entry_from_row(row: Row[*tuple[Any, ...]]) -> BankEntry:
    values = {name: getattr(row, name) for name in BankEntry.__slots__}
    values["booked_on"] = day_from_number(row.booked_on)
    values["direction"] = Direction(row.direction)
    values["currency"] = Currency(row.currency)
    values["state"] = EntryState(row.state)
    values["wait_reason"] = WaitReason(row.wait_reason)
    return BankEntry(**values)
