"""The native gate and experts against their PyTorch twins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.native import native
from whalefall.engine.kernels.kernel_set import REFERENCE
from whalefall.engine.kernels.reference.moe_gate import GateRule

V3 = GateRule(
    num_experts_per_tok=4,
    n_group=4,
    topk_group=2,
    topk_method="noaux_tc",
    scoring_func="sigmoid",
    norm_topk_prob=True,
    routed_scaling_factor=2.5,
)
RULES = [
    V3,
    replace(V3, n_group=1, topk_group=1),
    replace(V3, topk_method="greedy", scoring_func="softmax", norm_topk_prob=False),
    replace(V3, topk_method="group_limited_greedy", scoring_func="softmax", topk_group=3),
    replace(V3, n_group=16, topk_group=8),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_gate(rule: GateRule, has_bias: bool) -> None:
    bias = torch.randn(16) * 0.3 if has_bias else None
    for num_rows in (0, 1, 2, 7, 33):
        logits = torch.randn(num_rows, 16) * 2
        ids, weights, scores = native().moe_gate(logits, bias, rule, None)
        ids_twin, weights_twin, scores_twin = REFERENCE.moe_gate(logits, bias, rule, None)
        assert torch.equal(ids, ids_twin)
        assert torch.allclose(weights, weights_twin, atol=1e-6)
        assert torch.allclose(scores, scores_twin, atol=1e-6)


def test_gate_follows_given_experts_and_leaves_them_alone() -> None:
    logits, given = torch.randn(5, 16), torch.tensor([[0, 3, 9, 15]]).expand(5, 4)
    ids, weights, _ = native().moe_gate(logits, None, V3, given)
    assert torch.equal(ids, given)
    assert torch.allclose(weights, REFERENCE.moe_gate(logits, None, V3, given)[1], atol=1e-6)


def test_equal_scores_go_to_the_lowest_ids() -> None:
    ids, _, _ = native().moe_gate(torch.zeros(3, 16), None, V3, None)
    assert ids.tolist() == [[0, 1, 2, 3]] * 3


def test_gate_rows_are_independent_and_broken_logits_break_nothing_else() -> None:
    logits = torch.randn(33, 16) * 3
    together = native().moe_gate(logits, None, V3, None)
    for row in range(33):
        alone = native().moe_gate(logits[row : row + 1], None, V3, None)
        for part, whole in zip(alone, together, strict=True):
            assert torch.equal(part[0], whole[row])
    logits[3] = torch.nan
    ids, weights, _ = native().moe_gate(logits, None, V3, None)
    assert bool(((ids >= 0) & (ids < 16)).all())
    assert torch.equal(weights[4:], together[1][4:])


@pytest.mark.parametrize(("width", "inner"), [(64, 32), (40, 19)])
def test_experts(width: int, inner: int) -> None:
    weights = [(torch.randn(2 * inner, width), torch.randn(width, inner)) for _ in range(6)]
    run, twin = native().prepare_experts(weights), REFERENCE.prepare_experts(weights)
    for num_rows in (0, 1, 2, 6, 7, 33, 200):
        x = torch.randn(num_rows, width) * 0.3
        ids = torch.rand(num_rows, 6).argsort(-1)[:, :3].sort(-1).values
        shares = torch.rand(num_rows, 3)
        out = run(x, ids, shares)
        assert torch.allclose(out, twin(x, ids, shares), atol=1e-3, rtol=1e-3)
        for row in range(0, num_rows, 9):
            one = slice(row, row + 1)
            assert torch.equal(run(x[one], ids[one], shares[one]), out[one])
