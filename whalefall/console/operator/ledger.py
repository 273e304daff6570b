"""The ledger, to look things up in by account, customer or movement. Nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.base.tables import instant_from_micros, micros_from_instant
from whalefall.billing.ledger_view import (
    AccountEntry,
    Related,
    find_accounts,
    find_transfers,
    get_account,
    get_related,
    movements_of,
)
from whalefall.billing.transfers import Transfer
from whalefall.console.routing import View
from whalefall.console.session import Standing, Visit

PAGE_LENGTH = 50
Text = Annotated[str, msgspec.Meta(max_length=254)]
Micros = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]


class LedgerQuery(msgspec.Struct, frozen=True):
    text: Text = ""
    """Part of an account's id or of a customer's address; or the whole id, key, hold or reference
    of a movement."""
    after: Text = ""
    """The last account seen."""


class AccountQuery(msgspec.Struct, frozen=True):
    account_id: Text
    before: Micros = 0
    """Microseconds since 1970, with `before_id` the last movement seen; 0: from the newest on."""
    before_id: Text = ""


class TransferQuery(msgspec.Struct, frozen=True):
    transfer_id: Text


@dataclass(frozen=True, slots=True)
class LedgerPage:
    query: LedgerQuery
    accounts: tuple[AccountEntry, ...]
    next_after: str | None
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class AccountPage:
    entry: AccountEntry
    transfers: tuple[Transfer, ...]
    next_before: int | None
    next_before_id: str


async def load_ledger(visit: Visit, query: LedgerQuery) -> LedgerPage:
    return await visit.database.read(_ledger_page, query)


async def load_account(visit: Visit, query: AccountQuery) -> AccountPage:
    return await visit.database.read(_account_page, query)


async def load_transfer(visit: Visit, query: TransferQuery) -> Related:
    return await visit.database.read(get_related, query.transfer_id)


def _ledger_page(conn: Connection, query: LedgerQuery) -> LedgerPage:
    found = find_accounts(conn, query.text, after_id=query.after, limit=PAGE_LENGTH)
    wanted = query.text.strip()
    return LedgerPage(
        query=query,
        accounts=tuple(found),
        next_after=found[-1].account.id if len(found) == PAGE_LENGTH else None,
        transfers=tuple(find_transfers(conn, wanted, limit=PAGE_LENGTH)) if wanted else (),
    )


def _account_page(conn: Connection, query: AccountQuery) -> AccountPage:
    entry = get_account(conn, query.account_id)
    before = (instant_from_micros(query.before), query.before_id) if query.before else None
    found = movements_of(conn, query.account_id, before=before, limit=PAGE_LENGTH)
    is_full = len(found) == PAGE_LENGTH
    return AccountPage(
        entry=entry,
        transfers=tuple(found),
        next_before=micros_from_instant(found[-1].created_at) if is_full else None,
        next_before_id=found[-1].id if is_full else "",
    )


VIEWS = (
    View(
        "/operator/ledger",
        "operator/ledger.html",
        load_ledger,
        "Ledger accounts with their balances, and movements by id, key, hold or reference.",
        query=LedgerQuery,
        standing=Standing.OPERATOR,
    ),
    View(
        "/operator/ledger/accounts/{account_id}",
        "operator/ledger_account.html",
        load_account,
        "One ledger account and its movements, newest first.",
        query=AccountQuery,
        standing=Standing.OPERATOR,
    ),
    View(
        "/operator/ledger/transfers/{transfer_id}",
        "operator/ledger_transfer.html",
        load_transfer,
        "One movement, with what it resolves and what resolved it.",
        query=TransferQuery,
        standing=Standing.OPERATOR,
    ),
)
