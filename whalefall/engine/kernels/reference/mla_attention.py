"""Absorbed MLA over a gathered set of keys: attention that reads latents as they are cached."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.row_padding import pad_rows

KEY_TILE = 256
"""Keys whose values are summed in one matrix product. Tiles are added in order, so trailing masked
keys change no bit of the result, however many there are."""


def mla_attention(
    query: tuple[Tensor, Tensor], keys: tuple[Tensor, Tensor], hidden: Tensor, scale: float
) -> Tensor:
    """query: latent part [G, M, R] and rope part [G, M, D]; keys: latents [G, S, R] (also the
    values) and rope keys [G, S, D]; hidden bool [G or 1, M or 1, S], true where a key must not be
    seen -> fp32 [G, M, R].

    S is a multiple of KEY_TILE. Hidden keys must be finite, and each row must see one key.
    M is queries times heads: all heads share the one key."""
    M, S = query[0].shape[1], keys[0].shape[1]
    assert S % KEY_TILE == 0
    assert S > 0
    q_latent, q_rope = (pad_rows(part.float()) for part in query)
    if hidden.shape[1] > 1:
        hidden = pad_rows(hidden)
    latent, rope_key = keys[0].float(), keys[1].float()
    scores = torch.bmm(q_latent, latent.transpose(1, 2))
    scores += torch.bmm(q_rope, rope_key.transpose(1, 2))
    probs = (scores * scale).masked_fill_(hidden, -torch.inf).softmax(-1)
    out = torch.bmm(probs[:, :, :KEY_TILE], latent[:, :KEY_TILE])
    for start in range(KEY_TILE, S, KEY_TILE):
        end = start + KEY_TILE
        out += torch.bmm(probs[:, :, start:end], latent[:, start:end])
    return out[:, :M]
