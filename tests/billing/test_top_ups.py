"""Orders are paid once, by their own payment, and what is left of each is known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.bank import Bank
from whalefall.accounts.users import User
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import Currency
from whalefall.billing.top_ups import (
    Deposit,
    Payment,
    PaymentMismatchError,
    TopUp,
    TopUpRequest,
    TopUpSource,
    TopUpState,
    add_charged_back,
    add_refunded,
    close_top_up,
    count_open_top_ups,
    due_top_ups,
    get_top_up,
    list_top_ups,
    open_top_up,
    pay_top_up,
    record_top_up,
    refundable_parts,
)
from whalefall.billing.transfers import AccountKind, account_id, lock_accounts


def request_of(bank: Bank, user: User, nanos: int = 700, key: str = "order") -> TopUpRequest:
    expires_at = bank.now + timedelta(minutes=30)
    return TopUpRequest(
        user.id, TopUpSource.ALIPAY, bank.currency, nanos, key, bank.now, expires_at
    )


def payment_of(bank: Bank, order: TopUp, reference: str = "trade 1") -> Payment:
    return Payment(order.id, order.source, reference, order.currency, order.amount_nanos, bank.now)


def paid(bank: Bank, user: User, nanos: int, key: str) -> TopUp:
    order = bank.database.run(open_top_up, request_of(bank, user, nanos, key))
    return bank.database.run(pay_top_up, payment_of(bank, order, f"trade {key}"))


def test_an_order_changes_nothing_until_it_is_paid(bank: Bank) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    assert (order.state, order.transfer_id, order.paid_at) == (TopUpState.OPEN, None, None)
    assert bank.balance(user).total_nanos == 0
    bank.clock.advance(60)
    done = bank.database.run(pay_top_up, payment_of(bank, order))
    assert (done.state, done.provider_reference) == (TopUpState.PAID, "trade 1")
    assert done.paid_at == bank.now
    assert bank.balance(user).topped_up_nanos == 700
    assert bank.verify().is_consistent


def test_one_key_opens_one_order_and_is_good_for_nothing_else(bank: Bank) -> None:
    user = bank.user()
    request = request_of(bank, user)
    first = bank.database.run(open_top_up, request)
    assert bank.database.run(open_top_up, request) == first
    for other in (replace(request, amount_nanos=701), replace(request, user_id=bank.user().id)):
        with pytest.raises(InvalidRequestError, match="order"):
            bank.database.run(open_top_up, other)
    assert bank.database.run(count_open_top_ups, user.id) == 1


def test_a_payment_told_again_credits_once(bank: Bank) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    first = bank.database.run(pay_top_up, payment_of(bank, order))
    bank.clock.advance(60)
    assert bank.database.run(pay_top_up, payment_of(bank, order)) == first
    assert bank.balance(user).topped_up_nanos == 700


def test_a_payment_that_does_not_fit_credits_nothing(bank: Bank) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    fitting = payment_of(bank, order)
    for wrong in (
        replace(fitting, amount_nanos=699),
        replace(fitting, amount_nanos=7000),
        replace(fitting, currency=Currency.USD),
        replace(fitting, source=TopUpSource.STRIPE),
    ):
        with pytest.raises(PaymentMismatchError):
            bank.database.run(pay_top_up, wrong)
    with pytest.raises(NotFoundError):
        bank.database.run(pay_top_up, replace(fitting, top_up_id="topup_none"))
    assert bank.balance(user).total_nanos == 0
    assert bank.database.run(get_top_up, order.id).state is TopUpState.OPEN


def test_one_payment_pays_one_order(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user, key="a"))
    theirs = bank.database.run(open_top_up, request_of(bank, other, key="b"))
    bank.database.run(pay_top_up, payment_of(bank, order))
    with pytest.raises(PaymentMismatchError, match=order.id):
        bank.database.run(pay_top_up, payment_of(bank, theirs))
    with pytest.raises(PaymentMismatchError, match="trade 1"):
        bank.database.run(pay_top_up, payment_of(bank, order, "trade 2"))
    assert (bank.balance(user).total_nanos, bank.balance(other).total_nanos) == (700, 0)


@pytest.mark.parametrize("state", [TopUpState.EXPIRED, TopUpState.FAILED])
def test_a_late_payment_of_a_closed_order_is_credited(bank: Bank, state: TopUpState) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    assert bank.database.run(due_top_ups, bank.now) == []
    bank.clock.advance(1801)
    assert bank.database.run(due_top_ups, bank.now) == [order]
    assert bank.database.run(close_top_up, order.id, state).state is state
    assert bank.database.run(due_top_ups, bank.now) == []
    bank.database.run(pay_top_up, payment_of(bank, order))
    assert bank.database.run(close_top_up, order.id, state).state is TopUpState.PAID
    assert bank.balance(user).topped_up_nanos == 700
    assert bank.verify().is_consistent


def test_recorded_money_is_paid_at_once_and_taken_from_where_it_was(bank: Bank) -> None:
    user = bank.user()
    deposit = Deposit(
        user.id,
        bank.currency,
        900,
        "line 7",
        "transfer of 3 May",
        bank.now,
        source=TopUpSource.BANK,
        provider_reference="entry 7",
        taken_from=AccountKind.BANK_SUSPENSE,
    )
    made = bank.database.run(record_top_up, deposit)
    assert bank.database.run(record_top_up, deposit) == made
    assert (made.state, made.reference) == (TopUpState.PAID, "transfer of 3 May")
    assert bank.balance(user).topped_up_nanos == 900
    suspense = account_id(AccountKind.BANK_SUSPENSE, bank.currency, "bank")
    assert bank.database.run(lock_accounts, [suspense])[suspense].debits_posted == 900
    with pytest.raises(PaymentMismatchError, match="entry 7"):
        bank.database.run(record_top_up, replace(deposit, idempotency_key="line 8"))
    # Nothing but what it should be: no statement of a bank has this money.
    found = bank.verify().differences
    assert {each.check for each in found} == {"bank suspense", "bank transfer"}
    assert made.id in {each.subject for each in found}


async def test_one_payment_from_60_at_once_credits_once(bank: Bank, database_url: str) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    with Database.open(database_url) as other:
        both = (bank.database, other)
        done = await asyncio.gather(
            *(both[number % 2].write(pay_top_up, payment_of(bank, order)) for number in range(60))
        )
    assert len({each.transfer_id for each in done}) == 1
    assert bank.balance(user).topped_up_nanos == 700
    assert bank.verify().is_consistent


async def test_two_payments_race_for_one_order_and_one_wins(bank: Bank, database_url: str) -> None:
    user = bank.user()
    order = bank.database.run(open_top_up, request_of(bank, user))
    with Database.open(database_url) as other:
        both = (bank.database, other)
        done = await asyncio.gather(
            *(
                both[number % 2].write(pay_top_up, payment_of(bank, order, f"trade {number % 2}"))
                for number in range(20)
            ),
            return_exceptions=True,
        )
    lost = [each for each in done if isinstance(each, BaseException)]
    assert len(lost) == 10
    assert {type(each) for each in lost} == {PaymentMismatchError}
    assert bank.balance(user).topped_up_nanos == 700


async def test_expiry_and_payment_race_and_the_money_is_there(
    bank: Bank, database_url: str
) -> None:
    user = bank.user()
    orders = [
        bank.database.run(open_top_up, request_of(bank, user, key=f"order {number}"))
        for number in range(10)
    ]
    with Database.open(database_url) as other:
        await asyncio.gather(
            *(other.write(close_top_up, each.id, TopUpState.EXPIRED) for each in orders),
            *(bank.database.write(pay_top_up, payment_of(bank, each, each.id)) for each in orders),
        )
    listed = bank.database.run(list_top_ups, user.id, state=TopUpState.PAID)
    assert len(listed) == 10
    assert bank.balance(user).topped_up_nanos == 7000


def test_what_is_left_belongs_to_the_newest(bank: Bank) -> None:
    user = bank.user()
    first = paid(bank, user, 300, "a")
    bank.clock.advance(60)
    second = paid(bank, user, 200, "b")
    bank.clock.advance(60)
    third = paid(bank, user, 100, "c")
    bank.charge(bank.hold(user, 350), bank.api_key(user), 350)
    held = bank.hold(user, 20)

    def parts() -> list[tuple[str, int]]:
        found = bank.database.run(refundable_parts, user.id, bank.currency)
        return [(part.top_up.id, part.nanos) for part in found]

    assert parts() == [(third.id, 100), (second.id, 130)]
    bank.database.run(add_refunded, third.id, 40)
    assert parts() == [(third.id, 60), (second.id, 170)]
    with pytest.raises(InvalidRequestError, match="60 nanos left"):
        bank.database.run(add_refunded, third.id, 61)
    bank.database.run(add_refunded, third.id, -40)
    with pytest.raises(InvalidRequestError):
        bank.database.run(add_refunded, third.id, -1)
    assert bank.database.run(get_top_up, first.id).remaining_nanos == 300
    assert bank.balance(user).held_nanos == held.held_nanos


def test_a_chargeback_counts_even_after_a_refund(bank: Bank) -> None:
    order = paid(bank, bank.user(), 300, "a")
    bank.database.run(add_refunded, order.id, 100)
    charged = bank.database.run(add_charged_back, order.id, 300)
    assert (charged.charged_back_nanos, charged.remaining_nanos) == (300, 0)
    with pytest.raises(InvalidRequestError):
        bank.database.run(add_charged_back, order.id, 1)
    with pytest.raises(InvalidRequestError):
        bank.database.run(add_refunded, order.id, 1)


def test_a_customer_sees_their_own_newest_first(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    first = paid(bank, user, 300, "a")
    paid(bank, other, 400, "b")
    bank.clock.advance(1)
    last = bank.database.run(open_top_up, request_of(bank, user, key="c"))
    assert bank.database.run(list_top_ups, user.id) == [last, first]
    assert bank.database.run(list_top_ups, user.id, limit=1) == [last]
    assert bank.database.run(list_top_ups, user.id, state=TopUpState.PAID) == [first]
