"""Vectors worked out by hand: a wrong pairing is the classic silent error of this family."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.tiny_model import TINY_V3
from whalefall.engine.config import RopeConfig
from whalefall.engine.kernels.reference.rotary_half_split import rotary_half_split
from whalefall.engine.kernels.reference.rotary_interleaved import rotary_interleaved
from whalefall.engine.layers.rotary import (
    attention_factor,
    inverse_frequencies,
    softmax_scale,
    yarn_mscale,
)

QUARTER_TURN = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
"""cos, sin of 90 degrees for the first pair and of 0 degrees for the second."""

V32_YARN = RopeConfig(rope_type="yarn", factor=40.0, mscale=1.0, mscale_all_dim=1.0)


def test_interleaved_turns_neighbours() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    turned = rotary_interleaved(x, *QUARTER_TURN)
    assert turned.tolist() == [-2.0, 1.0, 3.0, 4.0]


def test_half_split_turns_dimensions_half_a_vector_apart() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    turned = rotary_half_split(x, *QUARTER_TURN)
    assert turned.tolist() == [-3.0, 2.0, 1.0, 4.0]


def test_layouts_differ_by_a_permutation_only() -> None:
    x = torch.randn(5, 8)
    angles = torch.randn(5, 4)
    apart = torch.cat((x[:, 0::2], x[:, 1::2]), dim=-1)
    interleaved = rotary_interleaved(x, angles.cos(), angles.sin())
    halves = rotary_half_split(apart, angles.cos(), angles.sin())
    assert torch.equal(torch.cat((interleaved[:, 0::2], interleaved[:, 1::2]), -1), halves)


@pytest.mark.parametrize("rotate", [rotary_interleaved, rotary_half_split])
def test_product_depends_on_distance_only(rotate: object) -> None:
    assert callable(rotate)
    query, key = torch.randn(2, 16, dtype=torch.float64)
    frequencies = inverse_frequencies(RopeConfig(), 16)

    def at(x: torch.Tensor, position: int) -> torch.Tensor:
        angles = position * frequencies
        return rotate(x, angles.cos(), angles.sin())

    near = at(query, 7) @ at(key, 3)
    far = at(query, 1007) @ at(key, 1003)
    assert float(near) == pytest.approx(float(far))


def test_bfloat16_is_turned_in_float32() -> None:
    x = torch.randn(3, 8).bfloat16()
    angles = torch.randn(3, 4)
    turned = rotary_interleaved(x, angles.cos(), angles.sin())
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, rotary_interleaved(x.float(), angles.cos(), angles.sin()).bfloat16())


def test_yarn_keeps_fast_frequencies_and_divides_slow_ones() -> None:
    """DeepSeek-V3's numbers: pairs up to 10 are kept, from 23 on divided by 40."""
    plain = inverse_frequencies(RopeConfig(), 64)
    yarn = inverse_frequencies(V32_YARN, 64)
    assert torch.equal(yarn[:11], plain[:11])
    assert torch.equal(yarn[23:], plain[23:] / 40)
    assert torch.all(yarn[11:23] < plain[11:23])
    assert torch.all(yarn[11:23] > plain[11:23] / 40)


def test_softmax_scale_of_v3() -> None:
    """192^-0.5 times 1.3689 squared."""
    assert yarn_mscale(40.0, 1.0) == pytest.approx(1.36889, abs=1e-5)
    scale = 192**-0.5 * yarn_mscale(40.0, 1.0) ** 2
    assert scale == pytest.approx(0.13523, abs=1e-5)
    tiny = softmax_scale(TINY_V3)
    assert tiny == pytest.approx(32**-0.5 * (0.1 * math.log(4) + 1) ** 2)


def test_cosines_are_scaled_only_where_the_two_mscales_differ() -> None:
    assert attention_factor(RopeConfig()) == 1.0
    assert attention_factor(V32_YARN) == 1.0
    without_keys = RopeConfig(rope_type="yarn", factor=40.0)
    assert attention_factor(without_keys) == pytest.approx(1.36889, abs=1e-5)
