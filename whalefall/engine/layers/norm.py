"""The two normalisations of the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps
        self._kernels = REFERENCE

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., dim], same dtype."""
        return self._kernels.rms_norm(x, self.weight, self.eps)

    def freeze(self, kernels: KernelSet) -> None:
        self._kernels = kernels


class LayerNorm(nn.Module):
    """With mean and bias, always in fp32: the indexer's keys decide a discrete choice."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.eps = eps
        self._kernels = REFERENCE

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] any dtype -> [..., dim] fp32."""
        weight, bias = self.weight.float(), self.bias.float()
        return self._kernels.layer_norm(x.float(), weight, bias, self.eps)

    def freeze(self, kernels: KernelSet) -> None:
        self._kernels = kernels
