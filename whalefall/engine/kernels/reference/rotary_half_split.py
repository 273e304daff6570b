"""Rotary embedding of pairs half a vector apart: the layout of the indexer's queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_half_split(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [..., W]; cos, sin fp32 [..., D/2], broadcastable to x's pairs -> [..., W], x's dtype.

    Dimensions (i, i + D/2) are one complex number turned by the i-th angle, in fp32; those from D
    on stay as they are."""
    half = cos.shape[-1]
    assert sin.shape[-1] == half
    assert x.shape[-1] >= 2 * half
    real, imaginary, rest = x.split_with_sizes((half, half, x.shape[-1] - 2 * half), -1)
    turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return torch.cat((torch.cat(turned, dim=-1).to(x.dtype), rest), dim=-1)
