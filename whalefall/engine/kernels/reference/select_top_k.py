"""The k best keys of each query, in an order that depends on nothing but the scores."""

from __future__ import annotations

import torch
from torch import Tensor


def select_top_k(scores: Tensor, k: int) -> Tensor:
    """scores [T, S] -> int64 [T, k]: the positions of the k largest, ascending, -1 behind.

    Among equals the lowest positions win. A score of -inf is a key that does not exist and is
    never selected, so a row with fewer than k real scores ends in -1."""
    T, S = scores.shape
    width = min(k, S)
    if T == 0 or width == 0:
        return scores.new_full((T, k), -1, dtype=torch.int64)
    threshold = scores.topk(width, dim=-1, sorted=True).values[:, -1:]
    chosen = (scores >= threshold) & (scores > -torch.inf)
    if int(chosen.sum(-1).max()) > width:
        chosen = _without_surplus_ties(scores, threshold, width)
    rows, columns = chosen.nonzero(as_tuple=True)
    if columns.numel() == T * k:
        return columns.view(T, k)
    selected = scores.new_full((T, k), -1, dtype=torch.int64)
    ranks = chosen.cumsum(-1)[rows, columns] - 1
    selected[rows, ranks] = columns
    return selected


def _without_surplus_ties(scores: Tensor, threshold: Tensor, k: int) -> Tensor:
    """bool [T, S]: everything above the threshold, and the first equals until there are k."""
    above = scores > threshold
    equal = (scores == threshold) & (threshold > -torch.inf)
    wanted = k - above.sum(-1, keepdim=True)
    return above | (equal & (equal.cumsum(-1) <= wanted))
