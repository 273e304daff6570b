"""One matrix product per attention head, of rows that lie side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary, WeightStruct
from whalefall.engine.kernels.cpu.packed_weight import PackedWeight


@dataclass(frozen=True)
class PackedHeads:
    """The weights of all heads, one shape each."""

    weights: Sequence[PackedWeight]
    structs: ctypes.Array[WeightStruct]

    @classmethod
    def of(cls, weights: Sequence[PackedWeight]) -> PackedHeads:
        return cls(weights, (WeightStruct * len(weights))(*(w.struct for w in weights)))


def head_linear(library: NativeLibrary, x: Tensor, heads: PackedHeads) -> Tensor:
    """x fp32 [M, H, K], which may be a slice of wider rows, weights [H, N, K] -> fp32 [M, H, N]."""
    assert x.dtype == torch.float32
    M, H, K = x.shape
    assert len(heads.weights) == H
    assert heads.weights[0].num_inputs == K
    if x.stride(2) != 1:
        x = x.contiguous()
    out = x.new_empty((M, H, heads.weights[0].num_outputs))
    library.head_linear(
        ctypes.addressof(heads.structs),
        H,
        x.data_ptr(),
        x.stride(0),
        x.stride(1),
        out.data_ptr(),
        M,
    )
    return out
