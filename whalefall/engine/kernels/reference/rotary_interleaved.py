"""Rotary embedding of neighbouring pairs: the layout of MLA's queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_interleaved(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [..., D]; cos, sin fp32 [..., D/2], broadcastable to x's pairs -> [..., D], x's dtype.

    Dimensions (2i, 2i+1) are one complex number turned by the i-th angle, in fp32; the result
    keeps the layout."""
    assert x.shape[-1] == 2 * cos.shape[-1] == 2 * sin.shape[-1]
    real, imaginary = x[..., 0::2], x[..., 1::2]
    turned = (real * cos - imaginary * sin, imaginary * cos + real * sin)
    return torch.stack(turned, dim=-1).flatten(-2).to(x.dtype)
