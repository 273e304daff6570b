"""The lightning indexer's scores over the cache's pages, without gathering them."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import IndexerStruct, NativeLibrary


def paged_indexer_scores(
    library: NativeLibrary,
    query: Tensor,
    head_weights: Tensor,
    cache: Tensor,
    slots: Tensor,
    counts: Tensor,
) -> Tensor:
    """query fp32 [N, H, D], head_weights fp32 [N, H], cache fp32 [num_slots, D], slots int64
    [G, S], counts int64 [N] -> fp32 [N, S], -inf from counts[n] on.

    N / G queries each share one row of slots, of which query n sees the first counts[n]."""
    query, head_weights = query.contiguous(), head_weights.contiguous()
    slots, counts = slots.contiguous(), counts.contiguous()
    N, H, D = query.shape
    G, S = slots.shape
    assert all(x.dtype == torch.float32 for x in (query, head_weights, cache))
    assert slots.dtype == counts.dtype == torch.int64
    assert head_weights.shape == (N, H)
    assert cache.is_contiguous()
    assert cache.shape[1] == D
    assert counts.shape == (N,)
    assert G == 0 or N % G == 0
    scores = query.new_empty((N, S))
    struct = IndexerStruct(
        query.data_ptr(),
        head_weights.data_ptr(),
        cache.data_ptr(),
        slots.data_ptr(),
        counts.data_ptr(),
        scores.data_ptr(),
        G,
        N // max(G, 1),
        S,
        H,
        D,
    )
    library.paged_indexer_scores(struct)
    return scores
