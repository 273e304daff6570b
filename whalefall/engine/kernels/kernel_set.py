"""Which implementation of each kernel a model runs with: one value, handed to `freeze`.

Weights are prepared once, into a function that holds them in whatever layout it likes; everything
else is a function of its arguments. `reference/` tells what each one computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn import functional as F

from whalefall.engine.kernels.key_group import KeyGroup
from whalefall.engine.kernels.layer_parts import LayerParts, Mixture, Product
from whalefall.engine.kernels.reference.gated_mlp import gated_mlp
from whalefall.engine.kernels.reference.head_linear import head_linear
from whalefall.engine.kernels.reference.layer_norm import layer_norm
from whalefall.engine.kernels.reference.moe_experts import moe_experts
from whalefall.engine.kernels.reference.moe_gate import GateRule, moe_gate
from whalefall.engine.kernels.reference.paged_indexer_scores import paged_indexer_scores
from whalefall.engine.kernels.reference.paged_mla_attention import paged_mla_attention
from whalefall.engine.kernels.reference.rms_norm import rms_norm
from whalefall.engine.kernels.reference.rotary_half_split import rotary_half_split
from whalefall.engine.kernels.reference.rotary_interleaved import rotary_interleaved
from whalefall.engine.kernels.reference.select_top_k import select_top_k
from whalefall.engine.kernels.reference.softmax_row import SoftmaxRow, softmax_row
from whalefall.engine.kernels.row_padding import ROW_MULTIPLE

MLPWeights = tuple[Tensor, Tensor]
"""gate_up and down, as `gated_mlp` takes them."""
Routing = tuple[Tensor, Tensor, Tensor]
"""Expert ids, weights, scores."""
Pair = tuple[Tensor, Tensor]
LayerForward = Callable[
    [Tensor, Pair, Tensor, Sequence[KeyGroup], tuple[Tensor, Tensor, Tensor | None]], Tensor
]
"""hidden [T, d], cos and sin, slot_mapping, groups, the layer's cache -> [T, d]."""


@dataclass(frozen=True)
class KernelSet:
    name: str
    row_multiple: int
    """Rows of a pass are padded to a multiple of this, so that each one's bits are its own."""
    is_ragged: bool
    """Whether the paged kernels take sequences of different lengths in one call as they come."""
    prepare_linear: Callable[[Tensor], Product]
    prepare_head_linear: Callable[[Tensor], Product]
    prepare_mlp: Callable[[Tensor, Tensor], Product]
    prepare_experts: Callable[[Sequence[MLPWeights]], Mixture]
    moe_gate: Callable[[Tensor, Tensor | None, GateRule, Tensor | None], Routing]
    layer_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    rms_norm: Callable[[Tensor, Tensor, float], Tensor]
    rotary_interleaved: Callable[[Tensor, Tensor, Tensor], Tensor]
    rotary_half_split: Callable[[Tensor, Tensor, Tensor], Tensor]
    paged_mla_attention: Callable[[Pair, Pair, Tensor, Tensor, float], Tensor]
    paged_indexer_scores: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
    select_top_k: Callable[[Tensor, int], Tensor]
    softmax_row: SoftmaxRow
    prepare_layer: Callable[[LayerParts], LayerForward] | None
    """A whole layer in one call; None where it is nothing but the calls above."""


@runtime_checkable
class Freezable(Protocol):
    """A part of a model that prepares itself for serving."""

    def freeze(self, kernels: KernelSet) -> None: ...


def freeze_children(module: nn.Module, kernels: KernelSet) -> None:
    for child in module.children():
        if isinstance(child, Freezable):
            child.freeze(kernels)


def _linear(weight: Tensor) -> Product:
    return partial(F.linear, weight=weight)


def _head_linear(weights: Tensor) -> Product:
    return partial(head_linear, weights=weights)


def _mlp(gate_up: Tensor, down: Tensor) -> Product:
    return partial(gated_mlp, gate_up=gate_up, down=down)


def _experts(experts: Sequence[MLPWeights]) -> Mixture:
    return partial(moe_experts, experts=[_mlp(*weights) for weights in experts])


REFERENCE = KernelSet(
    name="PyTorch",
    row_multiple=ROW_MULTIPLE,
    is_ragged=False,
    prepare_linear=_linear,
    prepare_head_linear=_head_linear,
    prepare_mlp=_mlp,
    prepare_experts=_experts,
    moe_gate=moe_gate,
    layer_norm=layer_norm,
    rms_norm=rms_norm,
    rotary_interleaved=rotary_interleaved,
    rotary_half_split=rotary_half_split,
    paged_mla_attention=paged_mla_attention,
    paged_indexer_scores=paged_indexer_scores,
    select_top_k=select_top_k,
    softmax_row=softmax_row,
    prepare_layer=None,
)
