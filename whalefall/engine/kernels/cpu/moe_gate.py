"""Which experts a token goes to, and with what weight, in one call."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.gate_struct import gate_struct
from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.reference.moe_gate import GateRule


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
    if bias is not None:
        assert bias.dtype == torch.float32
        assert bias.shape == (E,)
        assert bias.is_contiguous()
    K = rule.num_experts_per_tok if expert_ids is None else expert_ids.shape[1]
    ids = torch.empty((T, K), dtype=torch.int64) if expert_ids is None else expert_ids.contiguous()
    assert ids.dtype == torch.int64
    assert ids.shape == (T, K)
    weights, scores = logits.new_empty((T, K)), logits.new_empty((T, E))
    struct = gate_struct(rule, bias, E)
    struct.logits = logits.data_ptr()
    struct.expert_ids = ids.data_ptr()
    struct.weights = weights.data_ptr()
    struct.scores = scores.data_ptr()
    struct.num_rows, struct.num_chosen = T, K
    struct.is_given = expert_ids is not None
    library.moe_gate(struct)
    return ids, weights, scores
