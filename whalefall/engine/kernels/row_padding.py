"""How many rows a matrix product must have for each row's bits to be its own.

Small products take other paths through the CPU's libraries: with torch 2.13 a row of an fp32
product changes when there are up to three rows, or when a thread is left with so few. With a
multiple of eight rows (four for each of two threads) it came out the same whatever was beside it
in every shape tried, on AVX2 and AVX-512 machines, fp32 and bf16, with one and two threads."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

ROW_MULTIPLE = 8


def pad_rows(x: Tensor, multiple: int = ROW_MULTIPLE) -> Tensor:
    """[..., M, d] -> the same with zero rows behind, up to a multiple of rows."""
    missing = -x.shape[-2] % multiple
    return F.pad(x, (0, 0, 0, missing)) if missing else x


def pad_ids(x: Tensor, multiple: int = ROW_MULTIPLE) -> Tensor:
    """[M] -> the same with zeros behind, up to a multiple of rows."""
    missing = -x.shape[0] % multiple
    return F.pad(x, (0, missing)) if missing else x
