"""Taking a bank statement in: what is new is stored once, credited where it is clear whose it is,
and kept in suspense where it is not.

A statement is taken in by batches, each in a transaction of its own, so that nobody's requests wait
for a long one; a batch holds all entries of a kind, and one that is repeated adds nothing. What a
crash has left out comes with the next import. Imports that run at once wait for each other at the
bank's clearing accounts, which each batch locks before it looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from whalefall.base.days import number_from_day
from whalefall.base.ids import new_id
from whalefall.base.money import Currency
from whalefall.base.tables import Instant, metadata
from whalefall.billing.bank_entries import (
    BankEntry,
    EntryState,
    WaitReason,
    bank_entries,
)
from whalefall.billing.bank_matching import (
    StoredEntry,
    Verdict,
    compare,
    content_key,
    judge,
    kind_of,
)
from whalefall.billing.bank_statements.cells import plain_name
from whalefall.billing.bank_statements.entry import (
    Direction,
    Statement,
    StatementEntry,
    StatementFormat,
)
from whalefall.billing.bank_statements.problems import Place, Problem, StatementError
from whalefall.billing.bank_transfers import credit_entry, suspend_entry
from whalefall.billing.top_ups import TopUpSource
from whalefall.billing.transfers import AccountKind, lock_accounts, open_account
from whalefall.billing.virtual_accounts import BankAccount

BATCH_LENGTH = 50
NUM_ALIKE_MAX = 500
"""Entries of one kind, which have to be booked in one transaction."""
NUM_LISTED_MAX = 200
FILE_LENGTH_MAX = 200

_FORMATS = ", ".join(f"'{each}'" for each in StatementFormat)

bank_imports = Table(
    "bank_imports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("file", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("num_entries", Integer, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(f"format IN ({_FORMATS})", name="format_known"),
    Index(None, "created_at"),
)

Notify = Callable[[Connection, BankEntry], None]
"""Tells a customer of a credit, in its transaction."""


def tell_nobody(_conn: Connection, _entry: BankEntry) -> None:
    """For where no letters are written."""


@dataclass(frozen=True, slots=True)
class BankImport:
    """One statement, taken in at one time."""

    id: str
    file: str
    format: StatementFormat
    num_entries: int
    imported_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    num_known: int
    entries: tuple[BankEntry, ...]
    """The new ones, with what became of them."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or a dry run would do."""

    import_id: str
    file: str
    format: StatementFormat
    account: str
    num_entries: int
    num_known: int
    num_by_state: dict[EntryState, int]
    """Of the new ones."""
    credited_nanos: dict[Currency, int]
    entries: tuple[BankEntry, ...]


@dataclass(slots=True)
class Tally:
    """Adds up the outcomes of an import's batches."""

    made: BankImport
    account: str
    outcomes: list[BatchOutcome] = field(default_factory=list)

    def report(self) -> ImportReport:
        entries = tuple(entry for outcome in self.outcomes for entry in outcome.entries)
        credited: dict[Currency, int] = {}
        for entry in entries:
            if entry.state is EntryState.MATCHED:
                credited[entry.currency] = credited.get(entry.currency, 0) + entry.amount_nanos
        return ImportReport(
            import_id=self.made.id,
            file=self.made.file,
            format=self.made.format,
            account=self.account,
            num_entries=self.made.num_entries,
            num_known=sum(outcome.num_known for outcome in self.outcomes),
            num_by_state={
                state: sum(entry.state is state for entry in entries) for state in EntryState
            },
            credited_nanos=credited,
            entries=entries,
        )


def new_import(statement: Statement, file: str, imported_by: str, now: datetime) -> BankImport:
    name = "".join(letter for letter in file if letter.isprintable())[:FILE_LENGTH_MAX]
    num_entries = len(statement.entries)
    return BankImport(new_id("import"), name, statement.format, num_entries, imported_by, now)


def check_statement(statement: Statement, file: str, account: BankAccount) -> None:
    """StatementError when it is the statement of another account, or one that cannot be booked in
    short transactions. A bank may write our account with letters before it, as an IBAN, or name
    virtual numbers below it."""
    digits = "".join(letter for letter in statement.account if letter.isdigit())
    is_ours = digits.startswith(account.number) or digits.endswith(account.number)
    if statement.account and not is_ours:
        raise StatementError(Problem.OTHER_ACCOUNT, Place(file), found=statement.account)
    for _, alike in groupby(sorted(statement.entries, key=kind_of), key=kind_of):
        for entry in islice(alike, NUM_ALIKE_MAX, None):
            limit = NUM_ALIKE_MAX
            raise StatementError(Problem.TOO_MANY_ALIKE, Place(file, entry.line), limit=limit)


def batches(statement: Statement) -> list[tuple[StatementEntry, ...]]:
    """The entries in order of booking; those of one kind, which only count together, in one
    batch."""
    ordered = sorted(statement.entries, key=kind_of)
    made: list[tuple[StatementEntry, ...]] = []
    batch: list[StatementEntry] = []
    for _, entries in groupby(ordered, key=kind_of):
        batch += entries
        if len(batch) >= BATCH_LENGTH:
            made.append(tuple(batch))
            batch = []
    return [*made, tuple(batch)] if batch else made


def begin_import(conn: Connection, made: BankImport) -> None:
    values = {name: getattr(made, name) for name in BankImport.__slots__}
    conn.execute(insert(bank_imports).values(values))


def list_imports(conn: Connection, *, limit: int = 20) -> list[BankImport]:
    """Newest first."""
    columns = [bank_imports.c[name] for name in BankImport.__slots__]
    query = select(*columns).order_by(bank_imports.c.created_at.desc(), bank_imports.c.id)
    rows = conn.execute(query.limit(min(limit, NUM_LISTED_MAX))).mappings()
    return [BankImport(**{**row, "format": StatementFormat(row["format"])}) for row in rows]


def import_batch(
    conn: Connection,
    made: BankImport,
    base_number: str,
    batch: Sequence[StatementEntry],
    notify: Notify = tell_nobody,
) -> BatchOutcome:
    """Store and book what is new among these."""
    _lock_clearing(conn, made.created_at)
    num_known = 0
    entries: list[BankEntry] = []
    for _, group in groupby(batch, key=kind_of):
        alike = tuple(group)
        compared = compare(_stored(conn, base_number, alike[0]), alike)
        _learn(conn, compared.learnt)
        num_known += compared.num_known
        for entry in compared.new:
            arrived = _judged(conn, made, base_number, entry)
            _store(conn, arrived, entry, base_number)
            entries.append(_booked(conn, arrived, notify))
    return BatchOutcome(num_known, tuple(entries))


def preview_batch(
    conn: Connection, made: BankImport, base_number: str, batch: Sequence[StatementEntry]
) -> BatchOutcome:
    """What import_batch would do now. Changes nothing."""
    num_known = 0
    entries: list[BankEntry] = []
    for _, group in groupby(batch, key=kind_of):
        alike = tuple(group)
        compared = compare(_stored(conn, base_number, alike[0]), alike)
        num_known += compared.num_known
        entries += [_judged(conn, made, base_number, entry) for entry in compared.new]
    return BatchOutcome(num_known, tuple(entries))


def _lock_clearing(conn: Connection, now: datetime) -> None:
    owner = TopUpSource.BANK.owner
    opened = [
        open_account(conn, AccountKind.CASH_CLEARING, currency, now, owner=owner)
        for currency in Currency
    ]
    lock_accounts(conn, opened)


def _stored(conn: Connection, base_number: str, alike: StatementEntry) -> list[StoredEntry]:
    """In the order in which they were stored."""
    columns = bank_entries.c
    query = select(columns.id, columns.reference, columns.payer_name).where(
        columns.base_number == base_number,
        columns.booked_on == number_from_day(alike.booked_on),
        columns.direction == alike.direction.value,
        columns.currency == alike.currency.value,
        columns.amount_nanos == alike.amount_nanos,
    )
    rows = conn.execute(query.order_by(columns.created_at, columns.occurrence, columns.id))
    return [StoredEntry(row.id, row.reference, plain_name(row.payer_name)) for row in rows]


def _learn(conn: Connection, references: dict[str, str]) -> None:
    for entry_id, reference in references.items():
        is_it = bank_entries.c.id == entry_id
        conn.execute(update(bank_entries).where(is_it).values(reference=reference))


def _judged(
    conn: Connection, made: BankImport, base_number: str, entry: StatementEntry
) -> BankEntry:
    """The entry as it arrives: it waits, unless it is clear what becomes of it."""
    if entry.direction is Direction.CREDIT:
        verdict = judge(conn, entry, base_number)
        is_clear = verdict.wait_reason is WaitReason.NONE
        state = EntryState.MATCHED if is_clear else EntryState.WAITING
    elif entry.is_reversal:
        verdict, state = Verdict(None, WaitReason.TAKEN_BACK), EntryState.WAITING
    else:
        verdict, state = Verdict(None, WaitReason.NONE), EntryState.OUTGOING
    return BankEntry(
        id=new_id("bankentry"),
        import_id=made.id,
        booked_on=entry.booked_on,
        direction=entry.direction,
        currency=entry.currency,
        amount_nanos=entry.amount_nanos,
        is_reversal=entry.is_reversal,
        reference=entry.reference,
        payer_name=entry.payer_name,
        payer_account=entry.payer_account,
        credited_account=entry.credited_account,
        text=entry.text,
        state=state,
        wait_reason=verdict.wait_reason,
        user_id=verdict.user_id,
        top_up_id=None,
        note="",
        decided_by="",
        created_at=made.created_at,
        decided_at=None,
    )


def _store(conn: Connection, arrived: BankEntry, entry: StatementEntry, base_number: str) -> None:
    """It waits until it is booked, a moment later in the same transaction."""
    key = content_key(entry, base_number)
    alike = select(func.count()).where(bank_entries.c.content_key == key)
    row = {
        **{name: getattr(arrived, name) for name in BankEntry.__slots__},
        "base_number": base_number,
        "booked_on": number_from_day(arrived.booked_on),
        "content_key": key,
        "occurrence": conn.execute(alike).scalar_one(),
    }
    if arrived.state is EntryState.MATCHED:
        row["state"] = EntryState.WAITING.value
    conn.execute(insert(bank_entries).values(row))


def _booked(conn: Connection, arrived: BankEntry, notify: Notify) -> BankEntry:
    if arrived.direction is Direction.DEBIT:
        return arrived
    if arrived.state is EntryState.WAITING:
        suspend_entry(conn, arrived)
        return arrived
    assert arrived.user_id is not None
    credited = credit_entry(conn, arrived, arrived.user_id, EntryState.MATCHED, arrived.created_at)
    notify(conn, credited)
    return credited
