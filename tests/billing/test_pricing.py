from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whalefall.base.money import Currency
from whalefall.billing.pricing import (
    NUM_TOKENS_MAX,
    PRICE_MICROS_MAX,
    Price,
    TokenCounts,
    affordable_output_tokens,
    cost_nanos,
    micros_from_text,
    minimum_nanos,
    text_from_micros,
    worst_case_nanos,
)

micros = st.integers(0, PRICE_MICROS_MAX)
tokens = st.integers(0, 10_000_000)
prices = st.builds(
    Price, st.just("id"), st.just("model"), st.sampled_from(Currency), micros, micros, micros
)
counts = st.builds(TokenCounts, tokens, tokens, tokens)

V3_2 = Price("v3.2", "deepseek-chat", Currency.USD, 28_000, 280_000, 420_000)


def test_a_million_tokens_cost_the_listed_price() -> None:
    assert cost_nanos(V3_2, TokenCounts(1_000_000, 0, 0)) == 28_000_000
    assert cost_nanos(V3_2, TokenCounts(0, 1_000_000, 0)) == 280_000_000
    assert cost_nanos(V3_2, TokenCounts(0, 0, 1_000_000)) == 420_000_000


def test_the_smallest_published_price_is_exact() -> None:
    price = Price("pro", "deepseek-v4-pro", Currency.USD, micros_from_text("0.003625"), 0, 0)
    assert cost_nanos(price, TokenCounts(1_000_000, 0, 0)) == 3_625_000
    assert cost_nanos(price, TokenCounts(8, 0, 0)) == 29


@pytest.mark.parametrize(
    ("picos", "nanos"), [(499, 0), (500, 0), (501, 1), (1499, 1), (1500, 2), (2500, 2), (2501, 3)]
)
def test_rounding_is_half_to_even(picos: int, nanos: int) -> None:
    price = Price("id", "model", Currency.CNY, 0, picos, 0)
    assert cost_nanos(price, TokenCounts(0, 1, 0)) == nanos


@given(prices, counts)
def test_cost_is_the_exact_sum_rounded_once(price: Price, used: TokenCounts) -> None:
    exact = Fraction(
        used.hit * price.hit_micros
        + used.miss * price.miss_micros
        + used.output * price.output_micros,
        1000,
    )
    assert cost_nanos(price, used) == round(exact)


@given(prices, st.integers(0, 1_000_000), st.integers(0, 1_000_000), st.data())
def test_no_charge_exceeds_the_worst_case(
    price: Price, num_prompt: int, num_output_max: int, data: st.DataObject
) -> None:
    hit = data.draw(st.integers(0, num_prompt))
    output = data.draw(st.integers(0, num_output_max))
    used = TokenCounts(hit, num_prompt - hit, output)
    assert cost_nanos(price, used) <= worst_case_nanos(price, num_prompt, num_output_max)


@given(prices, st.integers(1, 1_000_000), st.integers(0, 10**15), st.data())
def test_affordable_output_never_costs_more_than_is_held(
    price: Price, num_prompt: int, extra: int, data: st.DataObject
) -> None:
    held = minimum_nanos(price, num_prompt) + extra
    output = affordable_output_tokens(price, num_prompt, held)
    assert output >= 1
    hit = data.draw(st.integers(0, num_prompt))
    assert cost_nanos(price, TokenCounts(hit, num_prompt - hit, output)) <= held
    if output < NUM_TOKENS_MAX:
        assert worst_case_nanos(price, num_prompt, output + 1) > held


def test_a_hold_below_the_prompt_affords_nothing() -> None:
    assert affordable_output_tokens(V3_2, 1000, 100) == 0


@pytest.mark.parametrize("count", [-1, NUM_TOKENS_MAX + 1, 2**63, True])
def test_odd_token_counts_are_refused(count: int) -> None:
    for used in ((count, 0, 0), (0, count, 0), (0, 0, count)):
        with pytest.raises(ValueError, match="not a count"):
            TokenCounts(*used)


@pytest.mark.parametrize("cached", [None, -1, 101, 2**63])
def test_an_impossible_cached_count_is_taken_as_none(cached: int | None) -> None:
    assert TokenCounts.counted(100, cached, 5) == TokenCounts(0, 100, 5)


def test_a_possible_cached_count_splits_the_prompt() -> None:
    assert TokenCounts.counted(100, 64, 5) == TokenCounts(64, 36, 5)
    assert TokenCounts.counted(64, 64, 5) == TokenCounts(64, 0, 5)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "NaN", "Infinity", "1e308", "0.0000001", "1000001"]
)
def test_odd_price_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|decimal"):
        micros_from_text(text)


@given(micros)
def test_price_texts_survive_the_way_there_and_back(value: int) -> None:
    assert micros_from_text(text_from_micros(value)) == value


def test_a_price_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        Price("id", "model", Currency.CNY, -1, 0, 0)
