from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.bank import Bank
from whalefall.base.errors import InsufficientBalanceError, InvalidRequestError, NotFoundError
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.billing.grants import Grant, list_grants
from whalefall.billing.holds import HoldState, UnknownHoldError, extend_holds, open_holds
from whalefall.billing.ledger import (
    balances,
    expire_holds,
    settle,
    void_hold,
)
from whalefall.billing.top_ups import Deposit, record_top_up

ODD_AMOUNTS = [0, -1, -(2**63), 2**63, 2**63 - 1, MAX_AMOUNT_NANOS + 1, True]


def test_money_that_arrives_is_the_balance(bank: Bank) -> None:
    user = bank.user()
    assert bank.balance(user).total_nanos == 0
    bank.top_up(user, 700)
    bank.grant(user, 300)
    found = bank.balance(user)
    assert (found.topped_up_nanos, found.granted_nanos) == (700, 300)
    assert (found.held_nanos, found.available_nanos) == (0, 1000)
    assert found.is_available
    assert bank.verify().is_consistent


def test_deposit_with_the_same_key_arrives_once(bank: Bank) -> None:
    user = bank.user()
    first = bank.top_up(user, 700, key="payment")
    assert bank.top_up(user, 700, key="payment").id == first.id
    assert bank.balance(user).topped_up_nanos == 700


def test_deposit_with_a_used_key_and_another_amount_is_refused(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    bank.top_up(user, 700, key="payment")
    with pytest.raises(InvalidRequestError, match="payment"):
        bank.top_up(user, 701, key="payment")
    with pytest.raises(InvalidRequestError, match="payment"):
        bank.top_up(other, 700, key="payment")
    assert bank.balance(other).total_nanos == 0


@pytest.mark.parametrize("amount", ODD_AMOUNTS)
def test_odd_deposits_are_refused(bank: Bank, amount: int) -> None:
    user = bank.user()
    with pytest.raises(InvalidRequestError):
        bank.top_up(user, amount)
    assert bank.balance(user).total_nanos == 0


@pytest.mark.parametrize("key", ["x" * 201, "nul\x00", "line\nbreak", "\ud800"])
def test_odd_idempotency_keys_are_refused(bank: Bank, key: str) -> None:
    user = bank.user()
    for attempt in (bank.top_up, bank.grant):
        with pytest.raises(InvalidRequestError, match="idempotency key"):
            attempt(user, 100, key=key)
    assert bank.balance(user).total_nanos == 0


def test_deposit_for_nobody_is_refused(bank: Bank) -> None:
    request = Deposit("user_none", Currency.CNY, 1, "key", "", bank.now)
    with pytest.raises(NotFoundError):
        bank.database.run(record_top_up, request)


def test_an_account_never_counts_further_than_it_can(bank: Bank) -> None:
    user = bank.user(topped_up=MAX_AMOUNT_NANOS)
    with pytest.raises(InvalidRequestError, match="count more"):
        bank.top_up(user, MAX_AMOUNT_NANOS)
    assert bank.balance(user).topped_up_nanos == MAX_AMOUNT_NANOS
    assert bank.verify().is_consistent


def test_hold_reserves_what_is_wanted(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    assert (held.held_nanos, held.state) == (400, HoldState.OPEN)
    found = bank.balance(user)
    assert (found.topped_up_nanos, found.held_nanos, found.available_nanos) == (1000, 400, 600)


def test_hold_takes_all_there_is_when_that_is_enough(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    assert bank.hold(user, 5000, minimum=1000).held_nanos == 1000
    assert not bank.balance(user).is_available


def test_hold_below_the_minimum_is_refused_and_changes_nothing(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    with pytest.raises(InsufficientBalanceError):
        bank.hold(user, 5000, minimum=1001)
    with pytest.raises(InsufficientBalanceError):
        bank.hold(bank.user(), 1)
    assert bank.balance(user).held_nanos == 0
    assert bank.database.run(open_holds) == []
    assert bank.verify().num_holds == 0


@pytest.mark.parametrize("amount", [-1, -(2**63), 2**63, MAX_AMOUNT_NANOS + 1, True])
def test_odd_holds_are_refused(bank: Bank, amount: int) -> None:
    user = bank.user(topped_up=1000)
    with pytest.raises(InvalidRequestError):
        bank.hold(user, amount, minimum=1)
    with pytest.raises(InvalidRequestError):
        bank.hold(user, 10, minimum=amount)
    with pytest.raises(InvalidRequestError):
        bank.hold(user, 10, minimum=0)
    assert bank.balance(user).held_nanos == 0


def test_a_model_that_costs_nothing_needs_no_money(bank: Bank) -> None:
    user = bank.user()
    held = bank.hold(user, 0, minimum=0)
    assert held.held_nanos == 0
    assert bank.settle(held, 0).hold.state is HoldState.POSTED
    assert bank.verify().is_consistent


def test_hold_with_the_same_id_holds_once(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    first = bank.hold(user, 800, hold_id="request")
    assert bank.hold(user, 800, minimum=800, hold_id="request") == first
    assert bank.balance(user).held_nanos == 800
    with pytest.raises(InvalidRequestError, match="request"):
        bank.hold(bank.user(topped_up=1000), 800, hold_id="request")


def test_settling_charges_the_cost_and_returns_the_rest(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    settlement = bank.settle(bank.hold(user, 400), 150)
    assert (settlement.cost_nanos, settlement.paid_nanos, settlement.granted_nanos) == (150, 150, 0)
    assert not settlement.is_repeat
    found = bank.balance(user)
    assert (found.topped_up_nanos, found.held_nanos, found.available_nanos) == (850, 0, 850)


def test_settling_twice_charges_once(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    first = bank.settle(held, 150)
    again = bank.settle(held, 300)
    assert again.is_repeat
    assert (again.cost_nanos, again.shortfall_nanos) == (first.cost_nanos, 0)
    assert bank.database.run(void_hold, held.hold_id, bank.now).cost_nanos == 150
    assert bank.balance(user).topped_up_nanos == 850


def test_settling_for_nothing_returns_everything(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    assert bank.settle(bank.hold(user, 400), 0).hold.state is HoldState.POSTED
    assert bank.balance(user).available_nanos == 1000
    assert bank.verify().is_consistent


def test_a_cost_above_the_hold_is_charged_up_to_it_and_kept_to_see(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    settlement = bank.settle(bank.hold(user, 400), 450)
    assert (settlement.cost_nanos, settlement.shortfall_nanos) == (400, 50)
    assert bank.balance(user).topped_up_nanos == 600


@pytest.mark.parametrize("cost", [-1, 2**63, MAX_AMOUNT_NANOS + 1, True])
def test_odd_costs_are_refused(bank: Bank, cost: int) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    with pytest.raises(InvalidRequestError):
        bank.settle(held, cost)
    assert bank.balance(user).held_nanos == 400


def test_settling_what_was_never_held_is_an_error(bank: Bank) -> None:
    with pytest.raises(UnknownHoldError):
        bank.database.run(settle, "nothing", 1, bank.now)


def test_voiding_returns_everything_once(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    assert bank.database.run(void_hold, held.hold_id, bank.now).hold.state is HoldState.VOIDED
    assert bank.database.run(void_hold, held.hold_id, bank.now).is_repeat
    assert bank.balance(user).available_nanos == 1000


def test_a_cost_that_comes_after_the_end_is_not_charged_but_seen(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    bank.database.run(void_hold, held.hold_id, bank.now)
    late = bank.settle(held, 150)
    assert (late.cost_nanos, late.shortfall_nanos, late.is_repeat) == (0, 150, True)
    assert bank.balance(user).topped_up_nanos == 1000
    assert bank.verify().is_consistent


def test_grants_are_spent_before_paid_money_and_by_earliest_expiry(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    forever = bank.grant(user, 100, days=None)
    late = bank.grant(user, 100, days=20)
    early = bank.grant(user, 100, days=10)
    settlement = bank.settle(bank.hold(user, 1300), 350)
    assert (settlement.granted_nanos, settlement.paid_nanos) == (300, 50)
    bank.clock.advance(1)
    other = bank.user(topped_up=1000)
    grants = {days: bank.grant(other, 100, days=days) for days in (None, 20, 10)}
    bank.settle(bank.hold(other, 150), 150)
    left = {grant.id: grant.remaining_nanos for grant in _grants(bank, other.id)}
    assert left == {grants[10].id: 0, grants[20].id: 50, grants[None].id: 100}
    order = [grant.id for grant in _grants(bank, user.id)]
    assert order == [early.id, late.id, forever.id]


def test_holds_that_nobody_settles_expire(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    old = bank.hold(user, 400)
    bank.clock.advance(600)
    young = bank.hold(user, 100)
    bank.clock.advance(300)
    expired = bank.database.run(expire_holds, bank.now)
    assert [(hold.hold_id, hold.state) for hold in expired] == [(old.hold_id, HoldState.EXPIRED)]
    assert bank.database.run(expire_holds, bank.now) == []
    assert [hold.hold_id for hold in bank.database.run(open_holds)] == [young.hold_id]
    assert bank.balance(user).held_nanos == 100
    assert bank.verify().is_consistent


def test_a_living_process_keeps_its_holds(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    held = bank.hold(user, 400)
    bank.clock.advance(800)
    assert bank.database.run(extend_holds, "there", bank.now + timedelta(minutes=15)) == 0
    assert bank.database.run(extend_holds, "here", bank.now + timedelta(minutes=15)) == 1
    bank.clock.advance(800)
    assert bank.database.run(expire_holds, bank.now) == []
    assert bank.database.run(open_holds, "there") == []
    assert [hold.hold_id for hold in bank.database.run(open_holds, "here")] == [held.hold_id]


def test_wallets_of_two_currencies_are_apart(bank: Bank) -> None:
    user = bank.user(topped_up=1000)
    bank.currency = Currency.USD
    bank.top_up(user, 50)
    with pytest.raises(InsufficientBalanceError):
        bank.hold(user, 51, minimum=51)
    bank.settle(bank.hold(user, 50), 20)
    wallets = bank.database.run(balances, user.id, bank.now)
    assert [(wallet.currency, wallet.total_nanos) for wallet in wallets] == [
        (Currency.CNY, 1000),
        (Currency.USD, 30),
    ]


def _grants(bank: Bank, user_id: str) -> list[Grant]:
    return bank.database.run(list_grants, user_id)
