"""The grant of a new account: by the stated rule, and by it alone."""

from __future__ import annotations

from datetime import timedelta

from tests.support.bank import Bank
from whalefall.accounts.closure import close_account
from whalefall.accounts.users import User, create_user
from whalefall.base.money import Currency
from whalefall.billing.grants import Grant
from whalefall.billing.history import forfeit_balances
from whalefall.billing.sign_up_grants import (
    NO_SIGN_UP_GRANT,
    SignUpGrantRule,
    grant_at_sign_up,
    sweep_sign_up_grants,
)

RULE = SignUpGrantRule({Currency.CNY: 500}, timedelta(days=7), timedelta(days=90))


def new_user(bank: Bank, email: str, currency: Currency = Currency.CNY) -> User:
    return bank.database.run(create_user, email=email, now=bank.now, currency=currency)


def give(bank: Bank, user: User, rule: SignUpGrantRule = RULE) -> Grant | None:
    return bank.database.run(grant_at_sign_up, rule, user, bank.now)


def close(bank: Bank, user: User) -> None:
    bank.database.run(forfeit_balances, user.id, bank.now)
    bank.database.run(close_account, user.id, bank.now)


def test_a_new_account_is_granted_once(bank: Bank) -> None:
    user = new_user(bank, "ann@example.org")
    given = give(bank, user)
    assert given is not None
    assert (given.amount_nanos, given.expires_at) == (500, bank.now + timedelta(days=7))
    assert give(bank, user) is None
    assert bank.balance(user).granted_nanos == 500
    assert bank.verify().is_consistent


def test_nothing_is_granted_unless_the_rule_says_so(bank: Bank) -> None:
    assert give(bank, new_user(bank, "ann@example.org"), NO_SIGN_UP_GRANT) is None
    assert give(bank, new_user(bank, "bob@example.org", Currency.USD)) is None


def test_an_address_made_anew_waits_for_the_stated_time(bank: Bank) -> None:
    first = new_user(bank, "ann@example.org")
    assert give(bank, first) is not None
    close(bank, first)
    again = new_user(bank, "Ann@example.org")
    assert give(bank, again) is None
    assert give(bank, new_user(bank, "ann+2@example.org")) is None
    assert give(bank, new_user(bank, "ann@example.com")) is not None
    close(bank, again)
    bank.clock.advance(timedelta(days=90).total_seconds())
    assert give(bank, new_user(bank, "ann@example.org")) is not None
    assert bank.verify().is_consistent


def test_addresses_are_forgotten_when_their_time_is_over(bank: Bank) -> None:
    give(bank, new_user(bank, "ann@example.org"))
    assert bank.database.run(sweep_sign_up_grants, RULE, bank.now) == 0
    bank.clock.advance(timedelta(days=90).total_seconds())
    assert bank.database.run(sweep_sign_up_grants, RULE, bank.now) == 1
