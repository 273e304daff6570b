"""Root-mean-square normalisation over the last dimension, in plain PyTorch."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x [..., D] any float dtype, weight [D] -> [..., D] in x's dtype.

    x / sqrt(mean(x^2) + eps) in fp32, cast back, then multiplied by the weight: the checkpoint's
    own order."""
    return F.rms_norm(x.float(), (x.shape[-1],), None, eps).to(x.dtype) * weight
