"""The k best keys of each query, in an order that depends on nothing but the scores."""

from __future__ import annotations

import torch
from torch import Tensor

from whalefall.engine.kernels.cpu.library import NativeLibrary, raise_without_memory


def select_top_k(library: NativeLibrary, scores: Tensor, k: int) -> Tensor:
    """scores fp32 [T, S] -> int64 [T, k]: the positions of the k largest, ascending, -1 behind.

    Among equals the lowest positions win; -inf is a key that does not exist."""
    assert scores.dtype == torch.float32
    scores = scores.contiguous()
    T, S = scores.shape
    positions = torch.empty((T, k), dtype=torch.int64)
    raise_without_memory(library.select_top_k(scores.data_ptr(), T, S, k, positions.data_ptr()))
    return positions
