"""Money goes back once, never more than is left of it, and never what was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.bank import Bank
from tests.support.counterpart import paid_online
from whalefall.accounts.users import User
from whalefall.base.errors import InsufficientBalanceError, InvalidRequestError
from whalefall.base.money import Currency
from whalefall.billing.chargebacks import list_chargebacks
from whalefall.billing.history import forfeit_balances
from whalefall.billing.refund_queue import claim_refund, postpone_refund
from whalefall.billing.refunds import (
    SOURCES_BY_HAND,
    Refund,
    RefundRequest,
    RefundState,
    ask_again,
    ask_refund,
    confirm_refund,
    fail_refund,
    get_refund,
    list_refunds,
    refundable,
)
from whalefall.billing.top_ups import TopUpSource, get_top_up
from whalefall.billing.transfers import AccountKind, account_id, lock_accounts

FEN = 10_000_000


def ask(bank: Bank, user: User, nanos: int, key: str = "key", **others: object) -> list[Refund]:
    request = RefundRequest(user.id, bank.currency, nanos, key, bank.now)
    return list(bank.database.run(ask_refund, replace(request, **others)))  # type: ignore[arg-type]


def left_in(bank: Bank, kind: AccountKind, owner: str) -> int:
    name = account_id(kind, bank.currency, owner)
    return bank.database.run(lock_accounts, [name])[name].credit_balance_nanos


def spend(bank: Bank, user: User, nanos: int) -> None:
    bank.charge(bank.hold(user, nanos, nanos), bank.api_key(user), nanos)


def test_a_refund_takes_the_money_at_once_and_is_done_when_the_provider_says_so(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 500 * FEN)
    spend(bank, user, 93 * FEN)
    (asked,) = ask(bank, user, 300 * FEN)
    assert (asked.state, asked.top_up_id) == (RefundState.ASKED, top_up.id)
    assert bank.balance(user).topped_up_nanos == 107 * FEN
    assert left_in(bank, AccountKind.REFUNDS_PAYABLE, "stripe") == 300 * FEN
    assert bank.verify().differences == ()
    done = bank.database.run(confirm_refund, asked.id, "re_1", bank.now)
    assert (done.state, done.provider_reference) == (RefundState.DONE, "re_1")
    assert bank.database.run(confirm_refund, asked.id, "re_1", bank.now).state is RefundState.DONE
    assert left_in(bank, AccountKind.REFUNDS_PAYABLE, "stripe") == 0
    assert left_in(bank, AccountKind.CASH_CLEARING, "stripe") == -200 * FEN
    assert bank.database.run(get_top_up, top_up.id).refunded_nanos == 300 * FEN
    assert bank.verify().differences == ()


def test_a_refund_that_fails_for_good_returns_to_the_balance(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 500 * FEN)
    (asked,) = ask(bank, user, 500 * FEN)
    with pytest.raises(InsufficientBalanceError):
        bank.hold(user, 1)
    failed = bank.database.run(fail_refund, asked.id, "account closed\n", bank.now)
    assert (failed.state, failed.problem) == (RefundState.FAILED, "account closed")
    assert bank.database.run(fail_refund, asked.id, "again", bank.now).problem == "account closed"
    assert bank.balance(user).topped_up_nanos == 500 * FEN
    assert bank.database.run(get_top_up, top_up.id).refunded_nanos == 0
    assert bank.verify().differences == ()
    again = bank.database.run(ask_again, asked.id, bank.now)
    assert again.id != asked.id
    assert bank.database.run(ask_again, asked.id, bank.now) == again
    assert bank.balance(user).topped_up_nanos == 0
    assert bank.verify().differences == ()


def test_nothing_is_refunded_twice_or_beyond_what_is_left(bank: Bank) -> None:
    user = bank.user()
    paid_online(bank, user, 500 * FEN)
    first = ask(bank, user, 400 * FEN)
    assert ask(bank, user, 400 * FEN) == first
    with pytest.raises(InvalidRequestError, match="another refund"):
        ask(bank, user, 50 * FEN)
    for key, nanos in (("two", 101 * FEN), ("three", 400 * FEN), ("four", 500 * FEN)):
        with pytest.raises(InvalidRequestError, match="Less than that"):
            ask(bank, user, nanos, key)
    spend(bank, user, 60 * FEN)
    with pytest.raises(InvalidRequestError, match="Less than that"):
        ask(bank, user, 41 * FEN, "five")
    ask(bank, user, 40 * FEN, "six")
    assert bank.balance(user).topped_up_nanos == 0
    assert bank.verify().differences == ()


def test_granted_money_is_never_refunded(bank: Bank) -> None:
    user = bank.user()
    bank.grant(user, 900 * FEN)
    with pytest.raises(InvalidRequestError, match="Less than that"):
        ask(bank, user, FEN)
    paid_online(bank, user, 100 * FEN)
    with pytest.raises(InvalidRequestError, match="Less than that"):
        ask(bank, user, 101 * FEN)
    ask(bank, user, 100 * FEN)
    found = bank.balance(user)
    assert (found.granted_nanos, found.topped_up_nanos) == (900 * FEN, 0)


def test_what_a_running_request_has_reserved_is_not_refunded(bank: Bank) -> None:
    user = bank.user()
    key = bank.api_key(user)
    paid_online(bank, user, 100 * FEN)
    held = bank.hold(user, 70 * FEN)
    with pytest.raises(InvalidRequestError, match="Less than that"):
        ask(bank, user, 31 * FEN)
    ask(bank, user, 30 * FEN)
    bank.charge(held, key, 20 * FEN)
    assert bank.balance(user).topped_up_nanos == 50 * FEN
    ask(bank, user, 50 * FEN, "rest")
    assert bank.verify().differences == ()


def test_the_newest_payments_are_refunded_first_each_to_where_it_came_from(bank: Bank) -> None:
    user = bank.user()
    oldest = paid_online(bank, user, 100 * FEN, TopUpSource.ALIPAY)
    middle = paid_online(bank, user, 100 * FEN, TopUpSource.WECHATPAY)
    newest = paid_online(bank, user, 100 * FEN, TopUpSource.ALIPAY)
    spend(bank, user, 50 * FEN + 5)
    parts = bank.database.run_read(refundable, user.id, bank.currency)
    assert [(part.top_up.id, part.nanos) for part in parts] == [
        (newest.id, 100 * FEN),
        (middle.id, 100 * FEN),
        (oldest.id, 49 * FEN),
    ]
    made = ask(bank, user, 220 * FEN)
    assert {(each.top_up_id, each.amount_nanos) for each in made} == {
        (newest.id, 100 * FEN),
        (middle.id, 100 * FEN),
        (oldest.id, 20 * FEN),
    }
    assert left_in(bank, AccountKind.REFUNDS_PAYABLE, "wechatpay") == 100 * FEN
    assert left_in(bank, AccountKind.REFUNDS_PAYABLE, "alipay") == 120 * FEN
    assert bank.verify().differences == ()


def test_online_and_other_payments_are_returned_by_different_ways(bank: Bank) -> None:
    user = bank.user(topped_up=40 * FEN)
    paid_online(bank, user, 60 * FEN)
    with pytest.raises(InvalidRequestError):
        ask(bank, user, 61 * FEN)
    with pytest.raises(InvalidRequestError):
        ask(bank, user, 41 * FEN, sources=SOURCES_BY_HAND)
    (by_hand,) = ask(bank, user, 40 * FEN, sources=SOURCES_BY_HAND)
    assert by_hand.source is TopUpSource.OPERATOR
    bank.database.run(confirm_refund, by_hand.id, "transfer 4711", bank.now)
    assert left_in(bank, AccountKind.CASH_CLEARING, "system") == 0
    assert bank.verify().differences == ()


@pytest.mark.parametrize("nanos", [0, -1, -(2**63), 2**63, True, FEN + 1, FEN // 2])
def test_odd_amounts_are_refused(bank: Bank, nanos: int) -> None:
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    with pytest.raises(InvalidRequestError):
        ask(bank, user, nanos)
    assert bank.database.run(list_refunds) == []


def test_nobody_refunds_what_is_not_theirs(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    top_up = paid_online(bank, user, 100 * FEN)
    paid_online(bank, other, 100 * FEN)
    with pytest.raises(InvalidRequestError):
        ask(bank, other, FEN, top_up_id=top_up.id)
    with pytest.raises(InvalidRequestError):
        ask(bank, user, FEN, currency=Currency.USD)
    with pytest.raises(InvalidRequestError):
        ask(bank, bank.user(), FEN)


def test_one_process_talks_about_a_refund_at_a_time(bank: Bank) -> None:
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    (asked,) = ask(bank, user, 100 * FEN)
    first = bank.database.run(claim_refund, asked.id, bank.now)
    assert first is not None
    assert (first.state, first.num_tries) == (RefundState.SENT, 1)
    assert bank.database.run(claim_refund, asked.id, bank.now) is None
    bank.clock.advance(timedelta(minutes=5).total_seconds())
    second = bank.database.run(claim_refund, asked.id, bank.now)
    assert second is not None
    assert second.num_tries == 2
    waits = []
    for _ in range(10):
        bank.database.run(postpone_refund, asked.id, "down", bank.now)
        due = bank.database.run(get_refund, asked.id).next_try_at
        waits.append((due - bank.now).total_seconds())
        bank.clock.advance(waits[-1] - 1)
        assert bank.database.run(claim_refund, asked.id, bank.now) is None
        bank.clock.advance(1)
        assert bank.database.run(claim_refund, asked.id, bank.now) is not None
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    bank.database.run(confirm_refund, asked.id, "", bank.now)
    assert bank.database.run(claim_refund, asked.id, bank.now) is None


def test_a_provider_that_takes_back_what_it_called_done(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100 * FEN)
    (asked,) = ask(bank, user, 100 * FEN)
    bank.database.run(confirm_refund, asked.id, "re_1", bank.now)
    bank.database.run(fail_refund, asked.id, "the card was closed", bank.now)
    assert bank.balance(user).topped_up_nanos == 100 * FEN
    assert bank.database.run(get_top_up, top_up.id).refunded_nanos == 0
    assert bank.verify().differences == ()


def test_a_failed_refund_that_was_paid_out_after_all_is_not_paid_twice(bank: Bank) -> None:
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    (asked,) = ask(bank, user, 100 * FEN)
    bank.database.run(fail_refund, asked.id, "refused", bank.now)
    spend(bank, user, 30 * FEN)
    for _ in range(2):
        bank.database.run(confirm_refund, asked.id, "re_1", bank.now)
    assert bank.balance(user).topped_up_nanos == 0
    (taken,) = bank.database.run(list_chargebacks)
    assert (taken.taken_nanos, taken.loss_nanos) == (70 * FEN, 30 * FEN)
    assert bank.verify().differences == ()


def test_a_refund_under_way_outlives_its_account(bank: Bank) -> None:
    """What was asked back is not given up; if it fails, the operator sees it."""
    user = bank.user()
    paid_online(bank, user, 100 * FEN)
    (asked,) = ask(bank, user, 60 * FEN)
    given_up = bank.database.run(forfeit_balances, user.id, bank.now)
    assert [each.amount_nanos for each in given_up] == [40 * FEN]
    bank.database.run(fail_refund, asked.id, "refused", bank.now)
    again = bank.database.run(ask_again, asked.id, bank.now)
    bank.database.run(confirm_refund, again.id, "by hand", bank.now)
    assert bank.balance(user).total_nanos == 0
    assert bank.verify().differences == ()
