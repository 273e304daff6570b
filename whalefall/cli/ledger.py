"""`whalefall ledger verify`: prove that every balance equals the movements behind it."""

from __future__ import annotations

import dataclasses

import typer
from rich.console import Console

from whalefall.base.money import text_from_nanos
from whalefall.billing.verification import VerifyReport, verify
from whalefall.cli.output import AsJSON, DataDir, open_database, write_json, write_rows

app = typer.Typer(help="The ledger.", no_args_is_help=True)


@app.command("verify")
def verify_ledger(data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Replay all transfers and compare. Ends with status 1 when anything differs."""
    with open_database(data_dir) as database:
        report = database.run_read(verify)
    if as_json:
        write_json(_record(report))
    else:
        _show(report)
    if report.differences:
        raise typer.Exit(1)


def _record(report: VerifyReport) -> dict[str, object]:
    return {
        "ok": not report.differences,
        "accounts": report.num_accounts,
        "transfers": report.num_transfers,
        "holds": report.num_holds,
        "usage_records": report.num_usage_records,
        "totals": _totals(report),
        "differences": [dataclasses.asdict(difference) for difference in report.differences],
    }


def _totals(report: VerifyReport) -> list[dict[str, object]]:
    return [
        {
            "currency": total.currency.value,
            "revenue": text_from_nanos(total.revenue_nanos, 9),
            "usage": text_from_nanos(total.usage_nanos, 9),
            "customers_hold": text_from_nanos(total.customers_nanos, 9),
        }
        for total in report.totals
    ]


def _show(report: VerifyReport) -> None:
    console = Console(highlight=False)
    console.print(
        f"{report.num_accounts} accounts, {report.num_transfers} transfers, "
        f"{report.num_holds} holds, {report.num_usage_records} usage records"
    )
    write_rows("Totals", _totals(report), as_json=False)
    if not report.differences:
        console.print("[green]The ledger is clean.[/green]")
        return
    rows = [dataclasses.asdict(difference) for difference in report.differences]
    write_rows("Differences", rows, as_json=False)
    console.print(f"[red]{len(report.differences)} differences.[/red]")
