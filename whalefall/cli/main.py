"""The command line: `whalefall COMMAND`. One file per noun; this one only puts them together."""

from __future__ import annotations

import sys

import typer

from whalefall.base.errors import PlatformError
from whalefall.cli import (
    bank,
    bench,
    codes,
    db,
    doctor,
    keys,
    ledger,
    model,
    money,
    prices,
    reconcile,
    serve,
    tokens,
    usage,
    users,
    verification,
)

app = typer.Typer(
    name="whalefall",
    help="A self-hosted DeepSeek open platform: API, ledger and engine in one program.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.command()(serve.serve)
users.app.add_typer(verification.app, name="verification")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.command()(money.grant)
app.command("top-up")(money.top_up)
app.add_typer(codes.app, name="codes")
app.command()(tokens.tokens)
app.add_typer(bank.app, name="bank")
app.add_typer(prices.app, name="prices")
app.add_typer(usage.app, name="usage")
app.add_typer(ledger.app, name="ledger")
app.command()(reconcile.reconcile)
app.add_typer(model.app, name="model")
app.add_typer(bench.app, name="bench")
app.add_typer(db.app, name="db")
app.command()(doctor.doctor)


def run() -> None:
    try:
        app()
    except PlatformError as error:
        sys.exit(f"error: {error.message}")
