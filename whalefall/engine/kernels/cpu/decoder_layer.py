"""A whole decoder layer over the cache's pages in one call.

Its twin is the layer's own composition of the other kernels, bit for bit: it only saves the time
between them, which is most of a decode step of a small model."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, pointer

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.gate_struct import gate_struct
from whalefall.engine.kernels.cpu.library import (
    KeyGroupStruct,
    LayerCacheStruct,
    LayerStruct,
    MLPStruct,
    NativeLibrary,
    PassStruct,
    WeightStruct,
    raise_without_memory,
)
from whalefall.engine.kernels.cpu.paged_mla_attention import RANK_MAX
from whalefall.engine.kernels.cpu.products import (
    NativeExperts,
    NativeHeadLinear,
    NativeLinear,
    NativeMLP,
)
from whalefall.engine.kernels.key_group import KeyGroup
from whalefall.engine.kernels.layer_parts import (
    AttentionParts,
    IndexerParts,
    LayerParts,
    MixtureParts,
    Product,
)


class NativeLayer:
    def __init__(self, library: NativeLibrary, parts: LayerParts) -> None:
        """The parts' products must have been prepared by the same library."""
        self._library = library
        self._parts = parts  # owns what the struct points to
        assert parts.attention.key_value_rank <= RANK_MAX
        self._struct = LayerStruct(
            input_norm=_address(parts.input_norm),
            post_norm=_address(parts.post_norm),
            width=parts.width,
            eps=parts.norm_eps,
        )
        _fill_attention(self._struct, parts.attention)
        if parts.attention.indexer is not None:
            _fill_indexer(self._struct, parts.attention.indexer)
        if isinstance(parts.feed_forward, MixtureParts):
            _fill_mixture(self._struct, parts.feed_forward)
        else:
            self._struct.dense = _mlp(parts.feed_forward)

    def __call__(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        slot_mapping: Tensor,
        groups: Sequence[KeyGroup],
        cache: tuple[Tensor, Tensor, Tensor | None],
    ) -> Tensor:
        """hidden fp32 [T, d]; rotation: cos and sin fp32 [T, rope / 2]; slot_mapping int64 [T];
        cache: latents, rope keys and index keys fp32 [num_slots, ...] -> fp32 [T, d].

        Writes the tokens' cache entries, then reads from the cache what the groups name."""
        T = slot_mapping.shape[0]
        assert hidden.dtype == torch.float32
        assert hidden.shape == (T, self._parts.width)
        assert all(part.is_contiguous() for part in (*rotation, slot_mapping))
        structs = (KeyGroupStruct * len(groups))(*(_group(group) for group in groups))
        latent, rope_key, index_key = cache
        assert latent.dtype == rope_key.dtype == torch.float32
        out = hidden.clone(memory_format=torch.contiguous_format)
        view = PassStruct(
            rotation[0].data_ptr(),
            rotation[1].data_ptr(),
            slot_mapping.data_ptr(),
            structs,
            T,
            len(groups),
            any(group.is_sparse for group in groups),
        )
        storage = LayerCacheStruct(
            latent.data_ptr(), rope_key.data_ptr(), 0 if index_key is None else index_key.data_ptr()
        )
        raise_without_memory(
            self._library.decoder_layer(self._struct, view, storage, out.data_ptr())
        )
        return out


def _fill_attention(struct: LayerStruct, parts: AttentionParts) -> None:
    if parts.query_down is not None:
        struct.query_down = _weight(parts.query_down)
        struct.query_norm = None if parts.query_norm is None else _address(parts.query_norm)
    struct.query_up = _weight(parts.query_up)
    struct.key_value_down = _weight(parts.key_value_down)
    struct.key_value_norm = _address(parts.key_value_norm)
    struct.absorb_key = _heads(parts.absorb_key)
    struct.absorb_value = _heads(parts.absorb_value)
    struct.output = _weight(parts.output)
    struct.num_heads = parts.num_heads
    struct.nope, struct.rope = parts.nope_dim, parts.rope_dim
    struct.rank, struct.query_rank = parts.key_value_rank, parts.query_rank
    struct.value_width = parts.v_dim
    struct.latent_eps, struct.scale = parts.norm_eps, parts.scale


def _fill_indexer(struct: LayerStruct, parts: IndexerParts) -> None:
    struct.index_query = _weight(parts.query)
    struct.index_key = _weight(parts.key)
    struct.index_weights = _weight(parts.weights)
    struct.index_norm_weight = _address(parts.norm_weight)
    struct.index_norm_bias = _address(parts.norm_bias)
    struct.num_index_heads, struct.index_width = parts.num_heads, parts.head_dim
    struct.index_top_k = parts.top_k
    struct.index_eps, struct.index_scale = parts.norm_eps, parts.scale


def _fill_mixture(struct: LayerStruct, parts: MixtureParts) -> None:
    struct.router = _weight(parts.router)
    struct.gate = gate_struct(parts.rule, parts.bias, parts.num_experts)
    assert isinstance(parts.experts, NativeExperts)
    struct.experts = ctypes.cast(parts.experts.experts.structs, POINTER(MLPStruct))
    if parts.shared is not None:
        struct.shared = _mlp(parts.shared)


def _group(group: KeyGroup) -> KeyGroupStruct:
    assert group.rows.is_contiguous()
    assert group.slots.is_contiguous()
    assert group.counts.is_contiguous()
    G, S = group.slots.shape
    return KeyGroupStruct(
        group.rows.data_ptr(),
        group.slots.data_ptr(),
        group.counts.data_ptr(),
        group.rows.shape[0],
        G,
        S,
        group.is_sparse,
    )


def _weight(product: Product) -> ctypes._Pointer[WeightStruct]:
    assert isinstance(product, NativeLinear)
    return pointer(product.weight.struct)


def _heads(product: Product) -> ctypes._Pointer[WeightStruct]:
    assert isinstance(product, NativeHeadLinear)
    return ctypes.cast(product.heads.structs, POINTER(WeightStruct))


def _mlp(product: Product) -> ctypes._Pointer[MLPStruct]:
    assert isinstance(product, NativeMLP)
    return pointer(product.mlp.struct)


def _address(weight: Tensor) -> int:
    assert weight.dtype == torch.float32
    assert weight.is_contiguous()
    return weight.data_ptr()
