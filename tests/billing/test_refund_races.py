"""Refunds, requests, chargebacks and confirmations all at once, from two connections: nothing below
zero, nothing twice, and the books can be proven."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from tests.support.bank import Bank
from tests.support.counterpart import paid_online
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError, InvalidRequestError, OverloadedError
from whalefall.billing.chargebacks import ChargebackKind, Reversal, charge_back, list_chargebacks
from whalefall.billing.ledger import hold
from whalefall.billing.refund_queue import claim_refund
from whalefall.billing.refunds import (
    RefundRequest,
    RefundState,
    ask_refund,
    confirm_refund,
    fail_refund,
    list_refunds,
)
from whalefall.billing.usage import charge

FEN = 10_000_000
REFUSALS = (InsufficientBalanceError, InvalidRequestError, OverloadedError)


async def settled(tries: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    """What came of all at once. Refusals of the rules are expected; being told that the database
    is busy is a refusal, too, and moves nothing."""
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, REFUSALS), outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


async def test_100_ask_for_the_same_money_and_one_has_it(bank: Bank, database_url: str) -> None:
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    with Database.open(database_url) as other:
        made = await settled(
            [
                (bank.database if number % 2 else other).write(
                    ask_refund,
                    RefundRequest(user.id, bank.currency, 100 * FEN, f"key {number}", bank.now),
                )
                for number in range(100)
            ]
        )
    assert len(made) == 1
    assert bank.balance(user).total_nanos == 0
    assert bank.verify().differences == ()


async def test_one_confirmation_and_failure_told_100_times_counts_once(
    bank: Bank, database_url: str
) -> None:
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    request = RefundRequest(user.id, bank.currency, 100 * FEN, "key", bank.now)
    (asked,) = bank.database.run(ask_refund, request)
    with Database.open(database_url) as other:
        both = (bank.database, other)
        claims = await settled(
            [both[number % 2].write(claim_refund, asked.id, bank.now) for number in range(20)]
        )
        assert sum(claim is not None for claim in claims) == 1
        await settled(
            [
                both[number % 2].write(confirm_refund, asked.id, "re", bank.now)
                for number in range(40)
            ]
        )
    (done,) = bank.database.run(list_refunds)
    assert done.state is RefundState.DONE
    assert bank.verify().differences == ()


async def test_refunds_run_while_requests_spend(bank: Bank, database_url: str) -> None:
    """Several customers at once; whatever succeeds fits into what each had."""
    order = random.Random(7)
    users = [bank.user() for _ in range(3)]
    keys = {user.id: bank.api_key(user) for user in users}
    top_ups = {user.id: [paid_online(bank, user, 50 * FEN) for _ in range(2)] for user in users}
    with Database.open(database_url) as other:
        both = (bank.database, other)

        async def spend(number: int) -> int:
            user = users[number % 3]
            held = await both[number % 2].write(hold, bank.hold_request(user, 9 * FEN, 5 * FEN))
            usage = bank.usage(held, keys[user.id], min(held.held_nanos, 6 * FEN))
            return (await both[number % 2].write(charge, usage, bank.now)).cost_nanos

        async def refund(number: int) -> int:
            user = users[number % 3]
            wish = RefundRequest(user.id, bank.currency, 11 * FEN, f"key {number}", bank.now)
            made = await both[number % 2].write(ask_refund, wish)
            for each in made:
                end = confirm_refund if number % 4 else fail_refund
                await both[(number + 1) % 2].write(end, each.id, "re", bank.now)
            return 0

        async def dispute(number: int) -> int:
            user = users[number % 3]
            kind = ChargebackKind.DISPUTE
            wish = Reversal(
                top_ups[user.id][0].id, kind, f"dp {number % 3}", bank.currency, 7 * FEN, bank.now
            )
            await both[number % 2].write(charge_back, wish)
            return 0

        tries = [spend(number) for number in range(45)]
        tries += [refund(number) for number in range(45)]
        tries += [dispute(number) for number in range(6)]
        order.shuffle(tries)
        spent = sum(await settled(tries))
    report = bank.verify()
    assert report.differences == ()
    returned = sum(
        each.amount_nanos
        for each in bank.database.run(list_refunds)
        if each.state is RefundState.DONE
    )
    disputes = bank.database.run(list_chargebacks)
    assert len(disputes) == 3
    left = sum(bank.balance(user).topped_up_nanos for user in users)
    assert left >= 0
    taken = sum(each.taken_nanos for each in disputes)
    assert left + spent + returned + taken == 300 * FEN
    assert returned > 0
    assert spent > 0
