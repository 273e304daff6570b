"""Every command as an operator runs it: its own process, a real database, JSON on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.support.server import run_command
from tests.support.tiny_model import TINY_V32, tiny_model
from whalefall.accounts.audit import list_actions
from whalefall.accounts.roles import give_role
from whalefall.accounts.users import Role
from whalefall.base.clock import SystemClock
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.engine.checkpoint_writer import save_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDED = ROOT / "tests" / "golden" / "recorded"


@pytest.fixture
def environ() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WHALEFALL_")}
    return clean | {"COLUMNS": "200"}


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "whalefall", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environ,
    )


@pytest.mark.timeout(300)
def test_codes_from_creation_to_withdrawal(tmp_path: Path, environ: dict[str, str]) -> None:
    def command(*arguments: str) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        return run_command(tmp_path, environ, *arguments)

    made = command("codes", "create", "5", "--currency", "CNY", "--count", "3", "--days", "7")
    assert len(set(made["codes"])) == 3
    assert (made["amount"], made["uses_allowed"], made["grant_days"]) == ("5.00", 1, 7)
    folder = ("--data-dir", str(tmp_path))
    plain = run(environ, "codes", "create", "2", "--currency", "USD", *folder)
    header, code = plain.stdout.split()
    assert (header, len(code)) == ("code", 23)
    listed = command("codes", "list")
    assert [each["codes"] for each in listed] == [1, 3]
    stubs = command("codes", "list", "--batch", made["id"])
    assert {each["code"][:5] for each in stubs} == {each[:5] for each in made["codes"]}
    assert not any(each in str(stubs) for each in made["codes"])
    assert command("codes", "revoke", made["id"])["revoked_at"] is not None
    for odd in (("5", "--count", "0"), ("1e400",)):
        arguments = ("codes", "create", "--currency", "CNY", *folder, "--", *odd[:1])
        assert run(environ, *arguments[:2], *odd[1:], *arguments[2:]).returncode != 0, odd
    with Database.open(f"sqlite:///{tmp_path / 'whalefall.db'}") as database:
        entries = database.run(list_actions)
    assert [entry.action for entry in entries] == [
        "codes.revoked",
        "codes.created",
        "codes.created",
    ]
    assert not any(each in str(entries) for each in (*made["codes"], code))


@pytest.mark.timeout(300)
def test_an_account_from_creation_to_suspension(tmp_path: Path, environ: dict[str, str]) -> None:
    def command(*arguments: str) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        return run_command(tmp_path, environ, *arguments)

    user = command("users", "create", "Ann@Example.org", "--currency", "USD")
    assert (user["email"], user["currency"], user["role"]) == ("ann@example.org", "USD", "user")
    made = command("grant", "ann@example.org", "12.50", "--expires", "2099-01-31")
    assert (made["amount"], made["currency"]) == ("12.50", "USD")
    assert made["expires_at"] == "2099-02-01T00:00:00+00:00"
    order = ("top-up", "ann@example.org", "1", "--idempotency-key", "order-1")
    assert command(*order)["topped_up_balance"] == "1.00"
    paid = command(*order)
    assert (paid["granted_balance"], paid["topped_up_balance"]) == ("12.50", "1.00")
    key = command("keys", "create", "--user", "ann@example.org", "--name", "laptop")
    assert key["api_key"].startswith("sk-")
    assert len(key["api_key"]) == 35
    (listed,) = command("keys", "list", "--user", "ann@example.org")
    assert key["api_key"] not in json.dumps(listed)
    assert command("keys", "revoke", listed["id"])["revoked_at"] is not None
    assert command("users", "suspend", "ann@example.org")["is_suspended"]
    assert command("users", "reinstate", "ann@example.org")["role"] == "user"
    assert command("users", "promote", "ann@example.org")["role"] == "admin"
    with Database.open(f"sqlite:///{tmp_path / 'whalefall.db'}") as database:
        noted = database.run(list_actions)
        with pytest.raises(InvalidRequestError, match="last operator"):
            database.run(give_role, user["id"], Role.USER)
    assert {entry.actor_email for entry in noted} == {"command line"}
    assert {entry.action for entry in noted} >= {
        "user.created", "balance.granted", "balance.topped_up", "api_key.created",
        "user.suspended", "user.reinstated", "user.role_changed",
    }  # fmt: skip
    assert [each["email"] for each in command("users", "list")] == ["ann@example.org"]
    assert command("ledger", "verify")["ok"]
    assert command("reconcile")["ok"]
    assert command("users", "verification", "list") == []
    zip_path = tmp_path / "usage.zip"
    exported = command("usage", "export", "--user", "ann@example.org", "--output", str(zip_path))
    assert exported["requests"] == 0
    assert len(zipfile.ZipFile(zip_path).namelist()) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("grant", "nobody@example.org", "1"), "there is no user nobody@example.org"),
        (("users", "create", "not an address"), "that is not an e-mail address"),
        (("keys", "revoke", "key_0"), "there is no API key key_0"),
        (("usage", "export", "--user", "a@b", "--month", "2026"), "is not a month"),
        (("model", "info", "/nowhere"), "/nowhere"),
    ],
)
def test_refusals_say_what_to_what_and_end_with_a_status(
    tmp_path: Path, environ: dict[str, str], arguments: tuple[str, ...], text: str
) -> None:
    done = run(environ | {"WHALEFALL_DATA_DIR": str(tmp_path)}, *arguments)
    assert done.returncode != 0
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.timeout(300)
def test_a_price_is_looked_at_announced_and_withdrawn(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    def command(*arguments: str) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        return run_command(tmp_path, environ, "prices", *arguments)

    # fmt: off
    asked = (
        "announce", "deepseek-chat", "--hit", "0.1", "--miss", "1", "--output", "2.000001",
        "--from", f"{SystemClock().now() + timedelta(days=3):%Y-%m-%dT00:00}", "--note", "cheaper",
    )
    # fmt: on
    looked = command(*asked)
    assert (looked["id"], looked["replaces"], looked["then"], looked["to"]) == (
        None, ["0.2 / 2 / 3"], ["0.1 / 1 / 2.000001"], None,
    )  # fmt: skip
    made = command(*asked, "--apply")
    listed = command("show", "--all", "--model", "deepseek-chat")
    (row,) = [row for row in listed if row["source"] == "announced"]
    assert row["id"] == f"{made['id']}/deepseek-chat/CNY"
    assert not row["current"]
    assert command("withdraw", row["id"])["id"] == made["id"]
    assert [row for row in command("show", "--all") if row["source"] == "announced"] == []
    with Database.open(f"sqlite:///{tmp_path / 'whalefall.db'}") as database:
        noted = database.run(list_actions, subject=made["id"])
    assert {entry.action for entry in noted} == {"price.announced", "price.withdrawn"}
    for odd, text in (
        (("--hit", "NaN"), "written like 0.28"),
        (("--from", "2020-01-01T00:00"), "five minutes"),
        (("--window", "x"), "rule for hours"),
    ):
        done = run(environ | {"WHALEFALL_DATA_DIR": str(tmp_path)}, "prices", *asked, *odd)
        assert done.returncode != 0
        assert text in done.stderr


def test_recorded_requests_count_as_the_real_api_counted_them(environ: dict[str, str]) -> None:
    chat = run(environ, "tokens", str(RECORDED / "chat_request.json"), "--format", "v3", "--json")
    assert json.loads(chat.stdout)["tokens"] == 36
    completion = run(environ, "tokens", str(RECORDED / "fim_request.json"), "--json")
    assert json.loads(completion.stdout)["tokens"] == 7
    text = run(environ, "tokens", "Hello, 世界!", "--json")
    assert "".join(json.loads(text.stdout)["pieces"]) == "Hello, 世界!"


def test_prices_in_force_are_those_of_v3_2(environ: dict[str, str]) -> None:
    shown = json.loads(run(environ, "prices", "show", "--model", "deepseek-chat", "--json").stdout)
    figures = {
        row["currency"]: (row["cache_hit"], row["cache_miss"], row["output"]) for row in shown
    }
    assert figures == {"CNY": ("0.2", "2", "3"), "USD": ("0.028", "0.28", "0.42")}


def test_model_check_names_what_is_missing(tmp_path: Path, environ: dict[str, str]) -> None:
    model = tiny_model()
    save_checkpoint(tmp_path / "whole", TINY_V32, model.state_dict())
    whole = json.loads(run(environ, "model", "check", str(tmp_path / "whole"), "--json").stdout)
    assert whole["ok"], whole["problems"]
    (shard,) = (tmp_path / "whole").glob("*.safetensors")
    tensors = load_file(shard)
    del tensors["model.norm.weight"]
    save_file(tensors, shard)
    done = run(environ, "model", "check", str(tmp_path / "whole"), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == ["model.norm.weight is missing"]


def test_rerating_is_a_dry_run_unless_told_otherwise(
    environ: dict[str, str], tmp_path: Path
) -> None:
    days = ("--first", "2026-01-01", "--last", "2026-01-31")
    done = run_command(tmp_path, environ, "prices", "rerate", *days)
    assert (done["run"], done["requests"], done["credit_CNY"]) == (None, 0, "0.000000000")
    data = ("--data-dir", str(tmp_path))
    odd = run(environ, "prices", "rerate", "--first", "x", "--last", "y", *data)
    assert odd.returncode == 1
    assert "x" in odd.stderr


def test_a_narrow_key_and_a_password_are_made_on_the_command_line(
    environ: dict[str, str], tmp_path: Path
) -> None:
    run_command(tmp_path, environ, "users", "create", "ann@example.org")
    made = run_command(
        tmp_path, environ, "keys", "create", "--user", "ann@example.org", "--name", "k",
        "--models", "deepseek-chat", "--networks", "10.0.0.0/8", "--monthly-budget", "5",
    )  # fmt: skip
    assert (made["models"], made["networks"], made["monthly_budget"]) == (
        "deepseek-chat",
        "10.0.0.0/8",
        "5.00",
    )
    for given, code in (("password123\n", 1), ("deep water, 4000 m\n", 0)):
        done = subprocess.run(
            [sys.executable, "-m", "whalefall", "users", "password", "ann@example.org",
             "--data-dir", str(tmp_path)],
            input=given, capture_output=True, text=True, check=False, timeout=60, env=environ,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert given.strip() not in done.stdout + done.stderr
