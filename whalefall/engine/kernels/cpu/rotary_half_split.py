"""Rotary embedding of pairs half a vector apart: the layout of the indexer's queries and keys."""

from __future__ import annotations

from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.cpu.rotary import as_heads


def rotary_half_split(library: NativeLibrary, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x fp32 [..., W]; cos, sin fp32 [..., D/2], or [..., 1, D/2] for all heads -> [..., W]: the
    first D dimensions turned, the others as they are."""
    assert cos.shape[-1] == sin.shape[-1]
    assert x.shape[-1] >= 2 * cos.shape[-1]
    shaped, cos, sin = as_heads(x, cos, sin)
    T, H, W = shaped.shape
    out = shaped.new_empty((T, H, W))
    library.rotary_half_split(
        shaped.data_ptr(),
        shaped.stride(0),
        shaped.stride(1),
        cos.data_ptr(),
        sin.data_ptr(),
        out.data_ptr(),
        T,
        H,
        cos.shape[-1],
        W,
    )
    return out.view(x.shape)
