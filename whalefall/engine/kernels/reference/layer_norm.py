"""Layer normalisation over the last dimension, with weight and bias, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """x fp32 [..., D], weight and bias fp32 [D] -> fp32 [..., D]."""
    return F.layer_norm(x, weight.shape, weight, bias, eps)
