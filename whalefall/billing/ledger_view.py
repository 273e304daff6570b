"""The ledger as an operator reads it: accounts, the movements of each, and one movement with what
it resolves and what resolved it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from whalefall.accounts.users import users
from whalefall.base.errors import NotFoundError
from whalefall.base.money import Currency
from whalefall.billing.transfers import (
    AccountKind,
    LedgerAccount,
    Transfer,
    TransferKind,
    ledger_accounts,
    transfers,
)

PAGE_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class AccountEntry:
    account: LedgerAccount
    email: str
    """Of the customer whose account it is; else empty."""


@dataclass(frozen=True, slots=True)
class Related:
    """A movement and those that belong to it."""

    transfer: Transfer
    resolves: Transfer | None
    resolved_by: Transfer | None
    same_hold: tuple[Transfer, ...]


def find_accounts(
    conn: Connection, text: str = "", *, after_id: str = "", limit: int = PAGE_LENGTH_MAX
) -> list[AccountEntry]:
    """Accounts whose id or customer's address contains the text, by id. Pass the last id seen to
    go on."""
    query = (
        select(*_ACCOUNT_COLUMNS, users.c.email)
        .join(users, users.c.id == ledger_accounts.c.user_id, isouter=True)
        .where(ledger_accounts.c.id > after_id)
        .order_by(ledger_accounts.c.id)
    )
    wanted = text.strip()
    if wanted:
        query = query.where(
            or_(
                ledger_accounts.c.id.contains(wanted, autoescape=True),
                users.c.email.contains(wanted.lower(), autoescape=True),
            )
        )
    return [_entry(row) for row in conn.execute(query.limit(_limit(limit)))]


def get_account(conn: Connection, account_id: str) -> AccountEntry:
    """NotFoundError when there is none."""
    query = select(*_ACCOUNT_COLUMNS, users.c.email).join(
        users, users.c.id == ledger_accounts.c.user_id, isouter=True
    )
    row = conn.execute(query.where(ledger_accounts.c.id == account_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no ledger account {account_id}")
    return _entry(row)


def movements_of(
    conn: Connection,
    account_id: str,
    *,
    before: tuple[datetime, str] | None = None,
    limit: int = PAGE_LENGTH_MAX,
) -> list[Transfer]:
    """Newest first. Pass instant and id of the last one seen to go on."""
    columns = transfers.c
    query = select(*_TRANSFER_COLUMNS).where(
        or_(columns.debit_account_id == account_id, columns.credit_account_id == account_id)
    )
    if before is not None:
        instant, identifier = before
        is_older = (columns.created_at == instant) & (columns.id < identifier)
        query = query.where(or_(columns.created_at < instant, is_older))
    ordered = query.order_by(columns.created_at.desc(), columns.id.desc())
    return [_transfer(row) for row in conn.execute(ordered.limit(_limit(limit)))]


def find_transfers(conn: Connection, text: str, *, limit: int = PAGE_LENGTH_MAX) -> list[Transfer]:
    """Movements with exactly this id, idempotency key, hold or reference, newest first."""
    columns = transfers.c
    named = (columns.id, columns.idempotency_key, columns.hold_id, columns.reference)
    query = select(*_TRANSFER_COLUMNS).where(or_(*(column == text for column in named)))
    ordered = query.order_by(columns.created_at.desc(), columns.id.desc())
    return [_transfer(row) for row in conn.execute(ordered.limit(_limit(limit)))]


def get_related(conn: Connection, transfer_id: str) -> Related:
    """NotFoundError when there is no such transfer."""
    found = _one(conn, transfers.c.id == transfer_id)
    if found is None:
        raise NotFoundError(f"there is no transfer {transfer_id}")
    same_hold = []
    if found.hold_id is not None:
        query = select(*_TRANSFER_COLUMNS).where(transfers.c.hold_id == found.hold_id)
        ordered = query.order_by(transfers.c.created_at, transfers.c.sequence, transfers.c.id)
        same_hold = [_transfer(row) for row in conn.execute(ordered.limit(PAGE_LENGTH_MAX))]
    return Related(
        transfer=found,
        resolves=None if not found.pending_id else _one(conn, transfers.c.id == found.pending_id),
        resolved_by=_one(conn, transfers.c.pending_id == found.id),
        same_hold=tuple(each for each in same_hold if each.id != found.id),
    )


_ACCOUNT_COLUMNS = [ledger_accounts.c[name] for name in LedgerAccount.__slots__]
_NAMES = [name for name in Transfer.__slots__ if name != "pending_nanos"]
_TRANSFER_COLUMNS = [transfers.c[name] for name in _NAMES]


def _limit(limit: int) -> int:
    return max(1, min(limit, PAGE_LENGTH_MAX))


def _one(conn: Connection, is_it: Any) -> Transfer | None:  # noqa: ANN401 - any condition
    row = conn.execute(select(*_TRANSFER_COLUMNS).where(is_it)).one_or_none()
    return None if row is None else _transfer(row)


def _entry(row: Row[*tuple[Any, ...]]) -> AccountEntry:
    values = {name: getattr(row, name) for name in LedgerAccount.__slots__}
    values["kind"] = AccountKind(values["kind"])
    values["currency"] = Currency(values["currency"])
    return AccountEntry(LedgerAccount(**values), row.email or "")


def _transfer(row: Row[Any]) -> Transfer:
    values = {name: getattr(row, name) for name in _NAMES}
    values["kind"] = TransferKind(values["kind"])
    values["currency"] = Currency(values["currency"])
    return Transfer(**values)
