"""How both rotary kernels see their input: tokens by heads by dimensions, with any strides."""

from __future__ import annotations

import torch
from torch import Tensor


def as_heads(x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x fp32 [..., W]; cos and sin fp32 [..., D/2], one angle set for each row of x, or
    [..., 1, D/2], one for all heads of a token; leading dimensions may be missing from them
    -> x as [T, H, W], its last dimension in one piece, and cos and sin as [T, D/2]."""
    assert x.dtype == cos.dtype == sin.dtype == torch.float32
    assert cos.shape == sin.shape
    has_heads = x.dim() > 2 and cos.shape[-2] == 1
    shaped = x.flatten(0, -3) if has_heads else x.reshape(-1, 1, x.shape[-1])
    rows = (*x.shape[:-2], 1) if has_heads else x.shape[:-1]
    turns = cos.expand(*rows, -1), sin.expand(*rows, -1)
    if shaped.stride(-1) != 1:
        shaped = shaped.contiguous()
    T, half = shaped.shape[0], cos.shape[-1]
    return shaped, turns[0].reshape(T, half), turns[1].reshape(T, half)
