"""What a bank takes back is taken from what is left; the rest is our loss, until it is won."""

from __future__ import annotations

import pytest

from tests.support.bank import Bank
from tests.support.counterpart import paid_online
from whalefall.accounts.audit import list_actions
from whalefall.accounts.roles import give_role
from whalefall.accounts.users import Role, User, get_user
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import Currency
from whalefall.billing.chargebacks import (
    Chargeback,
    ChargebackKind,
    ChargebackState,
    Reversal,
    charge_back,
    chargeback_to_return,
    collect_losses,
    list_chargebacks,
    lose_chargeback,
    win_chargeback,
)
from whalefall.billing.refunds import RefundRequest, ask_refund, confirm_refund, fail_refund
from whalefall.billing.top_ups import TopUp, get_top_up
from whalefall.billing.transfers import AccountKind, account_id, lock_accounts

FEN = 10_000_000


def reversal(bank: Bank, top_up: TopUp, nanos: int, event: str = "dp_1") -> Reversal:
    kind = ChargebackKind.DISPUTE
    return Reversal(top_up.id, kind, event, bank.currency, nanos, bank.now)


def dispute(bank: Bank, top_up: TopUp, nanos: int, event: str = "dp_1") -> Chargeback:
    return bank.database.run(charge_back, reversal(bank, top_up, nanos, event))


def left_in(bank: Bank, kind: AccountKind) -> int:
    name = account_id(kind, bank.currency, "stripe")
    return bank.database.run(lock_accounts, [name])[name].credit_balance_nanos


def spend(bank: Bank, user: User, nanos: int) -> None:
    bank.charge(bank.hold(user, nanos, nanos), bank.api_key(user), nanos)


def is_suspended(bank: Bank, user: User) -> bool:
    return bank.database.run(get_user, user.id).is_suspended


def test_a_chargeback_after_spending_is_part_taken_part_lost(bank: Bank) -> None:
    user = bank.user()
    bank.grant(user, 10)
    top_up = paid_online(bank, user, 100)
    spend(bank, user, 40)
    made = dispute(bank, top_up, 100)
    assert dispute(bank, top_up, 100) == dispute(bank, top_up, 100) == made
    assert (made.taken_nanos, made.loss_nanos) == (70, 30)
    found = bank.balance(user)
    assert (found.topped_up_nanos, found.total_nanos) == (0, 0)
    assert left_in(bank, AccountKind.CHARGEBACK_LOSS) == -30
    assert left_in(bank, AccountKind.CASH_CLEARING) == 0
    assert bank.database.run(get_top_up, top_up.id).charged_back_nanos == 100
    assert bank.verify().differences == ()


def test_granted_money_is_left_alone(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100)
    spend(bank, user, 100)
    bank.grant(user, 500)
    made = dispute(bank, top_up, 100)
    assert (made.taken_nanos, bank.balance(user).granted_nanos) == (0, 500)
    assert bank.verify().differences == ()


def test_the_account_is_suspended_until_somebody_has_looked(bank: Bank) -> None:
    user = bank.user()
    dispute(bank, paid_online(bank, user, 100), 100)
    assert is_suspended(bank, user)
    (entry,) = bank.database.run(list_actions, subject=user.id)
    assert (entry.action, entry.actor_email) == ("user.suspended", "payments: stripe")


def test_an_operator_is_not_locked_out_by_a_bank(bank: Bank) -> None:
    user = bank.user()
    bank.database.run(give_role, user.id, Role.ADMIN)
    dispute(bank, paid_online(bank, user, 100), 100)
    assert not is_suspended(bank, user)


def test_a_won_dispute_brings_everything_back_once(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100)
    spend(bank, user, 40)
    made = dispute(bank, top_up, 100)
    found = bank.database.run(chargeback_to_return, top_up.id, 100)
    assert found == made
    won = bank.database.run(win_chargeback, made.id, bank.now)
    assert bank.database.run(win_chargeback, made.id, bank.now) == won
    assert won.state is ChargebackState.WON
    assert bank.balance(user).topped_up_nanos == 60
    assert left_in(bank, AccountKind.CHARGEBACK_LOSS) == 0
    assert bank.database.run(get_top_up, top_up.id).charged_back_nanos == 0
    assert bank.verify().differences == ()
    with pytest.raises(NotFoundError):
        bank.database.run(chargeback_to_return, top_up.id, 100)
    with pytest.raises(InvalidRequestError):
        bank.database.run(lose_chargeback, made.id, bank.now)


def test_a_lost_dispute_may_still_be_won(bank: Bank) -> None:
    user = bank.user()
    made = dispute(bank, paid_online(bank, user, 100), 60)
    lost = bank.database.run(lose_chargeback, made.id, bank.now)
    assert bank.database.run(lose_chargeback, made.id, bank.now) == lost
    assert lost.state is ChargebackState.LOST
    bank.database.run(win_chargeback, made.id, bank.now)
    assert bank.balance(user).topped_up_nanos == 100
    assert bank.verify().differences == ()


def test_what_a_running_request_gives_back_is_collected_while_the_dispute_is_open(
    bank: Bank,
) -> None:
    user = bank.user()
    key = bank.api_key(user)
    top_up = paid_online(bank, user, 100)
    held = bank.hold(user, 80)
    assert dispute(bank, top_up, 100).taken_nanos == 20
    bank.charge(held, key, 30)
    (made,) = bank.database.run(collect_losses, user.id, bank.currency, bank.now)
    assert (made.taken_nanos, made.loss_nanos) == (70, 30)
    (same,) = bank.database.run(collect_losses, user.id, bank.currency, bank.now)
    assert same == made
    assert bank.balance(user).total_nanos == 0
    assert bank.verify().differences == ()


def test_a_refund_and_a_chargeback_of_the_same_payment(bank: Bank) -> None:
    """The bank takes it although a refund is under way: the refund that fails pays the loss."""
    user = bank.user()
    top_up = paid_online(bank, user, 100 * FEN)
    request = RefundRequest(user.id, bank.currency, 100 * FEN, "key", bank.now)
    (asked,) = bank.database.run(ask_refund, request)
    made = dispute(bank, top_up, 100 * FEN)
    assert made.loss_nanos == 100 * FEN
    assert bank.verify().differences == ()
    bank.database.run(fail_refund, asked.id, "disputed", bank.now)
    (collected,) = bank.database.run(list_chargebacks)
    assert (collected.taken_nanos, bank.balance(user).total_nanos) == (100 * FEN, 0)
    assert bank.verify().differences == ()


def test_a_chargeback_after_a_refund_is_all_loss(bank: Bank) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100 * FEN)
    request = RefundRequest(user.id, bank.currency, 100 * FEN, "key", bank.now)
    (asked,) = bank.database.run(ask_refund, request)
    bank.database.run(confirm_refund, asked.id, "re_1", bank.now)
    assert dispute(bank, top_up, 100 * FEN).loss_nanos == 100 * FEN
    assert bank.verify().differences == ()


@pytest.mark.parametrize("nanos", [0, -1, 101, 2**63, True])
def test_odd_reversals_move_nothing(bank: Bank, nanos: int) -> None:
    user = bank.user()
    top_up = paid_online(bank, user, 100)
    with pytest.raises(InvalidRequestError):
        dispute(bank, top_up, nanos)
    wrong = Reversal(top_up.id, ChargebackKind.DISPUTE, "e", Currency.USD, 100, bank.now)
    with pytest.raises(InvalidRequestError):
        bank.database.run(charge_back, wrong)
    dispute(bank, top_up, 60, "first")
    with pytest.raises(InvalidRequestError):
        dispute(bank, top_up, 60, "second")
    assert len(bank.database.run(list_chargebacks)) == 1
    assert bank.balance(user).topped_up_nanos == 40
    assert bank.verify().differences == ()
