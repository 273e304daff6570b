"""Each kind of tampering, done behind the guards of the database, is found and named."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from tests.support.bank import Bank
from whalefall.accounts.api_keys import APIKey
from whalefall.accounts.users import User
from whalefall.billing.holds import Hold

GUARDED = (
    "transfers",
    "usage_records",
    "usage_daily",
    "holds",
    "ledger_accounts",
    "grants",
    "top_ups",
)


@dataclass
class Books:
    """A bank with one of everything, and a way to write past every guard."""

    bank: Bank
    engine: Engine
    user: User
    key: APIKey
    settled: Hold
    held: Hold

    def tamper(self, statement: str) -> None:
        with self.engine.begin() as conn:
            assert conn.execute(text(statement)).rowcount > 0, "it changed nothing"

    def findings(self) -> set[str]:
        return {difference.check for difference in self.bank.verify().differences}


@pytest.fixture
def books(bank: Bank, database_url: str) -> Books:
    user = bank.user(topped_up=1000)
    bank.grant(user, 50)
    key = bank.api_key(user)
    settled = bank.hold(user, 400)
    bank.charge(settled, key, 150)
    held = bank.hold(user, 100)
    target = make_url(database_url)
    if target.get_backend_name() == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
    engine = create_engine(target, poolclass=NullPool)
    with engine.begin() as conn:
        _remove_guards(conn)
    made = Books(bank, engine, user, key, settled, held)
    assert made.findings() == set()
    return made


def _remove_guards(conn: Connection) -> None:
    """Copy each table into one without constraints, indexes and triggers."""
    is_sqlite = conn.dialect.name == "sqlite"
    for table in GUARDED:
        conn.execute(text(f"CREATE TABLE bare AS SELECT * FROM {table}"))
        conn.execute(text(f"DROP TABLE {table}" + ("" if is_sqlite else " CASCADE")))
        conn.execute(text(f"ALTER TABLE bare RENAME TO {table}"))


def test_a_balance_that_was_raised_is_found(books: Books) -> None:
    books.tamper(
        "UPDATE ledger_accounts SET credits_posted = credits_posted + 5 WHERE kind = 'paid'"
    )
    assert books.findings() == {"account replay", "currency sum"}
    differences = books.bank.verify().differences
    replay = next(found for found in differences if found.check == "account replay")
    assert replay.subject == f"la_paid_CNY_{books.user.id} credits_posted"
    assert (replay.expected, replay.found) == ("1000", "1005")


def test_an_overdraft_is_found(books: Books) -> None:
    books.tamper("UPDATE ledger_accounts SET debits_posted = 5000 WHERE kind = 'paid'")
    assert {"overdraft", "account replay", "currency sum"} <= books.findings()


def test_a_customer_without_the_guard_is_found(books: Books) -> None:
    books.tamper("UPDATE ledger_accounts SET is_customer = FALSE WHERE kind = 'paid'")
    assert books.findings() == {"account guard"}


def test_a_transfer_that_was_changed_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET amount_nanos = 900 WHERE reason = 'top-up'")
    assert books.findings() == {"account replay", "top-up"}


def test_a_transfer_that_was_removed_is_found(books: Books) -> None:
    books.tamper("DELETE FROM transfers WHERE reason = 'top-up'")
    assert books.findings() == {"account replay", "top-up"}


def test_a_transfer_between_currencies_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET currency = 'USD' WHERE reason = 'top-up'")
    assert books.findings() == {"transfer currency"}


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("amount_nanos = 999", "top-up"),
        ("user_id = 'user_other'", "top-up"),
        ("source = 'alipay'", "top-up source"),
        ("state = 'open'", "top-up"),
        ("transfer_id = 'tr_none'", "top-up"),
    ],
)
def test_a_top_up_that_was_changed_is_found(books: Books, change: str, check: str) -> None:
    books.tamper(f"UPDATE top_ups SET {change}")
    assert check in books.findings()


def test_a_top_up_that_was_removed_is_found(books: Books) -> None:
    books.tamper("DELETE FROM top_ups")
    assert books.findings() == {"top-up"}


def test_a_transfer_of_nothing_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET amount_nanos = -1000 WHERE reason = 'top-up'")
    assert books.findings() == {"transfer amount", "account replay", "top-up"}


def test_a_transfer_to_nowhere_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET debit_account_id = 'nowhere' WHERE reason = 'top-up'")
    assert books.findings() == {"transfer account", "account replay", "top-up source"}


def test_a_hold_resolved_twice_is_found(books: Books) -> None:
    books.tamper(
        "INSERT INTO transfers SELECT id || '-again', kind, debit_account_id, credit_account_id,"
        " currency, amount_nanos, pending_id, hold_id, sequence, idempotency_key || '-again',"
        " reason, reference, created_at FROM transfers WHERE kind = 'post' AND sequence = 0"
    )
    assert {"resolved once", "account replay", "hold resolved", "hold cost"} <= books.findings()


def test_a_repeated_idempotency_key_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET idempotency_key = 'same' WHERE kind = 'pending'")
    assert books.findings() == {"idempotency key"}


def test_a_resolution_of_another_amount_or_account_is_found(books: Books) -> None:
    books.tamper(
        "UPDATE transfers SET amount_nanos = amount_nanos + 9999 WHERE kind = 'post' AND"
        " sequence = 1"
    )
    assert "resolution amount" in books.findings()
    books.tamper(
        "UPDATE transfers SET credit_account_id = 'la_cash_clearing_CNY_system'"
        " WHERE kind = 'post' AND sequence = 1"
    )
    assert "resolution accounts" in books.findings()


def test_a_resolution_of_nothing_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET pending_id = 'gone' WHERE kind = 'post' AND sequence = 1")
    assert "resolution" in books.findings()


def test_a_single_transfer_that_claims_to_resolve_is_found(books: Books) -> None:
    books.tamper("UPDATE transfers SET pending_id = 'some' WHERE reason = 'top-up'")
    assert books.findings() == {"transfer kind"}


def test_a_hold_that_reserves_something_else_is_found(books: Books) -> None:
    books.tamper(f"UPDATE holds SET held_nanos = 99 WHERE id = '{books.held.hold_id}'")
    assert books.findings() == {"hold reserved"}


def test_a_hold_that_ended_on_paper_only_is_found(books: Books) -> None:
    books.tamper(f"UPDATE holds SET state = 'voided' WHERE id = '{books.held.hold_id}'")
    assert books.findings() == {"hold resolved"}


def test_a_settled_hold_that_claims_another_end_is_found(books: Books) -> None:
    books.tamper(f"UPDATE holds SET state = 'expired' WHERE id = '{books.settled.hold_id}'")
    assert books.findings() == {"hold state"}
    books.tamper(f"UPDATE holds SET state = 'open' WHERE id = '{books.settled.hold_id}'")
    assert books.findings() == {"hold state", "hold resolved"}


def test_a_hold_with_another_cost_or_owner_is_found(books: Books) -> None:
    books.tamper(f"UPDATE holds SET cost_nanos = 1 WHERE id = '{books.settled.hold_id}'")
    assert books.findings() == {"hold cost"}
    books.tamper(f"UPDATE holds SET user_id = 'other' WHERE id = '{books.held.hold_id}'")
    assert books.findings() == {"hold cost", "hold owner"}


def test_a_hold_that_vanished_is_found(books: Books) -> None:
    books.tamper(f"DELETE FROM holds WHERE id = '{books.held.hold_id}'")
    assert books.findings() == {"transfer hold"}


def test_a_pending_transfer_of_no_hold_is_found(books: Books) -> None:
    books.tamper(f"UPDATE transfers SET hold_id = NULL WHERE hold_id = '{books.held.hold_id}'")
    assert {"transfer hold", "hold reserved"} <= books.findings()


def test_a_grant_of_another_amount_is_found(books: Books) -> None:
    books.tamper("UPDATE grants SET amount_nanos = amount_nanos * 2")
    assert books.findings() == {"grant"}


def test_usage_that_was_made_cheaper_is_found(books: Books) -> None:
    books.tamper("UPDATE usage_records SET paid_nanos = paid_nanos - 1")
    assert books.findings() == {"usage of a hold", "usage cost", "daily sum", "revenue"}


def test_usage_that_was_removed_is_found(books: Books) -> None:
    books.tamper("DELETE FROM usage_records")
    assert books.findings() == {"usage of a hold", "daily sum", "revenue"}


def test_usage_that_nobody_held_for_is_found(books: Books) -> None:
    books.tamper("UPDATE usage_records SET request_id = 'unheard'")
    assert books.findings() == {"usage hold", "usage of a hold"}


def test_usage_with_other_tokens_or_price_is_found(books: Books) -> None:
    books.tamper("UPDATE usage_records SET miss_tokens = miss_tokens + 1")
    assert books.findings() == {"usage cost", "daily sum"}
    books.tamper("UPDATE usage_records SET miss_tokens = -1")
    assert books.findings() == {"usage tokens", "daily sum"}
    books.tamper("UPDATE usage_records SET price_id = 'unknown'")
    assert books.findings() == {"usage price", "daily sum"}


def test_a_day_that_does_not_add_up_is_found(books: Books) -> None:
    books.tamper("UPDATE usage_daily SET output_tokens = output_tokens + 1")
    report = books.bank.verify()
    assert [found.check for found in report.differences] == ["daily sum"]
    subject = report.differences[0].subject
    assert subject.startswith("20260115 ")
    assert subject.endswith(" output_tokens")
    assert (report.differences[0].expected, report.differences[0].found) == ("0", "1")


def test_a_day_that_is_missing_is_found(books: Books) -> None:
    books.tamper("DELETE FROM usage_daily")
    assert books.findings() == {"daily sum"}


def test_revenue_without_usage_is_found(books: Books) -> None:
    bank = books.bank
    bank.settle(books.held, 70)
    assert books.findings() == {"usage of a hold", "revenue"}


def test_the_report_counts_and_totals(books: Books) -> None:
    report = books.bank.verify()
    assert report.is_consistent
    assert (report.num_holds, report.num_usage_records) == (2, 1)
    assert report.num_accounts == 5
    total = report.totals[0]
    assert (total.revenue_nanos, total.usage_nanos, total.customers_nanos) == (150, 150, 900)
