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
    angles = (part.expand(*rows, -1).reshape(shaped.shape[0], -1) for part in (cos, sin))
    return (shaped if shaped.stride(-1) == 1 else shaped.contiguous(), *angles)
