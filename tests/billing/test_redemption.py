"""Codes give what they promise, as often as they promise, to whom they promise it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.support.bank import Bank
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import Currency
from whalefall.billing.code_batches import (
    CodeBatch,
    NewBatch,
    create_codes,
    get_batch,
    list_batches,
    list_codes,
    normal_code,
    revoke_batch,
)
from whalefall.billing.grants import Grant, expire_grants, list_grants
from whalefall.billing.redemption import InvalidCodeError, Redemption, redeem

ROOT = Path(__file__).parents[2]


def new_batch(bank: Bank) -> NewBatch:
    return NewBatch("spring", bank.currency, 100, 1, bank.now)


def make(bank: Bank, num_codes: int = 1, **others: object) -> tuple[CodeBatch, tuple[str, ...]]:
    new = replace(new_batch(bank), num_codes=num_codes)
    return bank.database.run(create_codes, replace(new, **others))  # type: ignore[arg-type]


def use(bank: Bank, user: User, code: str) -> Grant:
    return bank.database.run(redeem, Redemption(user.id, code, bank.now))


def test_a_code_grants_its_amount_until_its_day(bank: Bank) -> None:
    user = bank.user()
    batch, (code,) = make(bank, grant_days=10)
    given = use(bank, user, code)
    assert (given.amount_nanos, given.reason) == (100, "spring")
    assert given.expires_at == bank.now + timedelta(days=10)
    assert bank.balance(user).granted_nanos == 100
    assert bank.database.run(get_batch, batch.id).num_uses == 1
    assert bank.verify().is_consistent


def test_codes_are_read_as_people_type_them(bank: Bank) -> None:
    _, (code,) = make(bank)
    typed = f"  {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    assert normal_code(typed) == code.replace("-", "")
    assert use(bank, bank.user(), typed).amount_nanos == 100
    for odd in ("", "x", code[:-1], code + "0", "!" * 20, "0" * 10_000, "٣" * 20, code + "\0"):
        assert normal_code(odd) is None


def test_codes_are_random_and_none_is_stored(bank: Bank) -> None:
    _, codes = make(bank, 500)
    assert len(set(codes)) == 500
    assert {len(code) for code in codes} == {23}
    assert len({code[:5] for code in codes}) > 490

    def stored(conn: Connection) -> str:
        tables = ("redemption_codes", "code_batches", "code_uses", "grants", "transfers")
        return str([conn.execute(text(f"SELECT * FROM {name}")).all() for name in tables])

    use(bank, bank.user(), codes[0])
    everything = bank.database.run_read(stored)
    for code in codes[:20]:
        assert code not in everything
        assert code.replace("-", "") not in everything
        assert code[6:11] not in everything


def test_whatever_is_wrong_with_a_code_is_answered_the_same(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    _, (used,) = make(bank)
    use(bank, other, used)
    batch, (revoked,) = make(bank)
    bank.database.run(revoke_batch, batch.id, bank.now)
    _, (expired,) = make(bank, expires_at=bank.now + timedelta(hours=1))
    bank.clock.advance(3600)
    told = set()
    for code in (used, revoked, expired, "0" * 20, "nothing like a code"):
        with pytest.raises(InvalidCodeError) as refusal:
            use(bank, user, code)
        told.add(refusal.value.message)
    assert len(told) == 1
    assert bank.database.run(list_grants, user.id) == []


def test_an_account_uses_one_code_of_a_batch_once(bank: Bank) -> None:
    user = bank.user()
    _, (first, second) = make(bank, 2, num_uses_max=5)
    use(bank, user, first)
    for code in (first, second):
        with pytest.raises(InvalidRequestError, match="already redeemed"):
            use(bank, user, code)
    _, (of_another_batch,) = make(bank)
    use(bank, user, of_another_batch)
    assert bank.balance(user).granted_nanos == 200
    assert sum(each.num_uses for each in bank.database.run(list_batches)) == 2


def test_a_code_for_several_accounts_ends_with_the_last_use(bank: Bank) -> None:
    batch, (code,) = make(bank, num_uses_max=3)
    for _ in range(3):
        use(bank, bank.user(), code)
    with pytest.raises(InvalidCodeError):
        use(bank, bank.user(), code)
    assert [each.num_uses for each in bank.database.run(list_codes, batch.id)] == [3]


def test_a_code_in_the_other_currency_is_not_wasted(bank: Bank) -> None:
    batch, (code,) = make(bank, currency=Currency.USD)
    with pytest.raises(InvalidRequestError, match="other currency"):
        use(bank, bank.user(), code)
    assert bank.database.run(get_batch, batch.id).num_uses == 0


def test_what_was_given_stays_when_the_batch_is_withdrawn(bank: Bank) -> None:
    user = bank.user()
    batch, codes = make(bank, 2)
    use(bank, user, codes[0])
    once = bank.database.run(revoke_batch, batch.id, bank.now)
    bank.clock.advance(60)
    assert bank.database.run(revoke_batch, batch.id, bank.now) == once
    assert bank.balance(user).granted_nanos == 100
    with pytest.raises(NotFoundError):
        bank.database.run(revoke_batch, "batch_none", bank.now)


ODD = (0, -1, 2**63, True)


@pytest.mark.parametrize("field", ["amount_nanos", "num_codes", "num_uses_max", "grant_days"])
@pytest.mark.parametrize("value", ODD)
def test_odd_batches_are_refused(bank: Bank, field: str, value: int) -> None:
    with pytest.raises(InvalidRequestError):
        make(bank, **{field: value})
    assert bank.database.run(list_batches) == []


def test_batches_with_odd_texts_and_days_are_refused(bank: Bank) -> None:
    with pytest.raises(InvalidRequestError):
        make(bank, expires_at=bank.now)
    with pytest.raises(InvalidRequestError):
        make(bank, reason="x\ny")


def test_grants_of_codes_are_spent_earliest_expiry_first(bank: Bank) -> None:
    user = bank.user(topped_up=50)
    key = bank.api_key(user)
    for days, amount in ((None, 40), (20, 30), (5, 20), (10, 10)):
        _, (code,) = make(bank, amount_nanos=amount, grant_days=days)
        use(bank, user, code)
    spent = []
    for cost in (15, 10, 10, 30, 45, 40):
        bank.charge(bank.hold(user, cost), key, cost)
        left = [grant.remaining_nanos for grant in bank.database.run(list_grants, user.id)]
        spent.append((left, bank.balance(user).topped_up_nanos))
    assert spent == [
        ([5, 10, 30, 40], 50),
        ([0, 5, 30, 40], 50),
        ([0, 0, 25, 40], 50),
        ([0, 0, 0, 35], 50),
        ([0, 0, 0, 0], 40),
        ([0, 0, 0, 0], 0),
    ]
    assert bank.verify().is_consistent


def test_a_request_finishes_on_a_code_that_expires_under_it(bank: Bank) -> None:
    """What was reserved is charged; what comes back is taken, as an entry of the ledger."""
    user = bank.user()
    key = bank.api_key(user)
    _, (code,) = make(bank, grant_days=1)
    use(bank, user, code)
    held = bank.hold(user, 70)
    bank.clock.advance(24 * 3600)
    assert bank.balance(user).available_nanos == 0
    assert bank.database.run(expire_grants, bank.now) == 1
    settled = bank.charge(held, key, 60)
    assert (settled.granted_nanos, settled.shortfall_nanos) == (60, 0)
    assert bank.database.run(expire_grants, bank.now) == 1
    assert bank.database.run(expire_grants, bank.now) == 0
    assert bank.database.run(list_grants, user.id)[0].remaining_nanos == 0
    assert bank.verify().is_consistent


async def test_one_of_100_simultaneous_tries_succeeds(bank: Bank, database_url: str) -> None:
    users = [bank.user() for _ in range(100)]
    batch, (code,) = make(bank)
    with Database.open(database_url) as other:
        outcomes = await asyncio.gather(
            *(
                (bank.database if number % 2 else other).write(
                    redeem, Redemption(user.id, code, bank.now)
                )
                for number, user in enumerate(users)
            ),
            return_exceptions=True,
        )
    assert sum(isinstance(outcome, Grant) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCodeError) for outcome in outcomes) == 99
    assert sum(bank.balance(user).granted_nanos for user in users) == 100
    assert bank.database.run(get_batch, batch.id).num_uses == 1
    assert bank.verify().is_consistent


async def test_one_account_trying_100_times_at_once_is_given_once(
    bank: Bank, database_url: str
) -> None:
    user = bank.user()
    _, codes = make(bank, 2, num_uses_max=100)
    with Database.open(database_url) as other:
        outcomes = await asyncio.gather(
            *(
                (bank.database if number % 3 else other).write(
                    redeem, Redemption(user.id, codes[number % 2], bank.now)
                )
                for number in range(100)
            ),
            return_exceptions=True,
        )
    assert sum(isinstance(outcome, Grant) for outcome in outcomes) == 1
    assert bank.balance(user).granted_nanos == 100


@pytest.mark.slow
def test_several_processes_share_the_uses_of_a_code(bank: Bank, database_url: str) -> None:
    groups = [[bank.user().id for _ in range(25)] for _ in range(4)]
    _, codes = make(bank, 1)
    _, shared = make(bank, 1, num_uses_max=7)
    command = [sys.executable, "-m", "tests.support.redeemer", database_url]
    processes = [
        subprocess.Popen(
            [*command, ",".join((codes[0], shared[0])), ",".join(group)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in groups
    ]
    given = [int(process.communicate(timeout=100)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(given) == 1 + 7
    assert bank.verify().is_consistent
