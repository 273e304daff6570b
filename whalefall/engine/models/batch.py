"""The values that go into a forward pass besides the weights: the batch, the paged cache, and the
discrete choices (experts, keys) that a pass can record or be told.

It must not know how blocks are handed out, nor what a request is."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from whalefall.engine.config import BLOCK_SIZE, ModelConfig


@dataclass(frozen=True)
class SequenceSlice:
    """One sequence's part of a batch."""

    query_start: int
    """Row of its first token in the batch."""
    query_len: int
    context_len: int
    """Tokens already in the cache before this pass."""
    block_table: Tensor
    """int64 [num_blocks of this sequence], covering context_len + query_len tokens."""


@dataclass(frozen=True)
class ForwardBatch:
    """The tokens of one pass, sequence after sequence."""

    token_ids: Tensor
    """int64 [T]."""
    positions: Tensor
    """int64 [T]: the index of each token in its sequence."""
    slot_mapping: Tensor
    """int64 [T]: block_id * 64 + offset, where each token's cache entry is written."""
    sequences: tuple[SequenceSlice, ...]


@dataclass(frozen=True)
class LayerCache:
    """One layer's storage, seen slot by slot: [num_blocks * 64, width] each."""

    latent: Tensor
    rope_key: Tensor
    index_key: Tensor | None


@dataclass(frozen=True)
class PagedCache:
    """Cache storage of all layers. One block id names the same block in every tensor and layer,
    the MTP layer (the last one) included, so a block is kept, hit, stored or dropped as a whole."""

    latent: Tensor
    """[num_layers, num_blocks, 64, kv_lora_rank]: after kv_a_layernorm."""
    rope_key: Tensor
    """[num_layers, num_blocks, 64, qk_rope_head_dim]: rotated, interleaved layout."""
    index_key: Tensor | None
    """[num_layers, num_blocks, 64, index_head_dim]: normed and rotated; None without indexer."""

    @classmethod
    def allocate(cls, config: ModelConfig, num_blocks: int, dtype: torch.dtype) -> PagedCache:
        def zeros(width: int) -> Tensor:
            return torch.zeros(config.num_cache_layers, num_blocks, BLOCK_SIZE, width, dtype=dtype)

        return cls(
            latent=zeros(config.kv_lora_rank),
            rope_key=zeros(config.qk_rope_head_dim),
            index_key=zeros(config.index_head_dim) if config.has_indexer else None,
        )

    def layer(self, layer_index: int) -> LayerCache:
        def flat(tensor: Tensor) -> Tensor:
            return tensor[layer_index].flatten(0, 1)

        index_key = None if self.index_key is None else flat(self.index_key)
        return LayerCache(flat(self.latent), flat(self.rope_key), index_key)

    @property
    def num_blocks(self) -> int:
        return self.latent.shape[1]

    @property
    def bytes_per_block(self) -> int:
        """Bytes of one block over all layers and kinds."""
        tensors = (self.latent, self.rope_key, self.index_key)
        return sum(t.nbytes // t.shape[1] for t in tensors if t is not None)


@dataclass
class Selections:
    """The discrete choices of a pass, by layer index; row r belongs to token r of the batch.

    A pass fills an empty one. With `is_injected` the pass makes no choice of its own and follows
    what it is given, which is how two implementations are compared in spite of near ties."""

    expert_ids: dict[int, Tensor] = field(default_factory=dict)
    """int64 [T, num_experts_per_tok], ascending in each row."""
    key_positions: dict[int, Tensor] = field(default_factory=dict)
    """int64 [T, index_topk]: positions in the token's own sequence, ascending, -1 behind."""
    is_injected: bool = False

    def injected_experts(self, layer_index: int) -> Tensor | None:
        return self.expert_ids.get(layer_index) if self.is_injected else None

    def injected_keys(self, layer_index: int) -> Tensor | None:
        return self.key_positions.get(layer_index) if self.is_injected else None

    def injected(self) -> Selections:
        """The same choices, to be followed by another pass."""
        return Selections(self.expert_ids, self.key_positions, is_injected=True)
