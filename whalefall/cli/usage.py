"""`whalefall usage export`: a month of one user's usage, as the console exports it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from whalefall.base.clock import SystemClock
from whalefall.billing.usage import UsageRow, usage_rows
from whalefall.cli.output import AsJSON, DataDir, fail, open_database, write_record
from whalefall.cli.users import user_by_email
from whalefall.console.usage_export import Month, export_name, export_zip

app = typer.Typer(help="What was used.", no_args_is_help=True)


@app.command()
def export(
    user: Annotated[str, typer.Option("--user", help="E-mail address of the account.")],
    month: Annotated[
        str | None, typer.Option(help="UTC month such as 2026-09; this one if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The zip to write; usage_data_YEAR_MONTH.zip if not given.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJSON = False,
) -> None:
    """Write a zip with amount-YYYY-M.csv (per key and kind of token) and cost-YYYY-M.csv."""
    try:
        chosen = Month.from_text(month) if month else Month.of(SystemClock().now().date())
    except ValueError as error:
        fail(str(error))
    with open_database(data_dir) as database:
        owner = user_by_email(database, user)
        rows = database.run_read(_rows, owner.id, chosen)
    path = output or Path(export_name(chosen))
    try:
        path.write_bytes(export_zip(rows, chosen))
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")
    record = {
        "file": str(path),
        "month": str(chosen),
        "rows": len(rows),
        "requests": sum(row.num_requests for row in rows),
    }
    write_record("Usage export", record, as_json=as_json)


def _rows(conn: Connection, user_id: str, month: Month) -> list[UsageRow]:
    return list(usage_rows(conn, month.first_day, month.last_day, user_id=user_id))
