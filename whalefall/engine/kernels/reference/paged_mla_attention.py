"""Absorbed MLA over the cache's pages: gather what the queries see, then attend."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.reference.mla_attention import KEY_TILE, mla_attention


def paged_mla_attention(
    query: tuple[Tensor, Tensor],
    cache: tuple[Tensor, Tensor],
    slots: Tensor,
    counts: Tensor,
    scale: float,
) -> Tensor:
    """query: latent part [N, H, R] and rope part [N, H, D]; cache: latents [num_slots, R] and rope
    keys [num_slots, D]; slots int64 [G, S]; counts int64 [N] -> fp32 [N, H, R].

    N / G queries each share one row of slots, of which query n sees the first counts[n] >= 1. All
    slots named must be finite."""
    N, H, R = query[0].shape
    G, S = slots.shape
    padding = slots[:, :1].expand(G, -S % KEY_TILE)
    padded = torch.cat((slots, padding), dim=1)
    hidden = torch.arange(padded.shape[1]) >= counts.view(G, -1, 1)
    keys = [part.index_select(0, padded.flatten()).view(G, -1, part.shape[1]) for part in cache]
    shaped = query[0].reshape(G, -1, R), query[1].reshape(G, -1, query[1].shape[-1])
    per_head = hidden.repeat_interleave(H, dim=1)
    return mla_attention(shaped, (keys[0], keys[1]), per_head, scale).reshape(N, H, R)
