"""A linear map without bias. Its parameter is named and shaped as in the checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features]."""
        return F.linear(x, self.weight)


class Float32Linear(Linear):
    """Computed in fp32 whatever the model runs in: its output decides a discrete choice."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.float(), self.weight.float())
