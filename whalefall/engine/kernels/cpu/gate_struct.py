"""The routing rule as the native gate reads it."""

from __future__ import annotations

from torch import Tensor

from whalefall.engine.kernels.cpu.library import GateStruct
from whalefall.engine.kernels.reference.moe_gate import GateRule

EXPERTS_MAX = 1024


def gate_struct(rule: GateRule, bias: Tensor | None, num_experts: int) -> GateStruct:
    """Without rows or results; `bias` must outlive it."""
    assert 0 < num_experts <= EXPERTS_MAX
    is_limited = rule.topk_method != "greedy"
    return GateStruct(
        bias=0 if bias is None else bias.data_ptr(),
        num_experts=num_experts,
        num_chosen=rule.num_experts_per_tok,
        num_groups=rule.n_group,
        num_kept_groups=rule.topk_group if is_limited else rule.n_group,
        num_best=min(2 if rule.topk_method == "noaux_tc" else 1, num_experts // rule.n_group),
        is_sigmoid=rule.scoring_func == "sigmoid",
        is_normed=rule.norm_topk_prob,
        factor=rule.routed_scaling_factor,
    )
