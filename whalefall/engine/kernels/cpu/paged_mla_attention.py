"""Absorbed MLA over the cache's pages, without gathering them."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import AttentionStruct, NativeLibrary

RANK_MAX = 1008
"""The widest latent that the kernel keeps sums for."""


def paged_mla_attention(
    library: NativeLibrary,
    query: tuple[Tensor, Tensor],
    cache: tuple[Tensor, Tensor],
    slots: Tensor,
    counts: Tensor,
    scale: float,
) -> Tensor:
    """query: latent part fp32 [N, H, R] and rope part [N, H, D]; cache: latents [num_slots, R] and
    rope keys [num_slots, D]; slots int64 [G, S]; counts int64 [N] -> fp32 [N, H, R].

    N / G queries each share one row of slots, of which query n sees the first counts[n] >= 1.
    Only those are read."""
    latent_query, rope_query = (part.contiguous() for part in query)
    latent, rope_key = cache
    slots, counts = slots.contiguous(), counts.contiguous()
    N, H, R = latent_query.shape
    G, S = slots.shape
    assert all(x.dtype == torch.float32 for x in (latent_query, rope_query, latent, rope_key))
    assert slots.dtype == counts.dtype == torch.int64
    assert latent.is_contiguous()
    assert rope_key.is_contiguous()
    assert latent.shape[1] == R <= RANK_MAX
    assert rope_query.shape == (N, H, rope_key.shape[1])
    assert counts.shape == (N,)
    assert G == 0 or N % G == 0
    out = latent_query.new_empty((N, H, R))
    struct = AttentionStruct(
        latent_query.data_ptr(),
        rope_query.data_ptr(),
        latent.data_ptr(),
        rope_key.data_ptr(),
        slots.data_ptr(),
        counts.data_ptr(),
        out.data_ptr(),
        G,
        N // max(G, 1),
        S,
        H,
        R,
        rope_key.shape[1],
        scale,
    )
    library.paged_mla_attention(struct)
    return out
