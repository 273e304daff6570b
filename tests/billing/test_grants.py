from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.bank import Bank
from whalefall.base.errors import InvalidRequestError, NotFoundError
from whalefall.base.money import MAX_AMOUNT_NANOS, Currency
from whalefall.billing.grants import GrantRequest, expire_grants, grant, list_grants
from whalefall.billing.ledger import expire_holds


def test_grant_with_the_same_key_is_given_once(bank: Bank) -> None:
    user = bank.user()
    first = bank.grant(user, 300, key="welcome")
    assert bank.grant(user, 300, key="welcome") == first
    assert bank.balance(user).granted_nanos == 300


def test_grant_with_a_used_key_for_someone_else_is_refused(bank: Bank) -> None:
    user, other = bank.user(), bank.user()
    bank.grant(user, 300, key="welcome")
    with pytest.raises(InvalidRequestError, match="welcome"):
        bank.grant(other, 300, key="welcome")
    with pytest.raises(InvalidRequestError, match="welcome"):
        bank.grant(user, 301, key="welcome")
    assert bank.balance(other).total_nanos == 0


@pytest.mark.parametrize("amount", [0, -1, 2**63, MAX_AMOUNT_NANOS + 1, True])
def test_odd_grants_are_refused(bank: Bank, amount: int) -> None:
    user = bank.user()
    with pytest.raises(InvalidRequestError):
        bank.grant(user, amount)
    assert bank.database.run(list_grants, user.id) == []


def test_grant_that_has_expired_or_is_for_nobody_is_refused(bank: Bank) -> None:
    with pytest.raises(InvalidRequestError, match="expired"):
        bank.grant(bank.user(), 100, days=0)
    request = GrantRequest("user_none", Currency.CNY, 1, "key", "", bank.now, None)
    with pytest.raises(NotFoundError):
        bank.database.run(grant, request)


def test_an_expired_grant_counts_no_longer_even_before_it_is_swept(bank: Bank) -> None:
    user = bank.user(topped_up=50)
    bank.grant(user, 300, days=1)
    bank.clock.advance(24 * 3600)
    found = bank.balance(user)
    assert (found.granted_nanos, found.available_nanos) == (0, 50)
    assert bank.hold(user, 300).held_nanos == 50


def test_what_is_left_of_an_expired_grant_is_taken_back_once(bank: Bank) -> None:
    user = bank.user()
    given = bank.grant(user, 300, days=1)
    bank.charge(bank.hold(user, 100), bank.api_key(user), 100)
    assert bank.database.run(expire_grants, bank.now) == 0
    bank.clock.advance(24 * 3600)
    assert bank.database.run(expire_grants, bank.now) == 1
    assert bank.database.run(expire_grants, bank.now) == 0
    left = bank.database.run(list_grants, user.id)
    assert [(row.id, row.remaining_nanos) for row in left] == [(given.id, 0)]
    assert bank.verify().is_consistent


def test_a_grant_that_expires_under_a_hold_is_still_spent_by_it(bank: Bank) -> None:
    user = bank.user()
    key = bank.api_key(user)
    bank.grant(user, 300, days=1)
    held = bank.hold(user, 200)
    bank.clock.advance(24 * 3600)
    assert bank.database.run(expire_grants, bank.now) == 1
    assert bank.charge(held, key, 150).granted_nanos == 150
    # What the hold gave back belongs to a grant that is over: the next sweep takes it.
    assert bank.balance(user).available_nanos == 0
    assert bank.database.run(expire_grants, bank.now) == 1
    assert bank.database.run(list_grants, user.id)[0].remaining_nanos == 0
    assert bank.verify().is_consistent


def test_a_hold_that_expires_gives_back_to_each_of_its_sources(bank: Bank) -> None:
    user = bank.user(topped_up=100)
    bank.grant(user, 60, days=10)
    bank.grant(user, 40, days=20)
    assert bank.hold(user, 180).held_nanos == 180
    bank.clock.advance(timedelta(minutes=15).total_seconds())
    assert len(bank.database.run(expire_holds, bank.now)) == 1
    found = bank.balance(user)
    assert (found.granted_nanos, found.topped_up_nanos, found.held_nanos) == (100, 100, 0)
    assert bank.verify().is_consistent
