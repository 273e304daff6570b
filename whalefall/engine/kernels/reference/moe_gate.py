"""Which experts a token goes to, and with what weight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GateRule:
    """The checkpoint's routing rule, in its own words."""

    num_experts_per_tok: int
    n_group: int
    topk_group: int
    topk_method: str
    scoring_func: str
    norm_topk_prob: bool
    routed_scaling_factor: float


def moe_gate(
    logits: Tensor, bias: Tensor | None, rule: GateRule, expert_ids: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """logits fp32 [T, E], bias fp32 [E] -> ids int64 [T, K] ascending, weights fp32 [T, K],
    scores fp32 [T, E].

    The bias takes part in the choice and never in the weight. Experts of groups left out are
    barred with -inf: zero would beat a kept expert whose biased score is negative. Given
    `expert_ids`, only the weights are computed."""
    assert logits.dtype == torch.float32
    scores = logits.sigmoid() if rule.scoring_func == "sigmoid" else logits.softmax(-1)
    if expert_ids is None:
        expert_ids = _choose(scores.detach() if bias is None else scores.detach() + bias, rule)
    weights = scores.gather(1, expert_ids)
    if rule.norm_topk_prob:
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    return expert_ids, weights * rule.routed_scaling_factor, scores


def _choose(scores: Tensor, rule: GateRule) -> Tensor:
    """scores [T, E] -> [T, K] ascending; the lowest id wins among equals."""
    if rule.topk_method != "greedy" and rule.topk_group < rule.n_group:
        scores = _bar_weak_groups(scores, rule)
    best = scores.sort(dim=-1, descending=True, stable=True).indices
    return best[:, : rule.num_experts_per_tok].sort(dim=-1).values


def _bar_weak_groups(scores: Tensor, rule: GateRule) -> Tensor:
    """V3 ranks a group by its two best experts, V2 by its best one."""
    grouped = scores.view(scores.shape[0], rule.n_group, scores.shape[1] // rule.n_group)
    num_best = min(2 if rule.topk_method == "noaux_tc" else 1, grouped.shape[-1])
    strength = grouped.topk(num_best, dim=-1).values.sum(-1)
    ranked = strength.sort(dim=-1, descending=True, stable=True).indices
    barred = torch.ones_like(strength, dtype=torch.bool)
    barred.scatter_(1, ranked[:, : rule.topk_group], False)
    return grouped.masked_fill(barred.unsqueeze(-1), -torch.inf).flatten(-2)
