"""Rotary embedding of neighbouring pairs: the layout of MLA's queries and keys."""

from __future__ import annotations

from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.cpu.rotary import as_heads


def rotary_interleaved(library: NativeLibrary, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x fp32 [..., D]; cos, sin fp32 [..., D/2], or [..., 1, D/2] for all heads -> [..., D]."""
    assert x.shape[-1] == 2 * cos.shape[-1] == 2 * sin.shape[-1]
    shaped, cos, sin = as_heads(x, cos, sin)
    T, H, D = shaped.shape
    out = shaped.new_empty((T, H, D))
    library.rotary_interleaved(
        shaped.data_ptr(),
        shaped.stride(0),
        shaped.stride(1),
        cos.data_ptr(),
        sin.data_ptr(),
        out.data_ptr(),
        T,
        H,
        D // 2,
    )
    return out.view(x.shape)
