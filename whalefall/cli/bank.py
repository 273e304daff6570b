"""`whalefall bank …`: take bank statements in, look at what waits, decide about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from sqlalchemy import Connection

from whalefall.app import bank_account
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.base.money import text_from_nanos
from whalefall.billing.bank_entries import BankEntry, EntryFilter, EntryState, list_entries
from whalefall.billing.bank_imports import (
    ImportReport,
    Tally,
    batches,
    begin_import,
    check_statement,
    import_batch,
    new_import,
    preview_batch,
)
from whalefall.billing.bank_statements.entry import Statement, StatementEntry, StatementFormat
from whalefall.billing.bank_statements.parse import STATEMENT_BYTES_MAX, parse_statement
from whalefall.billing.bank_transfers import (
    Decision,
    attribute_entry,
    leave_entry,
    return_entry,
    settle_reversal,
)
from whalefall.billing.virtual_accounts import BankAccount
from whalefall.cli.audited import COMMAND_LINE, Deed, run_audited
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    open_database,
    settings_from,
    write_json,
    write_record,
    write_rows,
)
from whalefall.cli.users import user_by_email
from whalefall.console.bank_letters import letter_writer
from whalefall.console.language import load_catalogs
from whalefall.console.operator.transfers import import_detail
from whalefall.settings import SettingsError

app = typer.Typer(help="Bank transfers.", no_args_is_help=True)
EntryId = Annotated[str, typer.Argument(help="The entry's id, bankentry_…")]
Reason = Annotated[str, typer.Option(help="Kept with the entry.")]


@app.command("import")
def import_statement(
    file: Annotated[Path, typer.Argument(help="CSV of ICBC or CMB, or camt.053.")],
    expected: Annotated[
        StatementFormat | None,
        typer.Option("--format", help="Refuse any other; found out from the file when not given."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Take a bank statement in. Entries that are known already change nothing."""
    account = _account(data_dir)
    try:
        data = _bytes_of(file)
        statement = parse_statement(data, file.name, expected=expected, currency=account.currency)
        check_statement(statement, file.name, account)
        with open_database(data_dir) as database:
            run = _preview if dry_run else _take_in
            report = run(database, account, statement, file.name, as_json)
    except PlatformError as error:
        fail(error.message)
    record = _record(report, is_dry_run=dry_run)
    if as_json:
        write_json(record)
        return
    entries = record.pop("entries")
    write_record("Would be imported" if dry_run else "Imported", record, as_json=False)
    assert isinstance(entries, list)
    write_rows("New entries", entries, as_json=False, empty="none")


@app.command("entries")
def show_entries(
    state: Annotated[EntryState | None, typer.Option(help="Only these.")] = None,
    text: Annotated[str, typer.Option(help="Part of a payer, number, reference or text.")] = "",
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """List entries of statements, newest first."""
    wanted = EntryFilter((state,) if state else (), text)
    with open_database(data_dir) as database:
        found = database.run_read(list_entries, wanted)
    write_rows("Bank entries", [_row(entry) for entry in found], as_json=as_json)


@app.command()
def attribute(
    entry: EntryId,
    email: Annotated[str, typer.Argument(help="Of the verified enterprise that is credited.")],
    reason: Reason,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Credit a waiting payment to a verified enterprise."""
    notify = letter_writer(load_catalogs())
    with open_database(data_dir) as database:
        user = user_by_email(database, email)

        def run(conn: Connection, decision: Decision) -> BankEntry:
            made = attribute_entry(conn, decision, user.id)
            notify(conn, made)
            return made

        made = _decide(database, "bank_entry.attributed", _decision(entry, reason), run)
    write_record("Credited", _row(made), as_json=as_json)


@app.command("return")
def send_back(
    entry: EntryId, reason: Reason, data_dir: DataDir = None, as_json: AsJSON = False
) -> None:
    """Note that a waiting payment was sent back."""
    with open_database(data_dir) as database:
        made = _decide(database, "bank_entry.returned", _decision(entry, reason), return_entry)
    write_record("Returned", _row(made), as_json=as_json)


@app.command()
def leave(
    entry: EntryId, reason: Reason, data_dir: DataDir = None, as_json: AsJSON = False
) -> None:
    """Let an entry wait on, with a note."""
    with open_database(data_dir) as database:
        made = _decide(database, "bank_entry.left", _decision(entry, reason), leave_entry)
    write_record("Waits", _row(made), as_json=as_json)


@app.command()
def settle(
    entry: EntryId,
    reason: Reason,
    payment: Annotated[str, typer.Option(help="The entry that was taken back.")] = "",
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Close an entry with which the bank takes a payment back."""

    def run(conn: Connection, decision: Decision) -> BankEntry:
        return settle_reversal(conn, decision, payment)

    with open_database(data_dir) as database:
        made = _decide(database, "bank_entry.settled", _decision(entry, reason), run)
    write_record("Closed", _row(made), as_json=as_json)


def _account(data_dir: Path | None) -> BankAccount:
    try:
        account = bank_account(settings_from(data_dir=data_dir))
    except SettingsError as error:
        fail(str(error), code=2)
    if account is None:
        fail("no bank account is set up: fill in the settings that begin with bank_account_")
    return account


def _bytes_of(file: Path) -> bytes:
    """No more of it than is told apart from too much."""
    try:
        with file.open("rb") as opened:
            return opened.read(STATEMENT_BYTES_MAX + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _take_in(
    database: Database, account: BankAccount, statement: Statement, file: str, quiet: bool
) -> ImportReport:
    made = new_import(statement, file, COMMAND_LINE.email, SystemClock().now())
    tally = Tally(made, statement.account)
    notify = letter_writer(load_catalogs())
    database.run(begin_import, made)
    for batch in _tracked(batches(statement), quiet):
        outcome = database.run(import_batch, made, account.number, batch, notify)
        tally.outcomes.append(outcome)
    report = tally.report()
    deed = Deed[None]("statement.imported", lambda _: made.id, import_detail(report))
    run_audited(database, deed, lambda _conn: None)
    return report


def _preview(
    database: Database, account: BankAccount, statement: Statement, file: str, quiet: bool
) -> ImportReport:
    made = new_import(statement, file, COMMAND_LINE.email, SystemClock().now())
    tally = Tally(made, statement.account)
    for batch in _tracked(batches(statement), quiet):
        tally.outcomes.append(database.run_read(preview_batch, made, account.number, batch))
    return tally.report()


def _tracked(
    made: list[tuple[StatementEntry, ...]], quiet: bool
) -> Iterable[tuple[StatementEntry, ...]]:
    return track(made, "Entries", console=Console(stderr=True), disable=quiet, transient=True)


def _decision(entry: str, reason: str) -> Decision:
    return Decision(entry, reason, COMMAND_LINE.email, SystemClock().now())


def _decide(
    database: Database,
    action: str,
    decision: Decision,
    run: Callable[[Connection, Decision], BankEntry],
) -> BankEntry:
    deed = Deed[BankEntry](action, lambda entry: entry.id, decision.reason)
    try:
        return run_audited(database, deed, run, decision)
    except PlatformError as error:
        fail(error.message)


def _record(report: ImportReport, *, is_dry_run: bool) -> dict[str, object]:
    return {
        "import_id": None if is_dry_run else report.import_id,
        "file": report.file,
        "format": report.format.value,
        "account": report.account,
        "entries_read": report.num_entries,
        "known": report.num_known,
        **{state.value: count for state, count in report.num_by_state.items()},
        "credited": {
            currency.value: text_from_nanos(nanos)
            for currency, nanos in report.credited_nanos.items()
        },
        "entries": [_row(entry) for entry in report.entries],
    }


def _row(entry: BankEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "booked_on": entry.booked_on.isoformat(),
        "direction": entry.direction.value,
        "amount": text_from_nanos(entry.amount_nanos),
        "currency": entry.currency.value,
        "payer": entry.payer_name,
        "reference": entry.reference,
        "text": entry.text,
        "state": entry.state.value,
        "wait_reason": entry.wait_reason.value,
        "user_id": entry.user_id,
        "note": entry.note,
    }
