"""Each token through its experts, and the weighted sum of what they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from whalefall.engine.kernels.row_padding import pad_rows


def moe_experts(
    x: Tensor,
    expert_ids: Tensor,
    expert_weights: Tensor,
    experts: Sequence[Callable[[Tensor], Tensor]],
) -> Tensor:
    """x [T, D], expert_ids int64 [T, K] ascending, expert_weights fp32 [T, K] -> fp32 [T, D].

    Rows are sorted by expert, so each expert runs once; a token's contributions are then added in
    the order of its expert ids, in fp32."""
    T, K = expert_ids.shape
    if T == 0:
        return x.new_zeros(x.shape, dtype=torch.float32)
    flat = expert_ids.reshape(-1)
    order = flat.argsort(stable=True)
    counts = flat.bincount(minlength=len(experts)).tolist()
    sorted_rows = x.index_select(0, order.div(K, rounding_mode="floor"))
    outputs = [
        expert(pad_rows(rows))[: rows.shape[0]]
        for expert, rows in zip(experts, sorted_rows.split_with_sizes(counts), strict=True)
        if rows.shape[0]
    ]
    slots = torch.cat(outputs).index_select(0, order.argsort()).view(T, K, -1)
    total = slots[:, 0].float() * expert_weights[:, 0, None]
    for slot in range(1, K):
        total = total + slots[:, slot].float() * expert_weights[:, slot, None]
    return total
