"""Virtual account numbers: one for each enterprise, found in what people write, hard to mistype."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bank import Bank
from tests.support.bank_counter import ACCOUNT, BankCounter
from tests.support.identities import verified
from whalefall.accounts.verification import VerificationKind
from whalefall.base.db import Database
from whalefall.base.errors import InvalidRequestError
from whalefall.billing.virtual_accounts import (
    find_virtual_account,
    give_virtual_account,
    grouped_number,
    is_well_formed,
    number_from_serial,
    numbers_in,
)

SERIALS = st.integers(0, 999_999)
BASES = st.from_regex(r"[0-9]{6,22}", fullmatch=True)


@given(base=BASES, serial=SERIALS, data=st.data())
def test_a_wrong_digit_or_two_exchanged_ones_are_noticed(
    base: str, serial: int, data: st.DataObject
) -> None:
    number = number_from_serial(base, serial)
    assert is_well_formed(number)
    place = data.draw(st.integers(0, len(number) - 2))
    digit = data.draw(st.sampled_from([each for each in "0123456789" if each != number[place]]))
    assert not is_well_formed(number[:place] + digit + number[place + 1 :])
    exchanged = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert is_well_formed(exchanged) == (exchanged == number)


@given(base=BASES, serial=SERIALS, before=st.text(max_size=10), after=st.text(max_size=10))
def test_a_number_is_found_in_what_people_write(
    base: str, serial: int, before: str, after: str
) -> None:
    number = number_from_serial(base, serial)
    for written in (number, grouped_number(number), "-".join(number)):
        assert number in numbers_in(f"{before}充值{written}元{after}", base)


def test_other_numbers_are_not_found() -> None:
    number = number_from_serial(ACCOUNT.number, 42)
    for written in ("", ACCOUNT.number, number[:-1], number[1:], number.replace("755", "756")):
        assert numbers_in(written, ACCOUNT.number) == set()


def test_an_enterprise_has_one_number_for_ever(database: Database) -> None:
    counter = BankCounter(Bank(database))
    user, number = counter.enterprise()
    assert counter.number(user) == number
    _, other = counter.enterprise("另一家公司")
    assert other != number
    elsewhere = database.run(give_virtual_account, user.id, "999999", counter.bank.now)
    assert elsewhere.number.startswith("999999")
    assert counter.number(user) == number
    found = database.run(find_virtual_account, number)
    assert found is not None
    assert found.user_id == user.id


def test_nobody_else_is_given_one(database: Database) -> None:
    bank = Bank(database)
    stranger, person = bank.user(), bank.user()
    verified(database, person, VerificationKind.PERSONAL, "Ann Example")
    for user in (stranger, person):
        with pytest.raises(InvalidRequestError, match="verified enterprise"):
            database.run(give_virtual_account, user.id, ACCOUNT.number, bank.now)
