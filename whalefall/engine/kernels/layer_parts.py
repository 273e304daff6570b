"""A decoder layer taken apart into what its kernels need: prepared products, weights, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from whalefall.engine.kernels.reference.moe_gate import GateRule

Product = Callable[[Tensor], Tensor]
Mixture = Callable[[Tensor, Tensor, Tensor], Tensor]
"""x, expert_ids, expert_weights: `moe_experts` with the experts inside."""


@dataclass(frozen=True)
class IndexerParts:
    query: Product
    key: Product
    weights: Product
    norm_weight: Tensor
    norm_bias: Tensor
    norm_eps: float
    scale: float
    num_heads: int
    head_dim: int
    top_k: int


@dataclass(frozen=True)
class AttentionParts:
    query_down: Product | None
    """None in a model without query latent."""
    query_norm: Tensor | None
    query_up: Product
    key_value_down: Product
    key_value_norm: Tensor
    norm_eps: float
    absorb_key: Product
    absorb_value: Product
    output: Product
    indexer: IndexerParts | None
    num_heads: int
    nope_dim: int
    rope_dim: int
    v_dim: int
    query_rank: int
    key_value_rank: int
    scale: float


@dataclass(frozen=True)
class MixtureParts:
    router: Product
    bias: Tensor | None
    rule: GateRule
    num_experts: int
    experts: Mixture
    shared: Product | None


@dataclass(frozen=True)
class LayerParts:
    width: int
    norm_eps: float
    input_norm: Tensor
    post_norm: Tensor
    attention: AttentionParts
    feed_forward: Product | MixtureParts
