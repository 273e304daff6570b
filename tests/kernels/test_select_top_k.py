from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from whalefall.engine.kernels.reference.select_top_k import select_top_k

_SCORES = st.lists(
    st.sampled_from([-torch.inf, -2.0, -0.0, 0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=24
)


def by_sorting(scores: list[float], k: int) -> list[int]:
    """The definition, said directly: score descending, then position ascending; then sorted."""
    real = [position for position, score in enumerate(scores) if score > -torch.inf]
    best = sorted(real, key=lambda position: (-scores[position], position))[:k]
    return sorted(best) + [-1] * (k - len(best))


@settings(deadline=None)
@given(rows=st.lists(_SCORES, min_size=1, max_size=4), k=st.integers(1, 12))
def test_selects_what_sorting_selects(rows: list[list[float]], k: int) -> None:
    width = max(len(row) for row in rows)
    padded = [row + [-torch.inf] * (width - len(row)) for row in rows]
    selected = select_top_k(torch.tensor(padded), k)
    assert selected.tolist() == [by_sorting(row, k) for row in padded]


def test_lowest_positions_win_among_equals() -> None:
    assert select_top_k(torch.tensor([[1.0, 2.0, 1.0, 1.0]]), 2).tolist() == [[0, 1]]


def test_keys_that_do_not_exist_become_minus_one_not_position_zero() -> None:
    scores = torch.tensor([[-torch.inf, 5.0, -torch.inf]])
    assert select_top_k(scores, 2).tolist() == [[1, -1]]


def test_no_rows_and_no_keys_are_answered() -> None:
    assert select_top_k(torch.empty(0, 5), 3).shape == (0, 3)
    assert select_top_k(torch.empty(2, 0), 3).tolist() == [[-1] * 3] * 2
