"""The sampler's row kernel against its NumPy twin."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.native import native
from whalefall.engine.kernels.reference.softmax_row import softmax_row
from whalefall.engine.request import SamplingParams
from whalefall.engine.sampler import SamplingRow, sample


@pytest.mark.parametrize("size", [1, 15, 128, 129, 1000, 129_280])
@pytest.mark.parametrize("temperature", [0.0, 1e-9, 0.7, 1.0, 50.0])
def test_softmax_row(size: int, temperature: float) -> None:
    logits = np.random.default_rng(size).normal(0, 4, size).astype(np.float32)
    place, weights, sums = native().softmax_row(logits, temperature)
    place_twin, weights_twin, sums_twin = softmax_row(logits, temperature)
    assert place == place_twin
    assert weights.shape == weights_twin.shape
    assert np.allclose(weights, weights_twin, rtol=1e-5, atol=1e-37)
    assert np.allclose(sums, sums_twin, rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize(
    ("logits", "place"),
    [
        ([1.0, 3.0, 3.0], 1),
        ([1.0, np.nan, 3.0, np.nan], 1),
        ([-np.inf, -np.inf], 0),
        ([0.0, np.inf], 1),
        ([*[0.0] * 40, np.nan, 1.0], 40),
        ([*[0.0] * 40, 1.0, 1.0], 40),
    ],
)
def test_place_of_the_largest(logits: list[float], place: int) -> None:
    row = np.array(logits, np.float32)
    assert native().softmax_row(row, 0.0)[0] == place == softmax_row(row, 0.0)[0]


def test_forbidden_tokens_have_no_weight() -> None:
    logits = np.full(300, -np.inf, np.float32)
    logits[[7, 250]] = 1.0
    _, weights, sums = native().softmax_row(logits, 1.0)
    assert np.flatnonzero(weights).tolist() == [7, 250]
    assert sums.tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("top_p", [1.0, 0.9])
def test_sampling_draws_what_the_twin_draws(top_p: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 5000).astype(np.float32)
    params = SamplingParams(max_tokens=1, temperature=0.8, top_p=top_p)
    for seed in range(50):
        row = SamplingRow(params, seed, 7)
        assert sample(logits, row, native().softmax_row).token_id == sample(logits, row).token_id
