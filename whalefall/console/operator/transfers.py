"""Bank transfers for the operator: statements taken in, what of them waits, who is to have it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec
from sqlalchemy import Connection

from whalefall.accounts.audit import Actor, record_action
from whalefall.accounts.users import find_user
from whalefall.accounts.verification import Identity, verified_identity
from whalefall.base.money import text_from_nanos
from whalefall.base.tables import instant_from_micros, micros_from_instant
from whalefall.billing.bank_entries import (
    NOTE_LENGTH_MAX,
    BankEntry,
    EntryFilter,
    EntryState,
    count_entries,
    get_entry,
    list_entries,
)
from whalefall.billing.bank_imports import (
    BankImport,
    ImportReport,
    Notify,
    Tally,
    batches,
    begin_import,
    check_statement,
    import_batch,
    list_imports,
    new_import,
    preview_batch,
)
from whalefall.billing.bank_matching import EnterpriseNamed, enterprises_named
from whalefall.billing.bank_statements.entry import Statement, StatementFormat
from whalefall.billing.bank_statements.parse import STATEMENT_BYTES_MAX, parse_statement
from whalefall.billing.bank_statements.problems import StatementError
from whalefall.billing.bank_transfers import (
    Decision,
    attribute_entry,
    leave_entry,
    return_entry,
    settle_reversal,
)
from whalefall.billing.virtual_accounts import BankAccount
from whalefall.console.bank_letters import letter_writer
from whalefall.console.forms import RefusedError
from whalefall.console.language import mark
from whalefall.console.routing import Action, Load, View
from whalefall.console.session import Standing, Visit

PAGE_LENGTH = 50
NUM_SHOWN = 100
NO_ACCOUNT = mark("No bank account is set up. Fill in the settings that begin with bank_account_.")
Id = Annotated[str, msgspec.Meta(max_length=64)]
Reason = Annotated[str, msgspec.Meta(max_length=NOTE_LENGTH_MAX)]
Email = Annotated[str, msgspec.Meta(max_length=254)]


class TransfersQuery(msgspec.Struct, frozen=True):
    state: EntryState | None = None
    """Only these; without it all."""
    q: Annotated[str, msgspec.Meta(max_length=100)] = ""
    """Part of a payer's name or account, of a reference, a text or a number; or a user's id."""
    before: Annotated[str, msgspec.Meta(max_length=100, pattern=r"^([0-9]{1,18}:\w+)?$")] = ""
    """Where the page before ended."""


class EntryId(msgspec.Struct, frozen=True):
    entry_id: Id


class ImportStatement(msgspec.Struct, frozen=True):
    statement: bytes
    """The file; in JSON as base64."""
    format: StatementFormat | None = None
    """Left out, the file's own."""
    is_dry_run: bool = False
    file_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "statement"
    """For messages and the list of imports."""


class Reasoned(msgspec.Struct, frozen=True):
    entry_id: Id
    reason: Reason = ""


class Attribute(Reasoned, frozen=True, kw_only=True):
    email: Email
    """Of the account that is credited."""


class Settle(Reasoned, frozen=True, kw_only=True):
    payment_id: Id = ""
    """The entry that the bank took back; empty: nothing is moved."""


@dataclass(frozen=True, slots=True)
class TransfersPage:
    account: BankAccount | None
    counts: dict[EntryState, int]
    query: TransfersQuery
    entries: tuple[BankEntry, ...]
    next_before: str
    imports: tuple[BankImport, ...]
    formats: tuple[StatementFormat, ...] = tuple(StatementFormat)


@dataclass(frozen=True, slots=True)
class TransferPage:
    entry: BankEntry
    owner: Identity | None
    """Whose number it names, or who was credited."""
    namesakes: tuple[EnterpriseNamed, ...]
    """Verified enterprises with the payer's name."""


@dataclass(frozen=True, slots=True)
class Imported:
    is_dry_run: bool
    report: ImportReport


async def load_transfers(visit: Visit, query: TransfersQuery) -> TransfersPage:
    return await visit.database.read(_transfers_page, visit.context.bank_account, query)


async def load_transfer(visit: Visit, query: EntryId) -> TransferPage:
    return await visit.database.read(_transfer_page, query.entry_id)


async def take_in(visit: Visit, fields: ImportStatement) -> Imported:
    account = visit.context.bank_account
    if account is None:
        raise RefusedError(NO_ACCOUNT)
    try:
        statement = await asyncio.to_thread(_parsed, fields, account)
    except StatementError as error:
        raise _told(visit, error) from error
    made = new_import(statement, fields.file_name, visit.person.email, visit.now)
    tally = Tally(made, statement.account)
    if fields.is_dry_run:
        for batch in batches(statement):
            outcome = await visit.database.read(preview_batch, made, account.number, batch)
            tally.outcomes.append(outcome)
        return _imported(tally, is_dry_run=True)
    await visit.database.write(begin_import, made)
    notify = _notify(visit)
    for batch in batches(statement):
        outcome = await visit.database.write(import_batch, made, account.number, batch, notify)
        tally.outcomes.append(outcome)
    imported = _imported(tally, is_dry_run=False)
    detail = import_detail(imported.report)
    await visit.database.write(
        record_action, visit.actor, "statement.imported", made.id, visit.now, detail
    )
    return imported


async def attribute(visit: Visit, fields: Attribute) -> BankEntry:
    return await visit.database.write(
        _attribute, visit.actor, _decision(visit, fields), fields.email, _notify(visit)
    )


async def send_back(visit: Visit, fields: Reasoned) -> BankEntry:
    return await _decide(visit, fields, "bank_entry.returned", return_entry)


async def leave(visit: Visit, fields: Reasoned) -> BankEntry:
    return await _decide(visit, fields, "bank_entry.left", leave_entry)


async def settle(visit: Visit, fields: Settle) -> BankEntry:
    def run(conn: Connection, decision: Decision) -> BankEntry:
        return settle_reversal(conn, decision, fields.payment_id)

    return await _decide(visit, fields, "bank_entry.settled", run)


def import_detail(report: ImportReport) -> str:
    """For the audit log: what came of an import."""
    words = [f"{count} {state}" for state, count in report.num_by_state.items() if count]
    words += [
        f"{text_from_nanos(nanos)} {currency} credited"
        for currency, nanos in report.credited_nanos.items()
    ]
    return f"{report.file}: " + ", ".join([*words, f"{report.num_known} known"])


def _parsed(fields: ImportStatement, account: BankAccount) -> Statement:
    statement = parse_statement(
        fields.statement, fields.file_name, expected=fields.format, currency=account.currency
    )
    check_statement(statement, fields.file_name, account)
    return statement


def _told(visit: Visit, error: StatementError) -> RefusedError:
    """The same in the reader's language."""
    problem = visit.catalog.gettext(error.problem.value) % error.values
    return RefusedError(
        mark("%(file)s, line %(line)d, column %(column)s: %(problem)s"),
        file=error.place.file,
        line=error.place.line,
        column=error.place.column,
        problem=problem,
    )


def _imported(tally: Tally, *, is_dry_run: bool) -> Imported:
    report = tally.report()
    return Imported(is_dry_run, replace(report, entries=report.entries[:NUM_SHOWN]))


def _notify(visit: Visit) -> Notify:
    return letter_writer(visit.console.catalogs)


def _decision(visit: Visit, fields: Reasoned) -> Decision:
    return Decision(fields.entry_id, fields.reason.strip(), visit.person.email, visit.now)


async def _decide(
    visit: Visit, fields: Reasoned, action: str, run: Callable[[Connection, Decision], BankEntry]
) -> BankEntry:
    return await visit.database.write(_run, visit.actor, _decision(visit, fields), action, run)


def _run(
    conn: Connection,
    actor: Actor,
    decision: Decision,
    action: str,
    run: Callable[[Connection, Decision], BankEntry],
) -> BankEntry:
    entry = run(conn, decision)
    record_action(conn, actor, action, entry.id, decision.now, decision.reason)
    return entry


def _attribute(
    conn: Connection, actor: Actor, decision: Decision, email: str, notify: Notify
) -> BankEntry:
    user = find_user(conn, email)
    if user is None:
        raise RefusedError(mark("There is no user with that address."))
    entry = attribute_entry(conn, decision, user.id)
    detail = f"{text_from_nanos(entry.amount_nanos)} {entry.currency} {decision.reason}"
    record_action(conn, actor, "bank_entry.attributed", user.id, decision.now, detail)
    notify(conn, entry)
    return entry


def _transfers_page(
    conn: Connection, account: BankAccount | None, query: TransfersQuery
) -> TransfersPage:
    states = (query.state,) if query.state is not None else ()
    wanted = EntryFilter(states, query.q.strip(), _place(query.before))
    entries = list_entries(conn, wanted, limit=PAGE_LENGTH)
    next_before = ""
    if len(entries) == PAGE_LENGTH:
        last = entries[-1]
        next_before = f"{micros_from_instant(last.created_at)}:{last.id}"
    imports = tuple(list_imports(conn, limit=10))
    return TransfersPage(account, count_entries(conn), query, tuple(entries), next_before, imports)


def _place(before: str) -> tuple[datetime, str] | None:
    if not before:
        return None
    micros, _, entry_id = before.partition(":")
    return instant_from_micros(int(micros)), entry_id


def _transfer_page(conn: Connection, entry_id: str) -> TransferPage:
    entry = get_entry(conn, entry_id)
    owner = verified_identity(conn, entry.user_id) if entry.user_id else None
    namesakes = enterprises_named(conn, entry.payer_name) if entry.payer_name else ()
    return TransferPage(entry, owner, tuple(namesakes))


TRANSFERS = View(
    "/operator/transfers",
    "operator/transfers.html",
    load_transfers,
    "What stood on the bank's statements, newest first.",
    query=TransfersQuery,
    standing=Standing.OPERATOR,
)
TRANSFER = View(
    "/operator/transfers/{entry_id}",
    "operator/transfer.html",
    load_transfer,
    "One entry of a statement, and who may be meant.",
    query=EntryId,
    standing=Standing.OPERATOR,
)
VIEWS = (TRANSFERS, TRANSFER)


def _action(name: str, run: Load, fields: type[msgspec.Struct], notice: str, text: str) -> Action:
    return Action(
        f"/operator/transfers/{{entry_id}}/{name}",
        run,
        TRANSFER,
        text,
        fields=fields,
        then=f"/operator/transfers/{{entry_id}}?notice={notice}",
        standing=Standing.OPERATOR,
    )


ACTIONS = (
    Action(
        "/operator/transfers",
        take_in,
        TRANSFERS,
        "Import a bank statement: what is new is stored, and credited where it is clear.",
        fields=ImportStatement,
        standing=Standing.OPERATOR,
        upload_bytes_max=STATEMENT_BYTES_MAX,
    ),
    _action("attribute", attribute, Attribute, "attributed", "Credit a waiting payment."),
    _action("return", send_back, Reasoned, "returned", "Send a waiting payment back."),
    _action("leave", leave, Reasoned, "saved", "Let an entry wait on, with a note."),
    _action("settle", settle, Settle, "saved", "Close an entry that takes a payment back."),
)
