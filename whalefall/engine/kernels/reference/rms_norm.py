"""Root-mean-square normalisation over the last dimension, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x [..., D] any float dtype, weight [D] -> [..., D] in x's dtype.

    Normalised in fp32, cast back, then multiplied by the weight: the checkpoint's own order."""
    wide = x.float()
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (wide * scale).to(x.dtype) * weight
