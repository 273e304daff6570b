"""Native block FP8 in checkpoints: how a scale is named, and quantising with the usual block.

The arithmetic is in `kernels/reference/`; a weight's scale is MULTIPLIED to dequantise."""

from __future__ import annotations

from torch import Tensor

from whalefall.engine.checkpoint import BLOCK, SCALE_SUFFIX
from whalefall.engine.kernels.reference.fp8_quantize import fp8_quantize

__all__ = ["BLOCK", "SCALE_SUFFIX", "quantize"]


def quantize(
    weight: Tensor, block: tuple[int, int] = BLOCK, *, power_of_two: bool = False
) -> tuple[Tensor, Tensor]:
    """weight float [N, K] -> (e4m3 [N, K], scale_inv fp32 [ceil(N/rows), ceil(K/columns)])."""
    return fp8_quantize(weight, block, power_of_two=power_of_two)
