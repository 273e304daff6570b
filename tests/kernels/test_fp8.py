from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from whalefall.engine.kernels.reference.fp8_dequantize import fp8_dequantize
from whalefall.engine.kernels.reference.fp8_quantize import AMAX_FLOOR, E4M3_MAX, fp8_quantize

_SIZES = st.integers(1, 40)
_BLOCKS = st.sampled_from([(16, 16), (8, 32), (128, 128)])


def random_weight(rows: int, columns: int, magnitude: float, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) * magnitude


@settings(deadline=None, max_examples=60)
@given(
    rows=_SIZES,
    columns=_SIZES,
    block=_BLOCKS,
    exponent=st.integers(-12, 12),
    power_of_two=st.booleans(),
    seed=st.integers(0, 99),
)
def test_round_trip_error_is_half_a_step_of_e4m3(
    rows: int, columns: int, block: tuple[int, int], exponent: int, power_of_two: bool, seed: int
) -> None:
    """A mantissa of 3 bits: relative error up to 1/16; below the normal range half of 2^-9."""
    weight = random_weight(rows, columns, 2.0**exponent, seed)
    quantized, scale = fp8_quantize(weight, block, power_of_two=power_of_two)
    assert quantized.dtype == torch.float8_e4m3fn
    assert scale.shape == (math.ceil(rows / block[0]), math.ceil(columns / block[1]))
    error = (fp8_dequantize(quantized, scale, block) - weight).abs()
    step = scale.repeat_interleave(block[0], 0)[:rows].repeat_interleave(block[1], 1)[:, :columns]
    assert torch.all(error <= torch.maximum(weight.abs() / 16, step * 2.0**-10) * 1.0001)


@settings(deadline=None, max_examples=40)
@given(rows=_SIZES, columns=_SIZES, block=_BLOCKS, seed=st.integers(0, 99))
def test_second_quantization_changes_nothing(
    rows: int, columns: int, block: tuple[int, int], seed: int
) -> None:
    weight = random_weight(rows, columns, 1.0, seed)
    first, scale = fp8_quantize(weight, block, power_of_two=True)
    again, same_scale = fp8_quantize(fp8_dequantize(first, scale, block), block, power_of_two=True)
    values = fp8_dequantize(first, scale, block)
    assert torch.equal(fp8_dequantize(again, same_scale, block), values)


@given(st.floats(1e-6, 1e6))
def test_power_of_two_scale_is_the_smallest_that_fits(magnitude: float) -> None:
    weight = torch.tensor([[magnitude]])
    _, scale = fp8_quantize(weight, (128, 128), power_of_two=True)
    exact = max(float(weight), float(torch.tensor(AMAX_FLOOR))) / E4M3_MAX
    assert math.frexp(float(scale))[0] == 0.5
    assert float(scale) >= exact * (1 - 1e-6)
    assert float(scale) / 2 < exact * (1 + 1e-6)


def test_scale_is_multiplied_and_edge_blocks_are_partial() -> None:
    weight = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float32).to(torch.float8_e4m3fn)
    scale = torch.tensor([[0.5, 3.0]])
    assert fp8_dequantize(weight, scale, (2, 2)).tolist() == [[0.5, 1.0, 12.0]]


def test_zeros_stay_zeros() -> None:
    quantized, scale = fp8_quantize(torch.zeros(3, 5), (2, 2))
    assert torch.equal(fp8_dequantize(quantized, scale, (2, 2)), torch.zeros(3, 5))
    assert torch.all(scale > 0)


def test_largest_magnitude_of_a_block_is_exact() -> None:
    weight = torch.tensor([[0.3, -7.25, 0.001]])
    quantized, scale = fp8_quantize(weight, (128, 128))
    assert torch.allclose(fp8_dequantize(quantized, scale, (128, 128))[0, 1], weight[0, 1])
