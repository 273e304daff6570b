"""One matrix product per attention head, of rows that lie side by side."""

from __future__ import annotations

import torch
from torch import Tensor


def head_linear(x: Tensor, weights: Tensor) -> Tensor:
    """x [M, H, K], weights [H, N, K] -> [M, H, N]."""
    return torch.bmm(x.transpose(0, 1), weights.transpose(1, 2)).transpose(0, 1)
