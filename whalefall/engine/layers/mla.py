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
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet, freeze_children
from whalefall.engine.kernels.key_group import KeyGroup
from whalefall.engine.kernels.layer_parts import AttentionParts, Product
from whalefall.engine.kernels.reference.head_linear import head_linear
from whalefall.engine.kernels.reference.select_top_k import select_top_k
from whalefall.engine.layers.attention_plan import AttentionPlan
from whalefall.engine.layers.indexer import Indexer
from whalefall.engine.layers.linear import Linear
from whalefall.engine.layers.norm import RMSNorm
from whalefall.engine.layers.rotary import Rotation, softmax_scale
from whalefall.engine.models.batch import LayerCache

_QUERY_BLOCK = 256


@dataclass(frozen=True)
class IndexerProbe:
    """What the indexer's training compares: its scores, and where attention really looks."""

    index_scores: Tensor
    """fp32 [B, T, T], -inf above the diagonal; gradients reach the indexer only."""
    attention_probs: Tensor
    """fp32 [B, T, T], the mean over heads of dense attention; no gradient."""


@dataclass(frozen=True)
class PagedPass:
    """What every layer of a paged pass needs besides the hidden states."""

    rotation: Rotation
    plan: AttentionPlan


@dataclass(frozen=True)
class KeyChoice:
    """The key sets of one layer: filled by the pass, or followed by it."""

    key_positions: Tensor
    """int64 [T, index_topk], ascending, -1 behind."""
    is_injected: bool

    def record_dense(self, group: KeyGroup) -> None:
        """Queries of a dense group see everything up to themselves."""
        if self.is_injected:
            return
        places = torch.arange(self.key_positions.shape[1])
        self.key_positions[group.rows] = places.where(places < group.counts[:, None], -1)


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
        self._kernels = REFERENCE
        self._absorbed: tuple[Product, Product] | None = None

    def freeze(self, kernels: KernelSet) -> None:
        self._kernels = kernels
        freeze_children(self, kernels)
        up_key, up_value = self._up_projections()
        prepare = kernels.prepare_head_linear
        self._absorbed = prepare(up_key.detach()), prepare(up_value.detach())

    def parts(self) -> AttentionParts:
        """For a kernel that computes a whole layer. Frozen before."""
        assert self._absorbed is not None, "the layer has not been frozen"
        has_latent = self.has_query_latent
        return AttentionParts(
            query_down=self.q_a_proj.product if has_latent else None,
            query_norm=self.q_a_layernorm.weight.data if has_latent else None,
            query_up=self.q_b_proj.product if has_latent else self.q_proj.product,
            key_value_down=self.kv_a_proj_with_mqa.product,
            key_value_norm=self.kv_a_layernorm.weight.data,
            norm_eps=self.kv_a_layernorm.eps,
            absorb_key=self._absorbed[0],
            absorb_value=self._absorbed[1],
            output=self.o_proj.product,
            indexer=None if self.indexer is None else self.indexer.parts(),
            num_heads=self.num_heads,
            nope_dim=self.nope_dim,
            rope_dim=self.rope_dim,
            v_dim=self.v_dim,
            query_rank=self.q_a_layernorm.weight.shape[0] if has_latent else 0,
            key_value_rank=self.kv_lora_rank,
            scale=self.scale,
        )

    def query_latent(self, x: Tensor) -> Tensor:
        """x [..., T, d] -> [..., T, q_lora_rank], or x itself for a model without query latent."""
        return self.q_a_layernorm(self.q_a_proj(x)) if self.has_query_latent else x

    def queries(self, query_latent: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """-> q_nope [..., T, H, nope], q_rope [..., T, H, rope], rotated."""
        project = self.q_b_proj if self.has_query_latent else self.q_proj
        query = project(query_latent).unflatten(-1, (self.num_heads, -1))
        q_nope, q_rope = query.split((self.nope_dim, self.rope_dim), dim=-1)
        turn = rotation.over_heads()
        return q_nope, self._kernels.rotary_interleaved(q_rope, turn.cos, turn.sin)

    def latents(self, x: Tensor, rotation: Rotation) -> tuple[Tensor, Tensor]:
        """-> latent [..., T, kv_lora_rank], normed; rope key [..., T, rope], rotated, not normed.
        This is what the cache keeps of a token."""
        latent, k_rope = self.kv_a_proj_with_mqa(x).split((self.kv_lora_rank, self.rope_dim), -1)
        turned = self._kernels.rotary_interleaved(k_rope, rotation.cos, rotation.sin)
        return self.kv_a_layernorm(latent), turned

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
        attended = dense_attention(query, key, value, visible, self.scale)
        return self.o_proj(attended.transpose(1, 2).flatten(-2)), key_positions

    def write_cache(
        self, x: Tensor, rotation: Rotation, slot_mapping: Tensor, cache: LayerCache
    ) -> None:
        """Store what each token leaves behind. x [P, d], of which the first T rows are tokens,
        with slot_mapping int64 [T]."""
        T = slot_mapping.shape[0]
        latent, rope_key = self.latents(x, rotation)
        _store(cache.latent, slot_mapping, latent[:T])
        _store(cache.rope_key, slot_mapping, rope_key[:T])
        if self.indexer is not None:
            assert cache.index_key is not None, "an indexer needs its keys cached"
            _store(cache.index_key, slot_mapping, self.indexer.keys(x, rotation)[:T])

    def forward_paged(
        self, x: Tensor, context: PagedPass, cache: LayerCache, choice: KeyChoice | None = None
    ) -> Tensor:
        """x [P, d] -> [P, d]: absorbed form over the cache, which holds the batch's own keys
        already. Rows from T on are padding, and zero before the output projection."""
        query_latent = self.query_latent(x)
        q_nope, q_rope = self.queries(query_latent, context.rotation)
        q_latent = self._into_latent(q_nope)
        index_queries = None
        if self.indexer is not None and context.plan.has_sparse:
            index_queries = self.indexer.queries(x, query_latent, context.rotation)
        attended = x.new_zeros(q_latent.shape, dtype=torch.float32)
        for group in context.plan.groups:
            positions = self._choose(group, index_queries, cache, choice)
            query = q_latent[group.rows], q_rope[group.rows]
            attended[group.rows] = self._attend(query, group, positions, cache)
        return self.o_proj(self._out_of_latent(attended.to(x.dtype)).flatten(-2))

    def _choose(
        self,
        group: KeyGroup,
        index_queries: tuple[Tensor, Tensor] | None,
        cache: LayerCache,
        choice: KeyChoice | None,
    ) -> Tensor | None:
        """Key positions int64 [N, index_topk] of a sparse group, None for a dense one."""
        if choice is not None and not group.is_sparse:
            choice.record_dense(group)
        if not group.is_sparse:
            return None
        if choice is not None and choice.is_injected:
            return choice.key_positions[group.rows]
        assert self.indexer is not None
        assert index_queries is not None
        assert cache.index_key is not None
        positions = self.indexer.select_paged(index_queries, group, cache.index_key)
        if choice is not None:
            choice.key_positions[group.rows] = positions
        return positions

    def _attend(
        self,
        query: tuple[Tensor, Tensor],
        group: KeyGroup,
        positions: Tensor | None,
        cache: LayerCache,
    ) -> Tensor:
        """query [N, H, R] and [N, H, rope] of the group's rows -> fp32 [N, H, R]."""
        slots, counts = group.slots, group.counts
        if positions is not None:
            slots, counts = _chosen_slots(group, positions)
        keys = cache.latent, cache.rope_key
        return self._kernels.paged_mla_attention(query, keys, slots, counts, self.scale)

    def _into_latent(self, q_nope: Tensor) -> Tensor:
        """[P, H, nope] -> [P, H, R]."""
        if self._absorbed is not None:
            return self._absorbed[0](q_nope)
        return head_linear(q_nope, self._up_projections()[0])

    def _out_of_latent(self, attended: Tensor) -> Tensor:
        """[P, H, R] -> [P, H, v]."""
        if self._absorbed is not None:
            return self._absorbed[1](attended)
        return head_linear(attended, self._up_projections()[1])

    def _up_projections(self) -> tuple[Tensor, Tensor]:
        """kv_b_proj by head: [H, R, nope], which turns a query towards latents, and [H, v, R],
        which turns a sum of latents into values."""
        per_head = self.kv_b_proj.weight.view(self.num_heads, -1, self.kv_lora_rank)
        return per_head[:, : self.nope_dim].transpose(1, 2), per_head[:, self.nope_dim :]

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


def dense_attention(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, scale: float
) -> Tensor:
    """query, key [B, H, T, D], value [B, H, T, V], visible bool [B, 1, T, T] or None for causal
    -> [B, H, T, V]."""
    if query.device.type == "cpu":
        return _attention_by_blocks(query * scale, key, value, visible)
    # The fast kernels want equal head widths; zeros behind the values change nothing.
    padded = F.pad(value, (0, query.shape[-1] - value.shape[-1]))
    attended = F.scaled_dot_product_attention(
        query, key, padded, attn_mask=visible, is_causal=visible is None, scale=scale
    )
    return attended[..., : value.shape[-1]]


def _attention_by_blocks(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None
) -> Tensor:
    """Keys behind a block of queries are never touched. Forward and backward take half to two
    thirds of the time of PyTorch's own kernel in bf16, and about as long in fp32 (docs/log.md)."""
    T = query.shape[-2]
    attended = []
    for start in range(0, T, _QUERY_BLOCK):
        end = min(start + _QUERY_BLOCK, T)
        scores = query[..., start:end, :] @ key[..., :end, :].transpose(-1, -2)
        if visible is None:
            scores[..., start:].add_(_future(end - start, scores))
        else:
            scores = scores.masked_fill(~visible[..., start:end, :end], -torch.inf)
        attended.append(scores.softmax(-1) @ value[..., :end, :])
    return torch.cat(attended, dim=-2)


def _future(n: int, like: Tensor) -> Tensor:
    """[n, n]: -inf for the keys behind each query."""
    return like.new_full((n, n), -torch.inf).triu(1)


def _store(storage: Tensor, slot_mapping: Tensor, values: Tensor) -> None:
    storage.index_copy_(0, slot_mapping, values.to(storage.dtype))


def _chosen_slots(group: KeyGroup, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Slots int64 [N, k] of the chosen positions [N, k], and how many were chosen, int64 [N].
    Absent choices repeat the row's first one."""
    is_chosen = positions >= 0
    N, G = positions.shape[0], group.slots.shape[0]
    table = group.slots if G == N else group.slots.repeat_interleave(N // G, dim=0)
    slots = table.gather(1, positions.where(is_chosen, positions[:, :1]))
    return slots, is_chosen.sum(-1)


def _mask_of(key_positions: Tensor, num_keys: int) -> Tensor:
    """int64 [..., T, k] with -1 for nothing -> bool [..., T, num_keys], true where selected."""
    mask = key_positions.new_zeros((*key_positions.shape[:-1], num_keys + 1), dtype=torch.bool)
    places = key_positions.where(key_positions >= 0, num_keys)
    return mask.scatter_(-1, places, True)[..., :num_keys]
