"""Multi-head latent attention: keys and values live in one small latent per token.

Two forms of the same sum. Expanded: keys and values are projected out of the latent for every
head; used for whole sequences without a cache. Absorbed: the projection is moved to the query
side, so attention reads the latents as they are cached; used for serving. With an indexer, a
query attends to its `index_topk` best keys only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalefall.engine.config import ModelConfig
from whalefall.engine.kernels.reference.rotary_interleaved import rotary_interleaved
from whalefall.engine.kernels.reference.select_top_k import select_top_k
from whalefall.engine.layers.indexer import Indexer
from whalefall.engine.layers.linear import Linear
from whalefall.engine.layers.norm import RMSNorm
from whalefall.engine.layers.rotary import Rotation, softmax_scale


@dataclass(frozen=True)
class IndexerProbe:
    """What the indexer's training compares: its scores, and where attention really looks."""

    index_scores: Tensor
    """fp32 [B, T, T], -inf above the diagonal; gradients reach the indexer only."""
    attention_probs: Tensor
    """fp32 [B, T, T], the mean over heads of dense attention; no gradient."""


class MLA(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.kv_lora_rank = config.kv_lora_rank
        self.nope_dim = config.qk_nope_head_dim
        self.rope_dim = config.qk_rope_head_dim
        self.v_dim = config.v_head_dim
        self.scale = softmax_scale(config)
        d, query_width = config.hidden_size, self.num_heads * config.qk_head_dim
        if config.q_lora_rank is None:
            self.q_proj = Linear(d, query_width)
        else:
            self.q_a_proj = Linear(d, config.q_lora_rank)
            self.q_a_layernorm = RMSNorm(config.q_lora_rank)
            self.q_b_proj = Linear(config.q_lora_rank, query_width)
        self.has_query_latent = config.q_lora_rank is not None
        self.kv_a_proj_with_mqa = Linear(d, self.kv_lora_rank + self.rope_dim)
        self.kv_a_layernorm = RMSNorm(self.kv_lora_rank)
        self.kv_b_proj = Linear(self.kv_lora_rank, self.num_heads * (self.nope_dim + self.v_dim))
        self.o_proj = Linear(self.num_heads * self.v_dim, d)
        self.indexer = Indexer(config) if config.has_indexer else None

    def query_latent(self, x: Tensor) -> Tensor:
        """x [..., T, d] -> [..., T, q_lora_rank], or x itself for a model without query latent."""
        return self.q_a_layernorm(self.q_a_proj(x)) if self.has_query_latent else x

    def queries(self, query_latent: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """-> q_nope [..., T, H, nope], q_rope [..., T, H, rope], rotated."""
        project = self.q_b_proj if self.has_query_latent else self.q_proj
        query = project(query_latent).unflatten(-1, (self.num_heads, -1))
        q_nope, q_rope = query.split((self.nope_dim, self.rope_dim), dim=-1)
        turn = rotation.over_heads()
        return q_nope, rotary_interleaved(q_rope, turn.cos, turn.sin)

    def latents(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """-> latent [..., T, kv_lora_rank], normed; rope key [..., T, rope], rotated, not normed.
        This is what the cache keeps of a token."""
        latent, k_rope = self.kv_a_proj_with_mqa(x).split((self.kv_lora_rank, self.rope_dim), -1)
        return self.kv_a_layernorm(latent), rotary_interleaved(k_rope, rotation.cos, rotation.sin)

    def forward_dense(
        self, x: Tensor, rotation: Rotation, key_positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """x [B, T, d] -> [B, T, d] and, where keys were selected, their positions
        int64 [B, T, index_topk]; expanded form, differentiable. Given `key_positions`, the indexer
        is not asked. Up to index_topk tokens every key is visible and nothing is selected."""
        query_latent = self.query_latent(x)
        query, key, value = self._expanded(x, query_latent, rotation)
        visible = None
        if self.indexer is not None and x.shape[1] > self.indexer.index_topk:
            if key_positions is None:
                key_positions = self._select_dense(x, query_latent, rotation)
            visible = _mask_of(key_positions, x.shape[1]).unsqueeze(1)
        else:
            key_positions = None
        # The fast CPU kernel wants equal head widths; zeros behind the values change nothing.
        padded = F.pad(value, (0, self.nope_dim + self.rope_dim - self.v_dim))
        attended = F.scaled_dot_product_attention(
            query, key, padded, attn_mask=visible, is_causal=visible is None, scale=self.scale
        )
        out = attended[..., : self.v_dim].transpose(1, 2).flatten(-2)
        return self.o_proj(out), key_positions

    def probe_indexer(self, x: Tensor, rotation: Rotation) -> IndexerProbe:
        """x [B, T, d], the layer's normed input; it is detached, so only the indexer learns."""
        assert self.indexer is not None
        x = x.detach()
        with torch.no_grad():
            query_latent = self.query_latent(x)
            query, key, _ = self._expanded(x, query_latent, rotation)
            logits = (query @ key.transpose(-1, -2)).float() * self.scale
            future = torch.ones(logits.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            probs = logits.masked_fill(future, -torch.inf).softmax(-1).mean(1)
        return IndexerProbe(self.indexer.scores_dense(x, query_latent, rotation), probs)

    def _expanded(
        self, x: Tensor, query_latent: Tensor, rotation: Rotation
    ) -> tuple[Tensor, Tensor, Tensor]:
        """-> query [B, H, T, nope+rope], key [B, H, T, nope+rope], value [B, H, T, v]."""
        query = torch.cat(self.queries(query_latent, rotation), dim=-1)
        latent, k_rope = self.latents(x, rotation)
        expanded = self.kv_b_proj(latent).unflatten(-1, (self.num_heads, -1))
        k_nope, value = expanded.split((self.nope_dim, self.v_dim), dim=-1)
        shared = k_rope.unsqueeze(-2).expand(*k_nope.shape[:-1], self.rope_dim)
        key = torch.cat((k_nope, shared), dim=-1)
        return query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)

    @torch.no_grad()
    def _select_dense(self, x: Tensor, query_latent: Tensor, rotation: Rotation) -> Tensor:
        assert self.indexer is not None
        scores = self.indexer.scores_dense(x, query_latent, rotation)
        selected = select_top_k(scores.flatten(0, 1), self.indexer.index_topk)
        return selected.view(*scores.shape[:2], -1)


def _mask_of(key_positions: Tensor, num_keys: int) -> Tensor:
    """int64 [..., T, k] with -1 for nothing -> bool [..., T, num_keys], true where selected."""
    mask = key_positions.new_zeros((*key_positions.shape[:-1], num_keys + 1), dtype=torch.bool)
    places = key_positions.where(key_positions >= 0, num_keys)
    return mask.scatter_(-1, places, True)[..., :num_keys]
