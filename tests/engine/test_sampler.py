"""What is sampled, and that it depends on the row alone."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kernels.reference.softmax_row import Floats
from whalefall.engine.request import SamplingParams
from whalefall.engine.sampler import (
    LOGPROB_FLOOR,
    SamplingRow,
    check_sampling_params,
    sample,
    uniform,
)

VOCAB_SIZE = 1000


def row(
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    frequency_penalty: float = 0.0,
    presence_penalty: float = 0.0,
    logprobs: int | None = None,
    seed: int = 0,
    position: int = 0,
    counts: dict[int, int] | None = None,
    allowed: list[int] | None = None,
    vocab_size: int = VOCAB_SIZE,
) -> SamplingRow:
    mask = None
    if allowed is not None:
        mask = np.zeros(vocab_size, dtype=np.bool_)
        mask[allowed] = True
    params = SamplingParams(
        max_tokens=9,
        temperature=temperature,
        top_p=top_p,
        frequency_penalty=frequency_penalty,
        presence_penalty=presence_penalty,
        logprobs=logprobs,
    )
    return SamplingRow(params, seed, position, counts or {}, mask)


def logits_of(probabilities: dict[int, float], vocab_size: int = VOCAB_SIZE) -> Floats:
    logits = np.full(vocab_size, -50.0, np.float32)
    for token_id, probability in probabilities.items():
        logits[token_id] = math.log(probability)
    return logits


def random_logits(seed: int, scale: float = 3.0, vocab_size: int = VOCAB_SIZE) -> Floats:
    return (np.random.default_rng(seed).standard_normal(vocab_size) * scale).astype(np.float32)


def drawn(logits: Floats, count: int, temperature: float = 1.0, top_p: float = 1.0) -> Counter[int]:
    return Counter(
        sample(logits, row(temperature=temperature, top_p=top_p, position=i)).token_id
        for i in range(count)
    )


def test_greedy_takes_the_largest_and_the_lowest_id_among_equals() -> None:
    logits = random_logits(1)
    logits[[700, 300, 900]] = logits.max() + 1
    assert sample(logits, row(temperature=0.0)).token_id == 300


def test_draws_follow_the_probabilities() -> None:
    logits = logits_of({3: 0.5, 400: 0.3, 999: 0.2})
    counts = drawn(logits, 4000)
    assert set(counts) == {3, 400, 999}
    for token_id, probability in ((3, 0.5), (400, 0.3), (999, 0.2)):
        assert abs(counts[token_id] / 4000 - probability) < 0.03


def test_draws_follow_the_temperature() -> None:
    counts = drawn(logits_of({1: 0.8, 2: 0.2}), 4000, temperature=0.5)
    assert abs(counts[2] / 4000 - 0.04 / 0.68) < 0.015


def test_draws_match_the_softmax_of_many_tokens() -> None:
    logits = random_logits(5, scale=1.0, vocab_size=300)
    weights = np.exp(logits.astype(np.float64))
    expected = weights / weights.sum() * 20000
    counts = drawn(logits, 20000)
    observed = np.array([counts[i] for i in range(300)])
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    assert chi_squared < 299 + 4 * math.sqrt(2 * 299)


def test_nucleus_is_the_smallest_set_that_holds_top_p() -> None:
    logits = logits_of({10: 0.5, 20: 0.3, 30: 0.15, 40: 0.05})
    assert set(drawn(logits, 500, top_p=0.5)) == {10}
    assert set(drawn(logits, 500, top_p=0.51)) == {10, 20}
    assert set(drawn(logits, 500, top_p=0.9)) == {10, 20, 30}
    assert set(drawn(logits, 2000, top_p=0.96)) == {10, 20, 30, 40}


def test_nucleus_keeps_the_lowest_ids_among_equals() -> None:
    logits = logits_of({5: 0.4, 100: 0.2, 200: 0.2, 300: 0.2})
    assert set(drawn(logits, 500, top_p=0.75)) == {5, 100, 200}


def test_tiny_top_p_is_greedy() -> None:
    logits = random_logits(2)
    assert set(drawn(logits, 50, top_p=1e-9)) == {int(logits.argmax())}


def plain_nucleus(logits: Floats, top_p: float) -> set[int]:
    """The definition, with a full stable sort."""
    weights = np.exp(logits.astype(np.float64) - logits.max())
    order = np.argsort(-logits, kind="stable")
    ends = np.cumsum(weights[order])
    return set(order[: int(np.searchsorted(ends, top_p * ends[-1])) + 1].tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 0.999), st.sampled_from([0.001, 0.3, 3.0, 12.0]))
def test_nucleus_equals_its_definition(seed: int, top_p: float, scale: float) -> None:
    logits = random_logits(seed, scale, vocab_size=5000)
    inside = plain_nucleus(logits, top_p)
    border = plain_nucleus(logits, top_p + 1e-4) - plain_nucleus(logits, top_p - 1e-4)
    counts = drawn(logits, 30, top_p=top_p)
    assert set(counts) <= inside | border


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_noise_is_in_range_and_repeats(seed: int, position: int) -> None:
    noise = uniform(seed, position)
    assert 0.0 <= noise < 1.0
    assert noise == uniform(seed, position)
    assert noise != uniform(seed, position + 1)


def test_noise_is_even() -> None:
    noise = np.array([uniform(7, position) for position in range(20000)])
    counts, _ = np.histogram(noise, bins=20, range=(0, 1))
    assert abs(counts - 1000).max() < 150


def test_negative_seed_is_a_seed_of_its_own() -> None:
    assert uniform(-1, 0) != uniform(1, 0)


def test_penalties_follow_openais_formula() -> None:
    logits = logits_of({1: 0.5, 2: 0.3, 3: 0.2})
    counts = {1: 2}
    frequency = row(temperature=0.0, frequency_penalty=0.3, counts=counts)
    assert sample(logits, frequency).token_id == 2
    too_weak = row(temperature=0.0, frequency_penalty=0.2, counts=counts)
    assert sample(logits, too_weak).token_id == 1
    presence = row(temperature=0.0, presence_penalty=0.6, counts=counts)
    assert sample(logits, presence).token_id == 2
    weak_presence = row(temperature=0.0, presence_penalty=0.5, counts={1: 50})
    assert sample(logits, weak_presence).token_id == 1


def test_mask_limits_the_choice() -> None:
    logits = logits_of({1: 0.9, 2: 0.06, 3: 0.04})
    assert sample(logits, row(temperature=0.0, allowed=[2, 3])).token_id == 2
    chosen = {
        sample(logits, row(allowed=[2, 3], position=i, top_p=0.99)).token_id for i in range(200)
    }
    assert chosen == {2, 3}


def test_mask_and_penalties_leave_the_callers_logits_alone() -> None:
    logits = random_logits(3)
    before = logits.copy()
    sample(logits, row(allowed=[5], presence_penalty=1.0, counts={5: 1}, top_p=0.5, logprobs=3))
    assert np.array_equal(logits, before)


def test_row_without_an_allowed_token_is_rejected() -> None:
    with pytest.raises(EngineRejectedError, match="grammar"):
        sample(random_logits(1), row(allowed=[]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_rejected(bad: float, temperature: float) -> None:
    logits = random_logits(1)
    logits[77] = bad
    with pytest.raises(EngineRejectedError, match="not finite"):
        sample(logits, row(temperature=temperature))


def test_logprobs_are_the_log_softmax_of_the_raw_logits() -> None:
    logits = random_logits(4)
    expected = logits - np.log(np.exp(logits.astype(np.float64)).sum())
    answer = sample(
        logits,
        row(temperature=0.3, top_p=0.9, logprobs=5, presence_penalty=1.0, counts={9: 1}),
    )
    assert answer.logprobs is not None
    assert answer.logprobs.token_id == answer.token_id
    assert answer.logprobs.logprob == pytest.approx(expected[answer.token_id], abs=1e-5)
    best = np.argsort(-logits, kind="stable")[:5]
    assert [token_id for token_id, _ in answer.logprobs.top] == best.tolist()
    assert [value for _, value in answer.logprobs.top] == pytest.approx(expected[best], abs=1e-5)


def test_top_logprobs_prefer_the_lowest_ids_among_equals() -> None:
    logits = np.zeros(VOCAB_SIZE, np.float32)
    answer = sample(logits, row(temperature=0.0, logprobs=4))
    assert answer.logprobs is not None
    assert [token_id for token_id, _ in answer.logprobs.top] == [0, 1, 2, 3]


@pytest.mark.parametrize("num_top", [0, 1, 20])
def test_any_number_of_alternatives_of_a_small_vocabulary(num_top: int) -> None:
    logits = random_logits(6, vocab_size=20)
    answer = sample(logits, row(temperature=0.0, logprobs=num_top, vocab_size=20))
    assert answer.logprobs is not None
    assert len(answer.logprobs.top) == num_top


def test_impossible_tokens_get_the_floor_not_minus_infinity() -> None:
    logits = np.full(20, -np.inf, np.float32)
    logits[3] = 0.0
    answer = sample(logits, row(temperature=0.0, logprobs=2, vocab_size=20))
    assert answer.logprobs is not None
    assert answer.logprobs.top[1] == (0, LOGPROB_FLOOR)


def test_extreme_temperatures_stay_finite() -> None:
    logits = random_logits(8, scale=1000.0)
    assert sample(logits, row(temperature=1e-30)).token_id == int(logits.argmax())
    assert 0 <= sample(logits, row(temperature=100.0)).token_id < VOCAB_SIZE


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(max_tokens=0),
        SamplingParams(max_tokens=1, temperature=-0.1),
        SamplingParams(max_tokens=1, temperature=math.nan),
        SamplingParams(max_tokens=1, temperature=math.inf),
        SamplingParams(max_tokens=1, top_p=0.0),
        SamplingParams(max_tokens=1, top_p=1.1),
        SamplingParams(max_tokens=1, top_p=math.nan),
        SamplingParams(max_tokens=1, frequency_penalty=math.inf),
        SamplingParams(max_tokens=1, presence_penalty=math.nan),
        SamplingParams(max_tokens=1, logprobs=21),
        SamplingParams(max_tokens=1, logprobs=-1),
    ],
)
def test_impossible_knobs_are_rejected(params: SamplingParams) -> None:
    with pytest.raises(EngineRejectedError):
        check_sampling_params(params)
