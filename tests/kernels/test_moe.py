from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from whalefall.engine.kernels.reference.moe_experts import moe_experts
from whalefall.engine.kernels.reference.moe_gate import GateRule, moe_gate

V3_RULE = GateRule(
    num_experts_per_tok=2,
    n_group=2,
    topk_group=1,
    topk_method="noaux_tc",
    scoring_func="sigmoid",
    norm_topk_prob=True,
    routed_scaling_factor=2.5,
)


def logits_of(*probabilities: float) -> Tensor:
    return torch.logit(torch.tensor([probabilities], dtype=torch.float32))


def test_bias_chooses_and_does_not_weigh() -> None:
    bias = torch.tensor([0.0, 0.0, 0.0, 0.5])
    rule = replace(V3_RULE, n_group=1)
    ids, weights, _ = moe_gate(logits_of(0.9, 0.8, 0.7, 0.6), bias, rule)
    assert ids.tolist() == [[0, 3]]
    assert weights[0].tolist() == pytest.approx([2.5 * 0.9 / 1.5, 2.5 * 0.6 / 1.5], rel=1e-5)


def test_best_group_is_the_one_with_the_best_two() -> None:
    ids, _, _ = moe_gate(logits_of(0.9, 0.1, 0.6, 0.5), torch.zeros(4), V3_RULE)
    assert ids.tolist() == [[2, 3]]


def test_barred_experts_lose_even_to_negative_scores() -> None:
    """With a mask of zeros the other group's experts would win."""
    bias = torch.tensor([-1.0, -1.0, -2.0, -2.0])
    ids, _, _ = moe_gate(logits_of(0.3, 0.2, 0.4, 0.4), bias, V3_RULE)
    assert ids.tolist() == [[0, 1]]


def test_v2_ranks_groups_by_their_best_expert_and_leaves_weights_alone() -> None:
    rule = replace(
        V3_RULE,
        topk_method="group_limited_greedy",
        scoring_func="softmax",
        norm_topk_prob=False,
        routed_scaling_factor=16.0,
    )
    logits = torch.tensor([[0.1, 3.0, 2.0, 2.0]])
    ids, weights, scores = moe_gate(logits, None, rule)
    assert ids.tolist() == [[0, 1]]
    assert torch.equal(weights, scores[:, :2] * 16)
    assert float(scores.sum()) == pytest.approx(1.0)
    greedy, _, _ = moe_gate(logits, None, replace(rule, topk_method="greedy"))
    assert greedy.tolist() == [[1, 2]]


def test_equal_scores_go_to_the_lowest_ids() -> None:
    ids, _, _ = moe_gate(torch.zeros(1, 4), torch.zeros(4), replace(V3_RULE, n_group=1))
    assert ids.tolist() == [[0, 1]]


def test_given_experts_are_only_weighed() -> None:
    given = torch.tensor([[1, 3]])
    ids, weights, _ = moe_gate(logits_of(0.9, 0.8, 0.7, 0.6), torch.zeros(4), V3_RULE, given)
    assert ids is given
    assert weights[0].tolist() == pytest.approx([2.5 * 0.8 / 1.4, 2.5 * 0.6 / 1.4], rel=1e-5)


def test_gradient_reaches_the_logits_through_the_weights() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    _, weights, _ = moe_gate(logits, torch.zeros(4), V3_RULE)
    (gradient,) = torch.autograd.grad(weights[:, 0].sum(), logits)
    assert float(gradient.abs().sum()) > 0


def matrices(num_experts: int, dim: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(dim, dim, generator=generator) for _ in range(num_experts)]


def experts_of(weights: list[Tensor]) -> list[Callable[[Tensor], Tensor]]:
    return [partial(torch.nn.functional.linear, weight=weight) for weight in weights]


def test_each_token_gets_the_weighted_sum_of_its_experts() -> None:
    weights = matrices(num_experts=5, dim=16)
    x = torch.randn(21, 16)
    ids = torch.stack([torch.randperm(5)[:3].sort().values for _ in range(21)])
    gains = torch.rand(21, 3)
    with torch.no_grad():
        total = moe_experts(x, ids, gains, experts_of(weights))
    for row in range(21):
        slots = zip(ids[row].tolist(), gains[row].tolist(), strict=True)
        expected = torch.stack([gain * (weights[e] @ x[row]) for e, gain in slots]).sum(0)
        assert torch.allclose(total[row], expected, atol=1e-4)


def test_a_row_has_the_same_bits_in_any_company() -> None:
    experts = experts_of(matrices(num_experts=4, dim=64))
    x = torch.randn(40, 64)
    ids = torch.stack([torch.randperm(4)[:2].sort().values for _ in range(40)])
    gains = torch.rand(40, 2)
    with torch.no_grad():
        together = moe_experts(x, ids, gains, experts)
        for start, end in ((0, 1), (3, 4), (5, 18), (7, 40)):
            some = moe_experts(x[start:end], ids[start:end], gains[start:end], experts)
            assert torch.equal(some, together[start:end])


def test_no_tokens_are_no_work() -> None:
    empty = torch.empty(0, 2, dtype=torch.int64)
    assert moe_experts(torch.empty(0, 8), empty, torch.empty(0, 2), []).shape == (0, 8)
