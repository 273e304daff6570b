"""`whalefall users verification …`: what waits to be verified, approve, reject. Numbers stay masked
here; compare them in the console."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import Connection

from whalefall.accounts.users import User, get_user
from whalefall.accounts.verification import (
    Verification,
    VerificationState,
    list_verifications,
    verifications_of,
)
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import PlatformError
from whalefall.cli.audited import COMMAND_LINE
from whalefall.cli.output import AsJSON, DataDir, fail, open_database, write_record, write_rows
from whalefall.cli.users import Email, user_by_email
from whalefall.console.language import load_catalogs
from whalefall.console.verification_decisions import approve as approve_claim
from whalefall.console.verification_decisions import reject as reject_claim

app = typer.Typer(help="Whom accounts belong to.", no_args_is_help=True)


@app.command("list")
def list_(
    state: Annotated[
        VerificationState | None, typer.Option(help="Only these; otherwise all of them.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """List claims: what waits first."""
    with open_database(data_dir) as database:
        rows = database.run_read(_rows, state)
    write_rows("Verifications", rows, as_json=as_json)


@app.command()
def approve(email: Email, data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Approve what a user claims; a letter goes to the user."""
    with open_database(data_dir) as database:
        user, found = _waiting(database, email)
        try:
            done = database.run(
                approve_claim, COMMAND_LINE, found.id, load_catalogs(), SystemClock().now()
            )
        except PlatformError as error:
            fail(error.message)
    write_record("Verification", _row(user, done), as_json=as_json)


@app.command()
def reject(
    email: Email,
    reason: Annotated[str, typer.Option(help="Why; it is told to the user.")],
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Reject what a user claims; a letter goes to the user."""
    with open_database(data_dir) as database:
        user, found = _waiting(database, email)
        now = SystemClock().now()
        try:
            done = database.run(reject_claim, COMMAND_LINE, found.id, reason, load_catalogs(), now)
        except PlatformError as error:
            fail(error.message)
    write_record("Verification", _row(user, done), as_json=as_json)


def _waiting(database: Database, email: str) -> tuple[User, Verification]:
    user = user_by_email(database, email)
    mine = database.run_read(verifications_of, user.id)
    waiting = [each for each in mine if each.state is VerificationState.WAITING]
    if not waiting:
        fail(f"{user.email} claims nothing; see `whalefall users verification list`")
    return user, waiting[0]


def _rows(conn: Connection, state: VerificationState | None) -> list[dict[str, object]]:
    return [_row(get_user(conn, each.user_id), each) for each in list_verifications(conn, state)]


def _row(user: User, found: Verification) -> dict[str, object]:
    return {
        "id": found.id,
        "email": user.email,
        "kind": found.kind.value,
        "state": found.state.value,
        "name": found.name,
        "masked_number": found.masked_number,
        "submitted_at": found.submitted_at.isoformat(),
        "reason": found.reason,
    }
