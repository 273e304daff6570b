"""Many at once, from one process and from several, and a process that dies in between."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bank import Bank
from whalefall.base.db import Database
from whalefall.base.errors import InsufficientBalanceError
from whalefall.billing.grants import GrantRequest, grant
from whalefall.billing.holds import Hold, find_hold, open_holds
from whalefall.billing.ledger import hold, settle
from whalefall.billing.top_ups import Deposit, record_top_up

ROOT = Path(__file__).parents[2]


async def test_200_parallel_holds_on_a_balance_for_10(bank: Bank, database_url: str) -> None:
    user = bank.user(topped_up=1000)
    requests = [bank.hold_request(user, 100, minimum=100) for _ in range(200)]
    with Database.open(database_url) as other:
        outcomes = await asyncio.gather(
            *(
                (bank.database if number % 2 else other).write(hold, request)
                for number, request in enumerate(requests)
            ),
            return_exceptions=True,
        )
    held = [outcome for outcome in outcomes if isinstance(outcome, Hold)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientBalanceError)]
    assert (len(held), len(refused)) == (10, 190)
    assert bank.balance(user).available_nanos == 0
    assert bank.verify().is_consistent


async def test_100_settle_one_hold_and_one_counts(bank: Bank, database_url: str) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 500)
    with Database.open(database_url) as other:
        settlements = await asyncio.gather(
            *(
                (bank.database if number % 2 else other).write(
                    settle, held.hold_id, 100 + number, bank.now
                )
                for number in range(100)
            )
        )
    assert sum(not settlement.is_repeat for settlement in settlements) == 1
    assert len({settlement.cost_nanos for settlement in settlements}) == 1
    assert bank.balance(user).topped_up_nanos == 1000 - settlements[0].cost_nanos


async def test_one_payment_from_100_at_once_arrives_once(bank: Bank, database_url: str) -> None:
    user = bank.user()
    payment = Deposit(user.id, bank.currency, 700, "payment", "webhook", bank.now)
    gift = GrantRequest(user.id, bank.currency, 30, "code", "redeemed", bank.now, None)
    with Database.open(database_url) as other:
        both = (bank.database, other)
        arrived = await asyncio.gather(
            *(both[number % 2].write(record_top_up, payment) for number in range(50))
        )
        given = await asyncio.gather(*(both[number % 2].write(grant, gift) for number in range(50)))
    assert len({transfer.id for transfer in arrived}) == 1
    assert len({made.id for made in given}) == 1
    found = bank.balance(user)
    assert (found.topped_up_nanos, found.granted_nanos) == (700, 30)
    assert bank.verify().is_consistent


@pytest.mark.slow
def test_several_processes_never_spend_more_than_there_is(bank: Bank, database_url: str) -> None:
    user = bank.user(topped_up=5000)
    bank.grant(user, 150, days=None)
    key = bank.api_key(user)
    command = ["spend", database_url, user.id, key.id, "40", "100"]
    processes = [_spender(*command) for _ in range(2)]
    spent = [int(process.communicate(timeout=100)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(spent) == 51
    assert bank.balance(user).total_nanos == 50
    assert bank.verify().is_consistent


@pytest.mark.slow
def test_a_process_killed_between_hold_and_settlement_is_settled_once(
    bank: Bank, database_url: str
) -> None:
    user = bank.user(topped_up=1000)
    process = _spender("hang", database_url, user.id, "400")
    assert process.stdout is not None
    durable, unfinished = (process.stdout.readline().strip() for _ in range(2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Database.open(database_url) as restarted:
        survivor = replace(bank, database=restarted)
        orphans = restarted.run(open_holds, "spender")
        assert [orphan.hold_id for orphan in orphans] == [durable]
        assert restarted.run(find_hold, unfinished) is None
        key = survivor.api_key(user)
        assert survivor.charge(orphans[0], key, 120).cost_nanos == 120
        assert survivor.charge(orphans[0], key, 120).is_repeat
        assert restarted.run(open_holds, "spender") == []
        found = survivor.balance(user)
        assert (found.topped_up_nanos, found.held_nanos) == (880, 0)
        assert survivor.verify().is_consistent


def _spender(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.spender", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("order", [1, -1])
async def test_users_in_opposite_orders_do_not_block_each_other(
    bank: Bank, database_url: str, order: int
) -> None:
    """Two processes whose batches touch the same customers the other way round."""
    users = [bank.user(topped_up=1000) for _ in range(8)]
    with Database.open(database_url) as other:
        tasks = [
            database.write(hold, bank.hold_request(user, 10, minimum=10))
            for _ in range(10)
            for database, sequence in ((bank.database, users), (other, users[::-order]))
            for user in sequence
        ]
        outcomes = await asyncio.gather(*tasks)
    assert len(outcomes) == 160
    assert [bank.balance(user).held_nanos for user in users] == [200] * 8
    assert bank.verify().is_consistent
