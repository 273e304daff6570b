"""Deposits made before there were top-ups become top-ups, and the books still hold."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.support.bank import Bank
from tests.support.fake_clock import FakeClock
from tests.support.postgresql import PostgreSQLServer
from whalefall import base
from whalefall.base.db import Database, upgrade
from whalefall.base.money import Currency
from whalefall.billing.top_ups import (
    Deposit,
    TopUpSource,
    TopUpState,
    list_top_ups,
    record_top_up,
    refundable_parts,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    server: PostgreSQLServer = request.getfixturevalue("postgresql_server")
    name = f"test_{uuid.uuid4().hex}"
    yield server.create(name)
    server.drop(name)


def upgrade_to_before_top_ups(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(base.__file__).parent / "migrations"))
    before = ScriptDirectory.from_config(config).get_revision("0009").down_revision
    assert isinstance(before, str)
    target = make_url(url)
    if target.get_backend_name() == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
    with create_engine(target, poolclass=NullPool).begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, before)
        _deposit_as_it_was(conn)


def _deposit_as_it_was(conn: Connection) -> None:
    account = (
        "INSERT INTO ledger_accounts (id, user_id, kind, currency, {0}, is_customer, created_at) "
        "VALUES ('{1}', {2}, '{3}', 'CNY', 500, {4}, 1)"
    )
    for statement in (
        "INSERT INTO users (id, email, currency, role, created_at) "
        "VALUES ('user_1', 'old@example.org', 'CNY', 'user', 1)",
        account.format(
            "debits_posted", "la_cash_clearing_CNY_system", "NULL", "cash_clearing", "FALSE"
        ),
        account.format("credits_posted", "la_paid_CNY_user_1", "'user_1'", "paid", "TRUE"),
        "INSERT INTO transfers (id, kind, debit_account_id, credit_account_id, currency, "
        "amount_nanos, sequence, idempotency_key, reason, reference, created_at) VALUES "
        "('tr_1', 'single', 'la_cash_clearing_CNY_system', 'la_paid_CNY_user_1', 'CNY', 500, 0, "
        "'deposit:operator:1', 'top-up', 'invoice 3', 1)",
    ):
        conn.execute(text(statement))


def test_old_deposits_become_top_ups_of_an_operator(empty_url: str, clock: FakeClock) -> None:
    upgrade_to_before_top_ups(empty_url)
    upgrade(empty_url)
    with Database.open(empty_url) as database:
        bank = Bank(database, clock)
        (old,) = database.run(list_top_ups, "user_1")
        assert (old.source, old.state) == (TopUpSource.OPERATOR, TopUpState.PAID)
        assert (old.amount_nanos, old.reference, old.transfer_id) == (500, "invoice 3", "tr_1")
        again = Deposit("user_1", Currency.CNY, 500, "operator:1", "invoice 3", clock.now())
        assert database.run(record_top_up, again) == old
        database.run(record_top_up, Deposit("user_1", Currency.CNY, 70, "new", "", clock.now()))
        parts = database.run(refundable_parts, "user_1", Currency.CNY)
        assert [part.nanos for part in parts] == [70, 500]
        assert bank.verify().is_consistent
