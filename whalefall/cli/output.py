"""What every command shares: its options, and one way to answer a person or a program.

With --json a command writes exactly one JSON object or list to standard output and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from whalefall.base.db import Database, upgrade
from whalefall.settings import Settings, SettingsError, load_settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Folder of the database and journals. Also WHALEFALL_DATA_DIR.",
        show_default=False,
    ),
]
AsJSON = Annotated[
    bool, typer.Option("--json", help="Write one JSON value to standard output, nothing else.")
]


def fail(message: str, *, code: int = 1) -> NoReturn:
    """Say what went wrong on standard error and end with a status that scripts can see."""
    Console(stderr=True).print(f"[red]error:[/red] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def settings_from(**overrides: Any) -> Settings:  # noqa: ANN401 - values straight from the options
    try:
        return load_settings(overrides)
    except SettingsError as error:
        fail(str(error), code=2)


def open_database(data_dir: Path | None) -> Database:
    """Open the platform's database, creating or upgrading it first."""
    settings = settings_from(data_dir=data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    upgrade(settings.resolved_database_url)
    return Database.open(settings.resolved_database_url)


def write_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_rows(
    title: str, rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str = "none yet"
) -> None:
    """A list of records: one JSON list, or a table with the keys as its columns."""
    if as_json:
        write_json(rows)
        return
    if not rows:
        Console().print(f"{title}: {empty}", highlight=False)
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row.values()))
    Console().print(table)


def write_record(title: str, record: Mapping[str, object], *, as_json: bool) -> None:
    """One record: one JSON object, or a line for each of its keys."""
    if as_json:
        write_json(record)
    else:
        write_rows(title, [{"": key, " ": value} for key, value in record.items()], as_json=False)


def instant_from_text(text: str) -> datetime:
    """A date (its end is meant: the midnight after it, UTC) or an ISO instant; UTC without zone."""
    try:
        if len(text) == len("2027-01-31"):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is neither a date like 2027-01-31 nor an instant like 2027-01-31T12:00Z")
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
