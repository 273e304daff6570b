"""A matrix product whose rows never change with the number of rows."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary, rows_of
from whalefall.engine.kernels.cpu.packed_weight import PackedWeight


def linear(library: NativeLibrary, x: Tensor, weight: PackedWeight) -> Tensor:
    """x fp32 [..., K], weight [N, K] -> fp32 [..., N]. Each output is summed over K in order."""
    assert x.dtype == torch.float32
    assert x.shape[-1] == weight.num_inputs
    rows, N = rows_of(x), weight.num_outputs
    M = rows.shape[0]
    out = rows.new_empty((M, N))
    address = ctypes.addressof(weight.struct)
    library.linear(address, rows.data_ptr(), rows.stride(0), out.data_ptr(), N, M)
    return out.view(*x.shape[:-1], N)
