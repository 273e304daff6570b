"""Root-mean-square normalisation over the last dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary, rows_of


def rms_norm(library: NativeLibrary, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x fp32 [..., D], weight fp32 [D] -> fp32 [..., D]."""
    assert x.dtype == weight.dtype == torch.float32
    rows = rows_of(x)
    M, D = rows.shape
    assert weight.shape == (D,)
    assert weight.is_contiguous()
    out = rows.new_empty((M, D))
    library.rms_norm(rows.data_ptr(), rows.stride(0), weight.data_ptr(), eps, out.data_ptr(), M, D)
    return out.view(x.shape)
