"""The lightning indexer's scores over the cache's pages: gather what is seen, then score."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.reference.indexer_scores import indexer_scores


def paged_indexer_scores(
    query: Tensor, head_weights: Tensor, cache: Tensor, slots: Tensor, counts: Tensor
) -> Tensor:
    """query [N, H, D], head_weights fp32 [N, H], cache [num_slots, D], slots int64 [G, S], counts
    int64 [N] -> fp32 [N, S], -inf from counts[n] on.

    N / G queries each share one row of slots, of which query n sees the first counts[n]. All slots
    named must be finite."""
    N, H, D = query.shape
    G, S = slots.shape
    keys = cache.index_select(0, slots.flatten()).view(G, S, D)
    scores = indexer_scores(query.view(G, -1, H, D), keys, head_weights.view(G, -1, H))
    return scores.view(N, S).masked_fill(torch.arange(S) >= counts[:, None], -torch.inf)
