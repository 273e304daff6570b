"""A linear map without bias. Its parameter is named and shaped as in the checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whalefall.engine.kernels.kernel_set import KernelSet
from whalefall.engine.kernels.layer_parts import Product


class Linear(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self._product: Product | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features]."""
        return F.linear(x, self.weight) if self._product is None else self._product(x)

    def freeze(self, kernels: KernelSet) -> None:
        """Prepare the weight, which must not change any more."""
        self._product = kernels.prepare_linear(self.weight.data)

    @property
    def product(self) -> Product:
        """As it was prepared."""
        assert self._product is not None, "the layer has not been frozen"
        return self._product


class Float32Linear(Linear):
    """Computed in fp32 whatever the model runs in: its output decides a discrete choice."""

    def forward(self, x: Tensor) -> Tensor:
        if self._product is None:
            return F.linear(x.float(), self.weight.float())
        return self._product(x.float())

    def freeze(self, kernels: KernelSet) -> None:
        self._product = kernels.prepare_linear(self.weight.data.float())
