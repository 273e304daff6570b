"""The native kernels as a kernel set: fp32, on the CPU they were compiled for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from whalefall.engine.kernels.cpu.decoder_layer import NativeLayer
from whalefall.engine.kernels.cpu.gated_mlp import PackedMLP
from whalefall.engine.kernels.cpu.head_linear import PackedHeads
from whalefall.engine.kernels.cpu.layer_norm import layer_norm
from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.cpu.moe_experts import PackedExperts
from whalefall.engine.kernels.cpu.moe_gate import moe_gate
from whalefall.engine.kernels.cpu.packed_weight import pack_weight
from whalefall.engine.kernels.cpu.paged_indexer_scores import paged_indexer_scores
from whalefall.engine.kernels.cpu.paged_mla_attention import paged_mla_attention
from whalefall.engine.kernels.cpu.products import (
    NativeExperts,
    NativeHeadLinear,
    NativeLinear,
    NativeMLP,
)
from whalefall.engine.kernels.cpu.rms_norm import rms_norm
from whalefall.engine.kernels.cpu.rotary_half_split import rotary_half_split
from whalefall.engine.kernels.cpu.rotary_interleaved import rotary_interleaved
from whalefall.engine.kernels.cpu.select_top_k import select_top_k
from whalefall.engine.kernels.cpu.softmax_row import softmax_row
from whalefall.engine.kernels.kernel_set import KernelSet, MLPWeights
from whalefall.engine.kernels.layer_parts import Mixture, Product


def native_kernels(library: NativeLibrary) -> KernelSet:
    def packed_mlp(gate_up: Tensor, down: Tensor) -> PackedMLP:
        return PackedMLP.of(pack_weight(library, gate_up), pack_weight(library, down))

    def prepare_linear(weight: Tensor) -> Product:
        return NativeLinear(library, pack_weight(library, weight))

    def prepare_head_linear(weights: Tensor) -> Product:
        heads = PackedHeads.of([pack_weight(library, weight) for weight in weights])
        return NativeHeadLinear(library, heads)

    def prepare_mlp(gate_up: Tensor, down: Tensor) -> Product:
        return NativeMLP(library, packed_mlp(gate_up, down))

    def prepare_experts(experts: Sequence[MLPWeights]) -> Mixture:
        packed = PackedExperts.of([packed_mlp(*weights) for weights in experts])
        return NativeExperts(library, packed)

    return KernelSet(
        name="native",
        row_multiple=1,
        is_ragged=True,
        prepare_linear=prepare_linear,
        prepare_head_linear=prepare_head_linear,
        prepare_mlp=prepare_mlp,
        prepare_experts=prepare_experts,
        moe_gate=partial(moe_gate, library),
        layer_norm=partial(layer_norm, library),
        rms_norm=partial(rms_norm, library),
        rotary_interleaved=partial(rotary_interleaved, library),
        rotary_half_split=partial(rotary_half_split, library),
        paged_mla_attention=partial(paged_mla_attention, library),
        paged_indexer_scores=partial(paged_indexer_scores, library),
        select_top_k=partial(select_top_k, library),
        softmax_row=partial(softmax_row, library),
        prepare_layer=partial(NativeLayer, library),
    )
