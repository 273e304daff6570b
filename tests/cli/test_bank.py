"""`whalefall bank` as an operator runs it: its own process, a real database, JSON on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.bank_counter import ACCOUNT, NAME, PAYMENT, paid_to
from tests.support.bank_statements import camt053, cmb_csv
from tests.support.identities import verified
from whalefall.accounts.audit import list_actions
from whalefall.accounts.users import create_user
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database, upgrade
from whalefall.base.mail import list_mails
from whalefall.billing.verification import verify
from whalefall.billing.virtual_accounts import give_virtual_account

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WHALEFALL_")}
    given = {
        "DATA_DIR": str(tmp_path),
        "BANK_ACCOUNT_NUMBER": ACCOUNT.number,
        "BANK_ACCOUNT_BANK": ACCOUNT.bank,
        "BANK_ACCOUNT_BRANCH": ACCOUNT.branch,
        "BANK_ACCOUNT_HOLDER": ACCOUNT.holder,
    }
    return clean | {f"WHALEFALL_{name}": value for name, value in given.items()}


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "whalefall", "bank", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=environ,
    )


def answer(environ: dict[str, str], *arguments: str) -> Any:  # noqa: ANN401 - whatever its JSON is
    done = run(environ, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_a_statement_from_dry_run_to_decision(tmp_path: Path, environ: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path / 'whalefall.db'}"
    upgrade(url)
    with Database.open(url) as database:
        user = database.run(create_user, email="firm@example.org", now=NOW)
        verified(database, user, VerificationKind.ENTERPRISE, NAME)
        number = database.run(give_virtual_account, user.id, ACCOUNT.number, NOW).number
    file = tmp_path / "statement.csv"
    file.write_bytes(cmb_csv([paid_to(number, reference="R1"), PAYMENT], ACCOUNT.number))
    looked = answer(environ, "import", str(file), "--dry-run")
    assert (looked["matched"], looked["waiting"], looked["import_id"]) == (1, 1, None)
    done = answer(environ, "import", str(file))
    assert (done["matched"], done["credited"]) == (1, {"CNY": "1000.00"})
    file.write_bytes(camt053([paid_to(number, reference="R1"), PAYMENT], ACCOUNT.number))
    again = answer(environ, "import", str(file), "--format", "camt053")
    assert (again["known"], again["entries"]) == (2, [])
    (waiting,) = answer(environ, "entries", "--state", "waiting")
    decided = answer(
        environ, "attribute", waiting["id"], "firm@example.org", "--reason", "by telephone"
    )
    assert decided["state"] == "attributed"
    refused = run(environ, "return", waiting["id"], "--reason", "x", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    with Database.open(url) as database:
        assert database.run_read(verify).is_consistent
        assert len(database.run_read(list_mails)) == 2
        actions = [entry.action for entry in database.run_read(list_actions)]
    assert actions.count("statement.imported") == 2
    assert "bank_entry.attributed" in actions


@pytest.mark.timeout(300)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, environ: dict[str, str]) -> None:
    file = tmp_path / "junk.csv"
    file.write_text("hello,world\n1,2\n")
    refused = run(environ, "import", str(file))
    assert refused.returncode == 1
    assert "junk.csv, line 2, column 1: There is no line with the column names" in refused.stderr
    missing = run(environ, "import", str(tmp_path / "none.csv"))
    assert missing.returncode == 1
    assert "No such file" in missing.stderr
    del environ["WHALEFALL_BANK_ACCOUNT_HOLDER"]
    half = run(environ, "import", str(file))
    assert half.returncode != 0
    assert "bank_account_holder is empty" in half.stderr
