"""Ledger accounts and the one function that moves money between them.

Double entry in TigerBeetle's words: a transfer debits one account and credits another by the same
amount in one currency, is never edited, and is one of

    single                         moves at once
    pending                        reserves
    post | void | expire           resolves a pending one, once: all or less of it, or nothing

Customers' money is what the platform owes them, so their accounts grow with credits and may never
be debited, pending debits included, beyond their credits. The database checks that too."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from whalefall.base.errors import InvalidRequestError, ServerError
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.base.statements import Prepared
from whalefall.base.tables import Instant, metadata, micros_from_instant

BALANCE_NANOS_MAX = 9_200_000_000_000_000_000
"""No account counts further than this, so that sums stay inside a BIGINT."""


NOTE_LENGTH_MAX = 200


class AccountKind(enum.StrEnum):
    PAID = "paid"
    """What a customer topped up and has not spent."""
    GRANTED = "granted"
    """What is left of one grant; an account of its own per grant."""
    REVENUE = "revenue"
    """What a customer has spent. One per customer, so that no two customers wait for each other."""
    CASH_CLEARING = "cash_clearing"
    """Money on its way in or out; one per source of payments, named by it."""
    REFUNDS_PAYABLE = "refunds_payable"
    """Refunds that were asked for and that the provider has not confirmed; one per source."""
    CHARGEBACK_LOSS = "chargeback_loss"
    """What chargebacks took that the customer had spent already; one per source."""
    BANK_SUSPENSE = "bank_suspense"
    """Money that reached the platform's bank account and that nobody has been found for."""
    PROMOTION_EXPENSE = "promotion_expense"
    EXPIRED_GRANTS = "expired_grants"
    FORFEITED = "forfeited"
    """What customers gave up with their accounts."""


CUSTOMER_KINDS = (AccountKind.PAID, AccountKind.GRANTED)


class TransferKind(enum.StrEnum):
    SINGLE = "single"
    PENDING = "pending"
    POST = "post"
    VOID = "void"
    EXPIRE = "expire"


def _counter(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id")),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    _counter("debits_pending"),
    _counter("debits_posted"),
    _counter("credits_pending"),
    _counter("credits_posted"),
    Column("is_customer", Boolean, nullable=False),
    Column("expires_at", Instant),
    Column("created_at", Instant, nullable=False),
    CheckConstraint(
        "NOT is_customer OR debits_pending + debits_posted <= credits_posted",
        name="no_overdraft",
    ),
    *(
        CheckConstraint(f"{name} BETWEEN 0 AND {BALANCE_NANOS_MAX}", name=f"{name}_in_range")
        for name in ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
    ),
    Index(None, "user_id", "currency"),
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("debit_account_id", Text, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("credit_account_id", Text, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nanos", BigInteger, nullable=False),
    Column("pending_id", Text, ForeignKey("transfers.id")),
    Column("hold_id", Text),
    Column("sequence", Integer, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("pending_id"),
    UniqueConstraint("idempotency_key"),
    CheckConstraint(
        f"amount_nanos > 0 AND amount_nanos <= {MAX_AMOUNT_NANOS}", name="amount_in_range"
    ),
    CheckConstraint("debit_account_id <> credit_account_id", name="two_accounts"),
    CheckConstraint(
        "(kind IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)", name="resolves_one"
    ),
    CheckConstraint("kind IN ('single', 'pending', 'post', 'void', 'expire')", name="kind_known"),
    Index(None, "hold_id"),
    Index(None, "debit_account_id"),
    Index(None, "credit_account_id"),
    # What left an account without a hold is a few rows among very many.
    Index(
        "ix_transfers_single_debits",
        "debit_account_id",
        "created_at",
        sqlite_where=text("kind = 'single'"),
        postgresql_where=text("kind = 'single'"),
    ),
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement, as it was and will be."""

    id: str
    kind: TransferKind
    debit_account_id: str
    credit_account_id: str
    currency: Currency
    amount_nanos: int
    idempotency_key: str
    reason: str
    created_at: datetime
    reference: str = ""
    pending_id: str | None = None
    pending_nanos: int = 0
    """For a resolution: all that the pending transfer reserved, of which amount_nanos is used."""
    hold_id: str | None = None
    sequence: int = 0
    """The place in its hold's order of sources: the first is drawn first."""


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    id: str
    user_id: str | None
    kind: AccountKind
    currency: Currency
    debits_pending: int
    debits_posted: int
    credits_pending: int
    credits_posted: int
    expires_at: datetime | None

    @property
    def credit_balance_nanos(self) -> int:
        """Posted credits less posted debits."""
        return self.credits_posted - self.debits_posted

    @property
    def available_nanos(self) -> int:
        """What a new debit may take: the balance less what is reserved."""
        return self.credit_balance_nanos - self.debits_pending


def account_id(kind: AccountKind, currency: Currency, owner: str = "system") -> str:
    """The id of a ledger account is made from what it is, so it is found without a look-up. Their
    alphabetical order is the order in which rows are locked."""
    return f"la_{kind}_{currency}_{owner}"


def open_account(
    conn: Connection,
    kind: AccountKind,
    currency: Currency,
    now: datetime,
    *,
    user_id: str | None = None,
    owner: str | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make sure the account exists; its id. `owner` names it, where that is not the user."""
    identifier = account_id(kind, currency, owner or user_id or "system")
    row = {
        "id": identifier,
        "user_id": user_id,
        "kind": kind.value,
        "currency": currency.value,
        "debits_pending": 0,
        "debits_posted": 0,
        "credits_pending": 0,
        "credits_posted": 0,
        "is_customer": kind in CUSTOMER_KINDS,
        "expires_at": expires_at,
        "created_at": now,
    }
    conn.execute(upsert(ledger_accounts).values(row).on_conflict_do_nothing())
    return identifier


def lock_accounts(conn: Connection, account_ids: Sequence[str]) -> dict[str, LedgerAccount]:
    """Read accounts for a change, locking their rows in id order where the database has row
    locks. ServerError when one is missing."""
    columns = [ledger_accounts.c[name] for name in LedgerAccount.__slots__]
    query = select(*columns).where(ledger_accounts.c.id.in_(account_ids))
    locked = query.order_by(ledger_accounts.c.id).with_for_update(key_share=True)
    found = {row.id: LedgerAccount(*row) for row in conn.execute(locked)}
    missing = [name for name in account_ids if name not in found]
    if missing:
        raise ServerError(f"ledger accounts are missing: {', '.join(missing)}")
    return found


def move(conn: Connection, movements: Sequence[Transfer]) -> None:
    """Append transfers and apply them to their accounts' balances, in the caller's transaction.

    The only writer of either. The database refuses what would overdraw a customer, repeat an
    idempotency key or resolve a pending transfer a second time."""
    if not movements:
        return
    _INSERT.run_many(conn, [_row_from_transfer(transfer) for transfer in movements])
    changes = _changes(movements)
    rows = [{"account": name, **changes[name]} for name in sorted(changes)]
    written = _UPDATE.run_many(conn, rows)
    assert written == len(changes), f"{len(changes)} accounts to change, {written} found"


def transfer_by_key(conn: Connection, idempotency_key: str) -> Transfer | None:
    """The single transfer made under this key, if there is one."""
    names = [name for name in Transfer.__slots__ if name != "pending_nanos"]
    columns = [transfers.c[name] for name in names]
    query = select(*columns).where(transfers.c.idempotency_key == idempotency_key)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    values["kind"] = TransferKind(row["kind"])
    values["currency"] = Currency(row["currency"])
    return Transfer(**values)


def move_once(conn: Connection, transfer: Transfer) -> Transfer:
    """Move a single transfer, or return the one that did so before under the same key.

    InvalidRequestError for an amount out of range, a key used for something else, or a sum that
    would no longer fit."""
    assert transfer.kind is TransferKind.SINGLE
    check_amount(transfer.amount_nanos)
    debit, credit = transfer.debit_account_id, transfer.credit_account_id
    accounts = lock_accounts(conn, [debit, credit])
    made = transfer_by_key(conn, transfer.idempotency_key)
    if made is not None:
        if _substance(made) != _substance(transfer):
            raise InvalidRequestError(
                f"the idempotency key {transfer.idempotency_key!r} was used for something else"
            )
        return made
    counted = max(accounts[debit].debits_posted, accounts[credit].credits_posted)
    if counted + transfer.amount_nanos > BALANCE_NANOS_MAX:
        raise InvalidRequestError("the account would count more than a ledger can hold")
    move(conn, [transfer])
    return transfer


def _substance(transfer: Transfer) -> tuple[str, str, int]:
    return transfer.debit_account_id, transfer.credit_account_id, transfer.amount_nanos


def check_amount(amount_nanos: int) -> None:
    """InvalidRequestError unless it is a whole, positive amount this platform handles."""
    if isinstance(amount_nanos, bool) or not isinstance(amount_nanos, int):
        raise InvalidRequestError("an amount is a whole number of nanos")
    if not 0 < amount_nanos <= MAX_AMOUNT_NANOS:
        raise InvalidRequestError(
            f"an amount lies between 1 and {MAX_AMOUNT_NANOS} nanos, not {amount_nanos}"
        )


def check_note(name: str, text: str, length_max: int = NOTE_LENGTH_MAX) -> None:
    """InvalidRequestError unless a key, reason or reference is short and printable: what both
    databases store as it is, and what no log or page can be confused by."""
    if len(text) > length_max or not text.isprintable():
        raise InvalidRequestError(f"the {name} has at most {length_max} printable characters")


def _changes(movements: Iterable[Transfer]) -> dict[str, dict[str, int]]:
    """What each account's four counters change by."""
    changes: dict[str, dict[str, int]] = {}

    def add(account: str, side: str, pending: int, posted: int) -> None:
        change = changes.setdefault(account, dict.fromkeys(_CHANGES, 0))
        change[f"d_{side}_pending"] += pending
        change[f"d_{side}_posted"] += posted

    for transfer in movements:
        pending, posted = _effect(transfer)
        add(transfer.debit_account_id, "debits", pending, posted)
        add(transfer.credit_account_id, "credits", pending, posted)
    return changes


_COUNTERS = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_CHANGES = tuple(f"d_{name}" for name in _COUNTERS)


def _effect(transfer: Transfer) -> tuple[int, int]:
    """(change of pending, change of posted) on either side."""
    match transfer.kind:
        case TransferKind.SINGLE:
            return 0, transfer.amount_nanos
        case TransferKind.PENDING:
            return transfer.amount_nanos, 0
        case TransferKind.POST:
            return -transfer.pending_nanos, transfer.amount_nanos
        case TransferKind.VOID | TransferKind.EXPIRE:
            return -transfer.pending_nanos, 0


def _row_from_transfer(transfer: Transfer) -> dict[str, object]:
    return {
        "id": transfer.id,
        "kind": transfer.kind.value,
        "debit_account_id": transfer.debit_account_id,
        "credit_account_id": transfer.credit_account_id,
        "currency": transfer.currency.value,
        "amount_nanos": transfer.amount_nanos,
        "pending_id": transfer.pending_id,
        "hold_id": transfer.hold_id,
        "sequence": transfer.sequence,
        "idempotency_key": transfer.idempotency_key,
        "reason": transfer.reason,
        "reference": transfer.reference,
        "created_at": micros_from_instant(transfer.created_at),
    }


_INSERT = Prepared(insert(transfers))

_UPDATE = Prepared(
    update(ledger_accounts)
    .where(ledger_accounts.c.id == bindparam("account"))
    .values({name: ledger_accounts.c[name] + bindparam(f"d_{name}") for name in _COUNTERS})
)
