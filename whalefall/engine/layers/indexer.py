"""The lightning indexer of V3.2: which keys a query attends to.

It reads the layer's normed input and the normalised query latent, and writes one small key per
token to the cache. Both of its rotations are half-split on the FIRST dimensions of the vector,
unlike MLA's, which are interleaved on the last."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whalefall.engine.config import ModelConfig
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet, freeze_children
from whalefall.engine.kernels.key_group import KeyGroup
from whalefall.engine.kernels.layer_parts import IndexerParts
from whalefall.engine.kernels.reference.indexer_scores import indexer_scores
from whalefall.engine.layers.linear import Float32Linear, Linear
from whalefall.engine.layers.norm import LayerNorm
from whalefall.engine.layers.rotary import Rotation


class Indexer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        assert config.index_topk is not None
        assert config.q_lora_rank is not None
        self.index_topk = config.index_topk
        self.num_heads = config.index_n_heads
        self.head_dim = config.index_head_dim
        self.rope_dim = config.qk_rope_head_dim
        self.wq_b = Linear(config.q_lora_rank, self.num_heads * self.head_dim)
        self.wk = Linear(config.hidden_size, self.head_dim)
        self.k_norm = LayerNorm(self.head_dim)
        self.weights_proj = Float32Linear(config.hidden_size, self.num_heads)
        self.scale = self.num_heads**-0.5 * self.head_dim**-0.5
        self._kernels = REFERENCE

    def freeze(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        freeze_children(self, kernels)

    def parts(self) -> IndexerParts:
        """For a kernel that computes a whole layer. Frozen before."""
        return IndexerParts(
            query=self.wq_b.product,
            key=self.wk.product,
            weights=self.weights_proj.product,
            norm_weight=self.k_norm.weight.data,
            norm_bias=self.k_norm.bias.data,
            norm_eps=self.k_norm.eps,
            scale=self.scale,
            num_heads=self.num_heads,
            head_dim=self.head_dim,
            top_k=self.index_topk,
        )

    def keys(self, x: Tensor, rotation: Rotation) -> Tensor:
        """x [..., T, d] -> fp32 [..., T, index_head_dim], as the cache keeps them."""
        return self._rotate(self.k_norm(self.wk(x)), rotation)

    def queries(self, x: Tensor, query_latent: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """x [..., T, d], query_latent [..., T, q_lora_rank] ->
        queries [..., T, H, index_head_dim] and head weights fp32 [..., T, H], both scales in."""
        query = self.wq_b(query_latent).unflatten(-1, (self.num_heads, self.head_dim))
        return self._rotate(query, rotation.over_heads()), self.weights_proj(x) * self.scale

    def scores_dense(self, x: Tensor, query_latent: Tensor, rotation: Rotation) -> Tensor:
        """Causal scores of whole sequences: fp32 [B, T, T], -inf above the diagonal."""
        query, head_weights = self.queries(x, query_latent, rotation)
        scores = indexer_scores(query, self.keys(x, rotation), head_weights)
        T = x.shape[-2]
        future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
        return scores.masked_fill(future, -torch.inf)

    def select_paged(
        self, queries: tuple[Tensor, Tensor], group: KeyGroup, index_key: Tensor
    ) -> Tensor:
        """queries as `queries` gave them for the whole batch, index_key [num_slots, D] of this
        layer -> int64 [N, index_topk]: positions in each query's own sequence, ascending."""
        query, head_weights = (part[group.rows] for part in queries)
        scores = self._kernels.paged_indexer_scores(
            query, head_weights, index_key, group.slots, group.counts
        )
        return self._kernels.select_top_k(scores, self.index_topk)

    def _rotate(self, x: Tensor, rotation: Rotation) -> Tensor:
        return self._kernels.rotary_half_split(x, rotation.cos, rotation.sin)
