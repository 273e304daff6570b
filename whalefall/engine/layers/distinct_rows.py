"""A head whose rows repeat, computed once per distinct row.

A small model with DeepSeek's vocabulary has trained rows for some thousands of its 129,280 tokens
and one common row for the others; then most of the head's products are the same product."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.kernels.layer_parts import Product

_SHARE_MAX = 0.75
"""With more distinct rows than this share of all, looking them up is not worth it."""
_CHUNK = 8192


@dataclass(frozen=True)
class DistinctRows:
    weight: Tensor
    """[U, d]: each distinct row once."""
    row_of: Tensor
    """int64 [N]: where each row of the whole weight is found."""

    def spread(self, product: Product) -> Product:
        """From the product with the distinct rows, the one with all: [M, d] -> [M, N]."""
        return lambda x: product(x).index_select(-1, self.row_of)


def distinct_rows(weight: Tensor) -> DistinctRows | None:
    """weight [N, d] -> its distinct rows, or None when too few repeat."""
    codes = torch.cat([_row_codes(part) for part in _chunks(weight)])
    different, row_of = torch.unique(codes, return_inverse=True)
    N, U = weight.shape[0], different.shape[0]
    if U > _SHARE_MAX * N:
        return None
    first = torch.full((U,), N).scatter_reduce_(0, row_of, torch.arange(N), "amin")
    rows = DistinctRows(weight[first].contiguous(), row_of)
    return rows if _is_exact(rows, weight) else None


def _chunks(x: Tensor) -> list[Tensor]:
    return [x[start : start + _CHUNK] for start in range(0, x.shape[0], _CHUNK)]


def _row_codes(part: Tensor) -> Tensor:
    """int64 [n]: equal for equal rows, and hardly ever for others."""
    bits = part.contiguous().view(torch.int32 if part.element_size() == 4 else torch.int16).long()
    factors = torch.randint(-(2**62), 2**62, (1, bits.shape[1]), generator=_generator()) | 1
    return (bits * factors).sum(-1)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0x5EED)


def _is_exact(rows: DistinctRows, weight: Tensor) -> bool:
    parts = zip(_chunks(weight), _chunks(rows.row_of), strict=True)
    return all(torch.equal(part, rows.weight[places]) for part, places in parts)
