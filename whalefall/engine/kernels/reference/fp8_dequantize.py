"""From native block FP8 back to fp32.

The checkpoint calls the scale `weight_scale_inv`; it is MULTIPLIED, whatever the name suggests."""

from __future__ import annotations

import torch
from torch import Tensor


def fp8_dequantize(weight: Tensor, scale_inv: Tensor, block: tuple[int, int]) -> Tensor:
    """weight float8_e4m3fn [N, K], scale_inv float [ceil(N/rows), ceil(K/columns)] for a block of
    (rows, columns) -> fp32 [N, K]. Blocks at the lower and right edge may be partial."""
    assert weight.dtype == torch.float8_e4m3fn
    rows, columns = block
    N, K = weight.shape
    assert tuple(scale_inv.shape) == (-(-N // rows), -(-K // columns))
    scale = scale_inv.float().repeat_interleave(rows, dim=0)[:N]
    return weight.float() * scale.repeat_interleave(columns, dim=1)[:, :K]
