"""Each token through its experts, and the weighted sum of what they say, in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.gated_mlp import PackedMLP
from whalefall.engine.kernels.cpu.library import (
    MixtureStruct,
    MLPStruct,
    NativeLibrary,
    raise_without_memory,
    rows_of,
)


@dataclass(frozen=True)
class PackedExperts:
    experts: Sequence[PackedMLP]
    structs: ctypes.Array[MLPStruct]

    @classmethod
    def of(cls, experts: Sequence[PackedMLP]) -> PackedExperts:
        return cls(experts, (MLPStruct * len(experts))(*(each.struct for each in experts)))


def moe_experts(
    library: NativeLibrary,
    x: Tensor,
    expert_ids: Tensor,
    expert_weights: Tensor,
    experts: PackedExperts,
) -> Tensor:
    """x fp32 [T, D], expert_ids int64 [T, K] ascending, expert_weights fp32 [T, K] -> fp32 [T, D].

    A token's contributions are added in the order of its expert ids. Ids must be in range."""
    assert x.dtype == expert_weights.dtype == torch.float32
    assert expert_ids.dtype == torch.int64
    rows, ids, weights = rows_of(x), expert_ids.contiguous(), expert_weights.contiguous()
    T, D = rows.shape
    assert ids.shape == weights.shape
    assert ids.shape[0] == T
    assert experts.experts[0].gate_up.num_inputs == D
    out = rows.new_empty((T, D))
    struct = MixtureStruct(
        experts.structs,
        rows.data_ptr(),
        ids.data_ptr(),
        weights.data_ptr(),
        out.data_ptr(),
        len(experts.experts),
        rows.stride(0),
        T,
        ids.shape[1],
        D,
    )
    raise_without_memory(library.moe_experts(struct))
    return out
