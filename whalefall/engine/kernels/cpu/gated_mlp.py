"""down(silu(gate(x)) * up(x)) in one call."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import (
    MLPStruct,
    NativeLibrary,
    raise_without_memory,
    rows_of,
)
from whalefall.engine.kernels.cpu.packed_weight import PackedWeight


@dataclass(frozen=True)
class PackedMLP:
    """gate_up [2 * I, D]: gate's rows, then up's; down [D, I]."""

    gate_up: PackedWeight
    down: PackedWeight
    struct: MLPStruct

    @classmethod
    def of(cls, gate_up: PackedWeight, down: PackedWeight) -> PackedMLP:
        assert gate_up.num_outputs == 2 * down.num_inputs
        return cls(
            gate_up, down, MLPStruct(ctypes.pointer(gate_up.struct), ctypes.pointer(down.struct))
        )


def gated_mlp(library: NativeLibrary, x: Tensor, mlp: PackedMLP) -> Tensor:
    """x fp32 [..., D] -> fp32 [..., D]."""
    assert x.dtype == torch.float32
    assert x.shape[-1] == mlp.gate_up.num_inputs
    rows = rows_of(x)
    M = rows.shape[0]
    out = rows.new_empty((M, mlp.down.num_outputs))
    raise_without_memory(
        library.gated_mlp(mlp.struct, rows.data_ptr(), rows.stride(0), out.data_ptr(), M)
    )
    return out.view(*x.shape[:-1], out.shape[1])
