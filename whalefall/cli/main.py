"""The command line: `whalefall COMMAND`. One file per noun; this one only puts them together, and
only the one that is asked for: to import them all takes seconds, which no command should wait."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from whalefall.base.errors import PlatformError

NOUNS = {
    "serve": "serve",
    "users": "users",
    "keys": "keys",
    "grant": "money",
    "top-up": "money",
    "codes": "codes",
    "tokens": "tokens",
    "bank": "bank",
    "prices": "prices",
    "usage": "usage",
    "ledger": "ledger",
    "reconcile": "reconcile",
    "model": "model",
    "bench": "bench",
    "db": "db",
    "doctor": "doctor",
}
"""Commands, as the help lists them, and the file of each."""

_INNER = {"users": "verification"}
"""Groups inside a group."""


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """With the command that the arguments begin with, or with all: for help, and to say which
    there are."""
    app = typer.Typer(
        name="whalefall",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,
        rich_markup_mode="rich",
    )
    app.callback()(whalefall)
    wanted = arguments[0] if arguments else ""
    for name in [wanted] if wanted in NOUNS else NOUNS:
        _add(app, name)
    return app


def whalefall() -> None:
    """A self-hosted DeepSeek open platform: API, ledger and engine in one program."""


def _add(app: typer.Typer, name: str) -> None:
    """A group is called `app` in its file; a single command has its own name there."""
    module = importlib.import_module(f"whalefall.cli.{NOUNS[name]}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
        if name in _INNER:
            inner = importlib.import_module(f"whalefall.cli.{_INNER[name]}")
            module.app.add_typer(inner.app, name=_INNER[name])
    else:
        app.command(name)(getattr(module, name.replace("-", "_")))


def run() -> None:
    try:
        command_line(sys.argv[1:])()
    except PlatformError as error:
        sys.exit(f"error: {error.message}")
