"""A start that can already look back: two kinds of heads are written into the first two layers.

A small model spends most of a short training in finding out that the token after an earlier
occurrence of this one is a good guess (induction heads, Olsson et al. 2022). Their circuit is
known, so it is written down here and training only has to learn when to use it:

- layer 0, head 0 attends one token back, by the rotation alone, and copies that token's letters
  into a part of the residual that nothing else uses yet;
- layer 1, heads 0 and 1 look for a place whose previous token is the present one, and copy the
  letters that stand there to where the tied head reads them.

What makes a look-back possible without content is a constant part of every embedding row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM

_TURNS = 8
"""The fastest rotations tell neighbours apart; the slow ones would only add to all scores."""
_WRITTEN_BACK = 1.6
_WRITTEN_AHEAD = 8.0
_LOOK_BACK_SHARPNESS = 1.0
_MATCH_SHARPNESS = 1.6
"""How much the scores of what is looked for stand out; more would leave no gradient."""


@dataclass(frozen=True)
class Subspaces:
    """Orthonormal rows that share no direction."""

    constant: Tensor
    """[d]: what all embedding rows have in common."""
    asked: Tensor
    """[m, d]: by which part of a token's letters it is found."""
    previous: Tensor
    """[m, d]: where the previous token's part of that is kept."""
    copied: Tensor
    """[d - 2 m - 1, d]: the letters that are copied ahead."""


def subspaces(constant: Tensor, width: int, seed: int) -> Subspaces:
    """constant [d], of any length but zero."""
    d = constant.shape[0]
    basis = torch.randn(d, d, generator=torch.Generator().manual_seed(seed))
    basis[:, 0] = constant
    rows = torch.linalg.qr(basis).Q.T
    sign = torch.sign(rows[0] @ constant)
    cuts = (width, width, d - 1 - 2 * width)
    asked, previous, copied = rows[1:].split(cuts)
    return Subspaces(rows[0] * sign, asked, previous, copied)


@torch.no_grad()
def write_induction(model: DeepseekV32ForCausalLM, constant: Tensor, seed: int) -> None:
    """constant [d]: the part that all embedding rows share. Layers are otherwise as initialised;
    their output projections are expected to be zero."""
    config = model.config
    width = min(config.qk_nope_head_dim, config.v_head_dim, config.hidden_size // 4)
    spaces = subspaces(constant, width, seed)
    _write_look_back(model, spaces, width)
    _write_match(model, spaces, width)


def _write_look_back(model: DeepseekV32ForCausalLM, spaces: Subspaces, width: int) -> None:
    config, attention = model.config, model.decoder_layers[0].self_attn
    nope, R = config.qk_nope_head_dim, config.kv_lora_rank
    angles = model.rotary.at(torch.tensor([1]))
    attention.q_a_proj.weight[0] = spaces.constant
    for turn in range(min(_TURNS, config.qk_rope_head_dim // 2)):
        cos, sin = float(angles.cos[0, turn]), float(angles.sin[0, turn])
        attention.kv_a_proj_with_mqa.weight[R + 2 * turn] = spaces.constant
        attention.kv_a_proj_with_mqa.weight[R + 2 * turn + 1] = 0.0
        attention.q_b_proj.weight[nope + 2 * turn, 0] = _LOOK_BACK_SHARPNESS * cos
        attention.q_b_proj.weight[nope + 2 * turn + 1, 0] = -_LOOK_BACK_SHARPNESS * sin
    attention.kv_a_proj_with_mqa.weight[:width] = spaces.asked
    attention.kv_b_proj.weight[nope : nope + width, :width] = torch.eye(width)
    attention.o_proj.weight[:, :width] = _WRITTEN_BACK * spaces.previous.T


def _write_match(model: DeepseekV32ForCausalLM, spaces: Subspaces, width: int) -> None:
    config, attention = model.config, model.decoder_layers[1].self_attn
    nope, v, head = config.qk_nope_head_dim, config.v_head_dim, config.qk_head_dim
    attention.q_a_proj.weight[:width] = spaces.asked
    attention.kv_a_proj_with_mqa.weight[:width] = spaces.previous
    match = _MATCH_SHARPNESS * torch.eye(width)
    num_heads = min(2, config.num_attention_heads)
    for index, copied in enumerate(torch.split(spaces.copied, width)[:num_heads]):
        count = min(copied.shape[0], config.kv_lora_rank - (index + 1) * width)
        latent = slice((index + 1) * width, (index + 1) * width + count)
        row = index * (nope + v)
        attention.kv_a_proj_with_mqa.weight[latent] = copied[:count]
        attention.q_b_proj.weight[index * head : index * head + width, :width] = match
        attention.kv_b_proj.weight[row : row + width, :width] = torch.eye(width)
        attention.kv_b_proj.weight[row + nope : row + nope + count, latent] = torch.eye(count)
        attention.o_proj.weight[:, index * v : index * v + count] = (
            _WRITTEN_AHEAD * copied[:count].T
        )
