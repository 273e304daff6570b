"""down(silu(gate(x)) * up(x)): the feed-forward block, and each expert."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def gated_mlp(x: Tensor, gate_up: Tensor, down: Tensor) -> Tensor:
    """x [..., D]; gate_up [2 * I, D], gate's rows before up's; down [D, I] -> [..., D]."""
    gate, up = F.linear(x, gate_up).chunk(2, dim=-1)
    return F.linear(F.silu(gate) * up, down)
