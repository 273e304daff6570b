"""The trained part of the vocabulary stands for the whole of it."""

from __future__ import annotations

import pytest
import torch

from training.vocabulary import SubVocabulary


def test_used_ids_have_rows_of_their_own_and_others_share_row_zero() -> None:
    vocabulary = SubVocabulary((7, 3), full_size=10)
    assert vocabulary.rows([7, 3, 0, 9]).tolist() == [1, 2, 0, 0]
    assert (vocabulary.num_rows, vocabulary.num_unused) == (3, 8)


def test_expanding_gives_the_trained_probabilities() -> None:
    vocabulary = SubVocabulary((7, 3), full_size=10)
    rows = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    hidden = torch.randn(4, generator=torch.Generator().manual_seed(2))
    trained = (rows @ hidden + vocabulary.logit_offset).softmax(-1)
    served = (vocabulary.expand(rows) @ hidden).softmax(-1)
    assert torch.allclose(served[7], trained[1])
    assert torch.allclose(served[3], trained[2])
    others = [i for i in range(10) if i not in (3, 7)]
    assert torch.allclose(served[others].sum(), trained[0])


def test_extending_keeps_the_rows_of_known_ids() -> None:
    vocabulary = SubVocabulary((7, 3), full_size=10).extended([9, 3, 1])
    assert vocabulary.token_ids == (7, 3, 1, 9)


def test_repeated_or_too_large_ids_are_refused() -> None:
    with pytest.raises(AssertionError):
        SubVocabulary((1, 1), full_size=4)
    with pytest.raises(AssertionError):
        SubVocabulary((4,), full_size=4)
