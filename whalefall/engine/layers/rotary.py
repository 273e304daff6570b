"""Angles of the rotary embedding, plain or YaRN, and the softmax scale that YaRN changes.

Formulas: YaRN (Peng et al. 2023), with DeepSeek's reading of `mscale` and `mscale_all_dim`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.config import ModelConfig, RopeConfig


@dataclass(frozen=True)
class Rotation:
    """Cosines and sines at the tokens of a pass: fp32 [..., T, D/2]."""

    cos: Tensor
    sin: Tensor

    def over_heads(self) -> Rotation:
        """Shaped to turn [..., T, H, D]."""
        return Rotation(self.cos.unsqueeze(-2), self.sin.unsqueeze(-2))


class RotaryTable:
    """Cosines and sines of every position, computed once in fp64 and kept in fp32.

    Not a module: a change of the model's dtype must not round it."""

    def __init__(self, config: ModelConfig) -> None:
        frequencies = inverse_frequencies(config.rope, config.qk_rope_head_dim)
        positions = torch.arange(config.max_position_embeddings, dtype=torch.float64, device="cpu")
        angles = torch.outer(positions, frequencies)
        factor = attention_factor(config.rope)
        self.cos = (angles.cos() * factor).float()
        self.sin = (angles.sin() * factor).float()

    def at(self, positions: Tensor) -> Rotation:
        """positions int64 [...] below max_position_embeddings."""
        return Rotation(self.cos[positions], self.sin[positions])


def inverse_frequencies(rope: RopeConfig, dim: int) -> Tensor:
    """fp64 [dim / 2]. YaRN divides the slow frequencies by `factor`, keeps the fast ones, and
    blends in between, bounded by how often a frequency turns within the original context."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") / dim
    plain = rope.rope_theta**-exponents
    if not rope.is_yarn:
        return plain
    low = max(math.floor(_correction_dim(rope, dim, rope.beta_fast)), 0)
    high = min(math.ceil(_correction_dim(rope, dim, rope.beta_slow)), dim - 1)
    span = max(high - low, 0.001)
    ramp = ((torch.arange(dim // 2, dtype=torch.float64, device="cpu") - low) / span).clamp(0, 1)
    return plain / rope.factor * ramp + plain * (1 - ramp)


def _correction_dim(rope: RopeConfig, dim: int, turns: float) -> float:
    """The pair index whose frequency makes `turns` full turns over the original context."""
    original = rope.original_max_position_embeddings
    return dim * math.log(original / (2 * math.pi * turns)) / (2 * math.log(rope.rope_theta))


def yarn_mscale(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1.0 if factor > 1 else 1.0


def attention_factor(rope: RopeConfig) -> float:
    """What cosines and sines are multiplied by: 1 when both mscale keys are given and equal."""
    if not rope.is_yarn:
        return 1.0
    if rope.attention_factor is not None:
        return rope.attention_factor
    if rope.mscale and rope.mscale_all_dim:
        return yarn_mscale(rope.factor, rope.mscale) / yarn_mscale(rope.factor, rope.mscale_all_dim)
    return yarn_mscale(rope.factor, 1.0)


def softmax_scale(config: ModelConfig) -> float:
    """qk_head_dim^-0.5, times the square of YaRN's m when mscale_all_dim is set."""
    scale = config.qk_head_dim**-0.5
    if config.rope.is_yarn and config.rope.mscale_all_dim:
        scale *= yarn_mscale(config.rope.factor, config.rope.mscale_all_dim) ** 2
    return scale
