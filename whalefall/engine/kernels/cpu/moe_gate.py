"""Which experts a token goes to, and with what weight, in one call."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import GateStruct, NativeLibrary
from whalefall.engine.kernels.reference.moe_gate import GateRule

EXPERTS_MAX = 1024


def moe_gate(
    library: NativeLibrary,
    logits: Tensor,
    bias: Tensor | None,
    rule: GateRule,
    expert_ids: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """logits fp32 [T, E], bias fp32 [E] -> ids int64 [T, K] ascending, weights fp32 [T, K],
    scores fp32 [T, E]. Given `expert_ids`, only the weights are computed."""
    assert logits.dtype == torch.float32
    logits = logits.contiguous()
    T, E = logits.shape
    assert 0 < E <= EXPERTS_MAX
    if bias is not None:
        assert bias.dtype == torch.float32
        assert bias.shape == (E,)
        assert bias.is_contiguous()
    K = rule.num_experts_per_tok if expert_ids is None else expert_ids.shape[1]
    ids = torch.empty((T, K), dtype=torch.int64) if expert_ids is None else expert_ids.contiguous()
    assert ids.dtype == torch.int64
    assert ids.shape == (T, K)
    weights, scores = logits.new_empty((T, K)), logits.new_empty((T, E))
    is_limited = rule.topk_method != "greedy"
    struct = GateStruct(
        logits.data_ptr(),
        0 if bias is None else bias.data_ptr(),
        ids.data_ptr(),
        weights.data_ptr(),
        scores.data_ptr(),
        T,
        E,
        K,
        rule.n_group,
        rule.topk_group if is_limited else rule.n_group,
        min(2 if rule.topk_method == "noaux_tc" else 1, E // rule.n_group),
        rule.scoring_func == "sigmoid",
        rule.norm_topk_prob,
        expert_ids is not None,
        rule.routed_scaling_factor,
    )
    library.moe_gate(struct)
    return ids, weights, scores
