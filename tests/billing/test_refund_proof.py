"""Whoever changes what was refunded, charged back or redeemed behind the ledger's back is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from tests.support.bank import Bank
from tests.support.counterpart import paid_online
from whalefall.billing.chargebacks import ChargebackKind, Reversal, charge_back
from whalefall.billing.code_batches import NewBatch, create_codes
from whalefall.billing.redemption import Redemption, redeem
from whalefall.billing.refunds import Refund, RefundRequest, ask_refund, confirm_refund, fail_refund

FEN = 10_000_000


@pytest.fixture
def books(bank: Bank) -> Bank:
    """One of everything: a refund in each state, a chargeback, a code that was used."""
    user = bank.user()
    top_up = paid_online(bank, user, 100 * FEN)
    made: list[Refund] = []
    for number in range(3):
        request = RefundRequest(user.id, bank.currency, 10 * FEN, f"key {number}", bank.now)
        made += bank.database.run(ask_refund, request)
    bank.database.run(confirm_refund, made[0].id, "re_1", bank.now)
    bank.database.run(fail_refund, made[1].id, "refused", bank.now)
    kind = ChargebackKind.DISPUTE
    bank.database.run(charge_back, Reversal(top_up.id, kind, "dp", bank.currency, 90, bank.now))
    days = bank.now + timedelta(days=1)
    new = NewBatch("spring", bank.currency, 5, 2, bank.now, expires_at=days)
    _, codes = bank.database.run(create_codes, new)
    bank.database.run(redeem, Redemption(user.id, codes[0], bank.now))
    assert bank.verify().differences == ()
    return bank


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        (
            "UPDATE refunds SET amount_nanos = amount_nanos + 1 WHERE state = 'done'",
            {"refund", "returned of a top-up"},
        ),
        (
            "UPDATE refunds SET state = 'done', resolved_at = 1 WHERE state = 'asked'",
            {"refund", "refunds payable"},
        ),
        (
            "UPDATE refunds SET state = 'failed', resolved_at = 1 WHERE state = 'asked'",
            {"refund", "refunds payable", "returned of a top-up"},
        ),
        (
            "UPDATE refunds SET state = 'done' WHERE state = 'failed'",
            {"refund", "returned of a top-up"},
        ),
        ("DELETE FROM refunds WHERE state = 'done'", {"refund", "returned of a top-up"}),
        ("UPDATE top_ups SET refunded_nanos = 0", {"returned of a top-up"}),
        ("UPDATE top_ups SET charged_back_nanos = 0", {"returned of a top-up"}),
        ("UPDATE chargebacks SET taken_nanos = taken_nanos - 1", {"chargeback"}),
        (
            "UPDATE chargebacks SET state = 'won', resolved_at = 1",
            {"chargeback", "returned of a top-up"},
        ),
        ("DELETE FROM chargebacks", {"chargeback", "returned of a top-up"}),
        ("UPDATE redemption_codes SET num_uses = 0", {"code"}),
        ("UPDATE redemption_codes SET num_uses = 1", {"code"}),
        ("UPDATE code_batches SET amount_nanos = 6", {"code"}),
        ("DELETE FROM code_uses", {"code"}),
    ],
)
def test_each_tampering_is_found(books: Bank, statement: str, checks: set[str]) -> None:
    def tamper(conn: Connection) -> int:
        return conn.execute(text(statement)).rowcount

    assert books.database.run(tamper) > 0
    assert {found.check for found in books.verify().differences} == checks
