from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whalefall.base.money import MAX_AMOUNT_NANOS, nanos_from_text, text_from_nanos


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("12.50", 12_500_000_000),
        ("0.000000001", 1),
        (" 7 ", 7_000_000_000),
        ("-1.5", -1_500_000_000),
        ("1e2", 100_000_000_000),
        ("9000000000", MAX_AMOUNT_NANOS),
    ],
)
def test_amounts_are_read_exactly(text: str, nanos: int) -> None:
    assert nanos_from_text(text) == nanos


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,5", "NaN", "Infinity", "-inf", "1e308", "9000000000.1", "0.0000000001"],
)
def test_odd_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimal"):
        nanos_from_text(text)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0.00"),
        (4_959_999_999, "4.95"),
        (9_999_999, "0.00"),
        (10_000_000, "0.01"),
        (110_000_000_000, "110.00"),
        (MAX_AMOUNT_NANOS, "9000000000.00"),
    ],
)
def test_a_shown_balance_never_promises_more_than_there_is(nanos: int, text: str) -> None:
    assert text_from_nanos(nanos) == text


@given(st.integers(-MAX_AMOUNT_NANOS, MAX_AMOUNT_NANOS))
def test_nine_places_survive_the_way_there_and_back(nanos: int) -> None:
    assert nanos_from_text(text_from_nanos(nanos, places=9)) == nanos


@given(st.integers(0, MAX_AMOUNT_NANOS), st.integers(0, 9))
def test_rounding_goes_down_and_by_less_than_one_unit_of_the_last_place(
    nanos: int, places: int
) -> None:
    shown = nanos_from_text(text_from_nanos(nanos, places))
    assert 0 <= nanos - shown < 10 ** (9 - places)
