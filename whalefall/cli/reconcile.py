"""`whalefall reconcile`: compare the ledger with usage, statements, counters and itself, now."""

from __future__ import annotations

import asyncio
import dataclasses

import typer
from rich.console import Console

from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.billing.reconciliation import Finding, Reconciliation, findings_of
from whalefall.cli.output import (
    AsJSON,
    DataDir,
    fail,
    open_database,
    settings_from,
    write_json,
    write_rows,
)
from whalefall.console.language import load_catalogs
from whalefall.console.reconciler import Reconciler
from whalefall.payment_setup import Providers, providers_from_settings
from whalefall.settings import Settings, SettingsError


def reconcile(data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Fetch yesterday's statements of the providers that are set up, compare all books, and keep
    the result for the console. Ends with status 1 when anything differs."""
    clock = SystemClock()
    providers = _providers(settings_from(data_dir=data_dir), clock)
    with open_database(data_dir) as database:
        reconciler = Reconciler(database, clock, providers, load_catalogs())
        done = asyncio.run(reconciler.reconcile("command line"))
        findings = _findings(database, done)
    if as_json:
        write_json(_record(done, findings))
    else:
        _show(done, findings)
    if done.num_differences:
        raise typer.Exit(1)


def _providers(settings: Settings, clock: SystemClock) -> Providers:
    base_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    try:
        return providers_from_settings(settings, base_url, clock)
    except SettingsError as error:
        fail(str(error), code=2)


def _findings(database: Database, done: Reconciliation) -> list[dict[str, object]]:
    return [_row(each) for each in database.run_read(findings_of, done.id)]


def _row(finding: Finding) -> dict[str, object]:
    return {"part": finding.part, **dataclasses.asdict(finding.difference)}


def _record(done: Reconciliation, findings: list[dict[str, object]]) -> dict[str, object]:
    return {
        "ok": done.is_clean,
        "id": done.id,
        "day": str(done.day),
        "num_differences": done.num_differences,
        "figures": done.figures,
        "differences": findings,
    }


def _show(done: Reconciliation, findings: list[dict[str, object]]) -> None:
    figures: dict[str, object] = {**done.figures}
    write_rows(f"Figures, statements of {done.day}", [figures], as_json=False)
    console = Console(highlight=False)
    if done.is_clean:
        console.print("[green]All books agree.[/green]")
        return
    write_rows("Differences", findings, as_json=False)
    console.print(f"[red]{done.num_differences} differences.[/red]")
