"""From floats to native block FP8, as DeepSeek's checkpoints store weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

E4M3_MAX = 448.0
AMAX_FLOOR = 1e-4
"""A block smaller than this keeps this scale, so that a block of zeros has one."""


def fp8_quantize(
    weight: Tensor, block: tuple[int, int], *, power_of_two: bool = False
) -> tuple[Tensor, Tensor]:
    """weight float [N, K] -> float8_e4m3fn [N, K], scale_inv fp32 [ceil(N/rows), ceil(K/columns)].

    One scale per block of (rows, columns): its largest magnitude over 448, rounded up to a power of
    two where asked (scale_fmt "ue8m0"). Edge blocks may be partial. weight must be finite."""
    rows, columns = block
    N, K = weight.shape
    wide = F.pad(weight.float(), (0, -K % columns, 0, -N % rows))
    blocks = wide.view(wide.shape[0] // rows, rows, wide.shape[1] // columns, columns)
    scale = blocks.abs().amax(dim=(1, 3)).clamp(min=AMAX_FLOOR) / E4M3_MAX
    if power_of_two:
        scale = _next_power_of_two(scale)
    scaled = (blocks / scale[:, None, :, None]).clamp(-E4M3_MAX, E4M3_MAX)
    return scaled.to(torch.float8_e4m3fn).view(wide.shape)[:N, :K].contiguous(), scale


def _next_power_of_two(x: Tensor) -> Tensor:
    """The smallest power of two not below x, exactly: no logarithm is rounded."""
    mantissa, exponent = torch.frexp(x)
    exponent = torch.where(mantissa == 0.5, exponent - 1, exponent)
    return torch.ldexp(torch.ones_like(x), exponent)
