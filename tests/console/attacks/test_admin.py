"""An operator's password that others could know keeps the door to the world shut."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from msgspec import structs

from tests.support.browser import PASSWORD_HASH
from tests.support.fake_clock import FakeClock
from whalefall.accounts.signup import set_own_password
from whalefall.accounts.users import create_user, find_user
from whalefall.base.db import Database
from whalefall.cli.serve import (
    ADMIN_EMAIL,
    first_start,
    is_loopback,
    refuse_exposure,
    refuse_sandbox,
)
from whalefall.settings import Settings


def settings_for(host: str, url: str, folder: Path) -> Settings:
    return Settings(host=host, database_url=url, data_dir=folder)


@pytest.mark.parametrize(
    ("host", "is_inside"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
        ("0177.0.0.1", False),
    ],
)
def test_only_this_machine_is_this_machine(host: str, is_inside: bool) -> None:
    assert is_loopback(host) is is_inside


def test_an_empty_platform_is_not_shown_to_strangers(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        refuse_exposure(settings_for("0.0.0.0", database_url, tmp_path))
    refuse_exposure(settings_for("127.0.0.1", database_url, tmp_path))


def test_the_generated_password_has_to_go_first(
    database: Database,
    database_url: str,
    tmp_path: Path,
    clock: FakeClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    welcome = database.run(first_start, clock)
    assert welcome is not None
    outside = settings_for("0.0.0.0", database_url, tmp_path)
    with pytest.raises(typer.Exit):
        refuse_exposure(outside)
    told = capsys.readouterr().err
    assert ADMIN_EMAIL in told
    assert "whalefall users password" in told
    assert welcome.admin_password not in told
    admin = database.run(find_user, ADMIN_EMAIL)
    assert admin is not None
    database.run(set_own_password, admin.id, PASSWORD_HASH)
    refuse_exposure(outside)


def test_a_second_start_makes_nobody(database: Database, clock: FakeClock) -> None:
    database.run(create_user, email="ann@example.org", now=clock.now())
    assert database.run(first_start, clock) is None
    assert database.run(find_user, ADMIN_EMAIL) is None


def test_make_believe_payments_are_for_this_machine_alone(tmp_path: Path) -> None:
    here = settings_for("127.0.0.1", "sqlite:///unused.db", tmp_path)
    refuse_sandbox(here)
    refuse_sandbox(structs.replace(here, public_url="http://localhost:8000"))
    for changes in ({"host": "0.0.0.0"}, {"port": 0}, {"public_url": "https://pay.example.org"}):
        with pytest.raises(typer.Exit):
            refuse_sandbox(structs.replace(here, **changes))
