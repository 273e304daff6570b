from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.identities import credit_code, resident_number
from whalefall.accounts.identity_numbers import (
    CREDIT_ALPHABET,
    NOT_AN_ADULT,
    WrongNumberError,
    checked_credit_code,
    checked_resident_number,
    credit_check,
    masked_credit_code,
    masked_resident_number,
    resident_check,
)

TODAY = date(2026, 1, 15)
born = st.dates(date(1900, 1, 1), date(2007, 12, 31)).map(lambda day: day.strftime("%Y%m%d"))
resident_numbers = st.builds(resident_number, st.integers(0, 999), born)
credit_codes = st.text(CREDIT_ALPHABET, min_size=9, max_size=9).map(
    lambda tail: f"91990000{tail}{credit_check('91990000' + tail)}"
)
places = st.integers(0, 17)


def is_resident_number(text: str) -> bool:
    try:
        checked_resident_number(text, TODAY)
    except WrongNumberError:
        return False
    return True


def is_credit_code(text: str) -> bool:
    try:
        checked_credit_code(text)
    except WrongNumberError:
        return False
    return True


@given(resident_numbers, places, st.sampled_from("0123456789X"))
def test_every_wrong_character_of_a_resident_number_is_caught(
    number: str, place: int, wrong: str
) -> None:
    assert is_resident_number(number)
    changed = number[:place] + wrong + number[place + 1 :]
    assert is_resident_number(changed) == (changed == number)


@given(resident_numbers, st.integers(0, 16))
def test_every_swap_of_neighbours_in_a_resident_number_is_caught(number: str, place: int) -> None:
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert is_resident_number(swapped) == (swapped == number)


@given(st.text("0123456789", min_size=17, max_size=17), places, st.integers(1, 10))
def test_the_check_of_a_resident_number_alone_catches_them(
    digits: str, place: int, step: int
) -> None:
    """Without help from birth dates: the checksum itself, as the standard promises."""
    whole = digits + resident_check(digits)
    if place < 17:
        wrong = str((int(digits[place]) + 1 + step % 9) % 10)
        changed = digits[:place] + wrong + digits[place + 1 :]
        assert resident_check(changed) != whole[17] or changed == digits
        swapped = list(digits)
        swapped[place - 1], swapped[place] = swapped[place], swapped[place - 1]
        if place and swapped != list(digits):
            assert resident_check("".join(swapped)) != whole[17]


@given(credit_codes, places, st.sampled_from(CREDIT_ALPHABET))
def test_every_wrong_character_of_a_credit_code_is_caught(
    code: str, place: int, wrong: str
) -> None:
    assert is_credit_code(code)
    changed = code[:place] + wrong + code[place + 1 :]
    assert is_credit_code(changed) == (changed == code)


@given(credit_codes, st.integers(0, 16))
def test_every_swap_of_neighbours_in_a_credit_code_is_caught(code: str, place: int) -> None:
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert is_credit_code(swapped) == (swapped == code)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_number_or_refused(text: str) -> None:
    is_resident_number(text)
    is_credit_code(text)


def test_the_checksums_are_those_of_the_standards() -> None:
    """The example of GB 11643-1999, and one made by hand with the weights of GB 32100-2015."""
    assert resident_check("11010519491231002") == "X"
    assert credit_check("91350100M000100Y4") == "3"


def test_numbers_are_read_as_people_type_them() -> None:
    assert checked_resident_number(" 110105 19491231 002x ", TODAY) == "11010519491231002X"
    assert checked_resident_number("１１０１０５-19491231-002X", TODAY) == "11010519491231002X"
    assert checked_credit_code("9135 0100 m000 100y 43") == "91350100M000100Y43"


@pytest.mark.parametrize(
    "day", ["19900231", "20990101", "18850101", "00000000", "19901301", "19900100"]
)
def test_a_birthday_nobody_can_have_is_refused(day: str) -> None:
    assert not is_resident_number(resident_number(1, day))


def test_adults_only_and_from_the_very_birthday_on() -> None:
    number = resident_number(1, "20080115")
    assert checked_resident_number(number, TODAY) == number
    with pytest.raises(WrongNumberError, match="18 years") as refused:
        checked_resident_number(resident_number(1, "20080116"), TODAY)
    assert refused.value.message == NOT_AN_ADULT


@given(resident_numbers, credit_codes)
def test_a_mask_shows_almost_nothing(number: str, code: str) -> None:
    assert masked_resident_number(number) == number[0] + "*" * 16 + number[17]
    assert masked_credit_code(code) == code[:4] + "*" * 10 + code[14:]


def test_a_refusal_does_not_repeat_the_number() -> None:
    for number in (resident_number(7)[:-1] + "?", credit_code(7)[:-1] + "?"):
        with pytest.raises(WrongNumberError) as refused:
            checked_resident_number(number, TODAY)
        assert number[:6] not in str(refused.value)
        with pytest.raises(WrongNumberError) as refused:
            checked_credit_code(number)
        assert number[:6] not in str(refused.value)
