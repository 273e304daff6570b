"""Prepared weights that are called like functions, and whose addresses a larger kernel can take."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from whalefall.engine.kernels.cpu.gated_mlp import PackedMLP, gated_mlp
from whalefall.engine.kernels.cpu.head_linear import PackedHeads, head_linear
from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.cpu.linear import linear
from whalefall.engine.kernels.cpu.moe_experts import PackedExperts, moe_experts
from whalefall.engine.kernels.cpu.packed_weight import PackedWeight


@dataclass(frozen=True)
class NativeLinear:
    library: NativeLibrary
    weight: PackedWeight

    def __call__(self, x: Tensor) -> Tensor:
        return linear(self.library, x, self.weight)


@dataclass(frozen=True)
class NativeHeadLinear:
    library: NativeLibrary
    heads: PackedHeads

    def __call__(self, x: Tensor) -> Tensor:
        return head_linear(self.library, x, self.heads)


@dataclass(frozen=True)
class NativeMLP:
    library: NativeLibrary
    mlp: PackedMLP

    def __call__(self, x: Tensor) -> Tensor:
        return gated_mlp(self.library, x, self.mlp)


@dataclass(frozen=True)
class NativeExperts:
    library: NativeLibrary
    experts: PackedExperts

    def __call__(self, x: Tensor, expert_ids: Tensor, expert_weights: Tensor) -> Tensor:
        return moe_experts(self.library, x, expert_ids, expert_weights, self.experts)
