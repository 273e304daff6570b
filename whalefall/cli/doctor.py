"""`whalefall doctor`: what a person would check first when something does not work."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import typer
from sqlalchemy import text

from whalefall.app import current_prices, default_num_threads, tokenizer_path
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database, upgrade
from whalefall.chat.tokenizer import Tokenizer
from whalefall.cli.output import AsJSON, DataDir, settings_from, write_rows
from whalefall.engine.checkpoint import describe
from whalefall.settings import Settings

FREE_BYTES_MIN = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    is_well: bool
    detail: str


def doctor(data_dir: DataDir = None, as_json: AsJSON = False) -> None:
    """Check the installation: Python, packages, disk, database, prices, model and port."""
    settings = settings_from(data_dir=data_dir)
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("python", _python),
        ("processor", _processor),
        ("packages", _packages),
        ("disk", _disk),
        ("database", _database),
        ("prices", _prices),
        ("tokenizer", _tokenizer),
        ("model", _model),
        ("port", _port),
    )
    findings = [_finding(name, check, settings) for name, check in checks]
    rows = [
        {"check": each.check, "state": "ok" if each.is_well else "FAILED", "detail": each.detail}
        for each in findings
    ]
    write_rows("Doctor", rows, as_json=as_json)
    if not all(each.is_well for each in findings):
        raise typer.Exit(1)


def _finding(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except Exception as error:  # noqa: BLE001 - a doctor reports every illness
        return Finding(name, False, f"{type(error).__name__}: {error}")


def _python(settings: Settings) -> str:
    del settings
    return f"{platform.python_version()} on {platform.platform(terse=True)}"


def _processor(settings: Settings) -> str:
    threads = settings.num_threads or default_num_threads(settings.model_dir)
    return f"{os.cpu_count()} cores, engine threads: {threads}"


def _packages(settings: Settings) -> str:
    del settings
    names = ("torch", "starlette", "sqlalchemy", "tokenizers", "llguidance")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _disk(settings: Settings) -> str:
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    if free < FREE_BYTES_MIN:
        raise OSError(f"only {free >> 20} MiB are free in {settings.data_dir}")
    return f"{settings.data_dir}, {free >> 30} GiB free"


def _database(settings: Settings) -> str:
    upgrade(settings.resolved_database_url)
    with Database.open(settings.resolved_database_url) as database:
        database.run(lambda conn: conn.execute(text("SELECT 1")).scalar_one())
    return settings.resolved_database_url.split("@")[-1]


def _prices(settings: Settings) -> str:
    with Database.open(settings.resolved_database_url) as database:
        book = current_prices(settings, database, SystemClock()).book
    missing = {alias.priced_as or alias.name for alias in settings.aliases} - set(book.models())
    if missing:
        raise ValueError(f"no price for {', '.join(sorted(missing))}")
    return f"{len(book.listed())} prices"


def _tokenizer(settings: Settings) -> str:
    path = tokenizer_path(settings.model_dir)
    return f"{Tokenizer.from_file(path).vocab_size} tokens"


def _model(settings: Settings) -> str:
    found = describe(settings.model_dir)
    return f"{settings.model_name}: {found.num_parameters / 1e6:.1f} M parameters"


def _port(settings: Settings) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OSError(
                f"{settings.host}:{settings.port} is taken ({error.strerror}); "
                "is a server running already?"
            ) from None
    return f"{settings.host}:{settings.port} is free"
