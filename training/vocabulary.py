"""The part of the model's vocabulary that is trained.

Of 129,280 ids only those that occur in the training data get rows of their own. All the others
share row 0: as an output class it carries the mass of every unused id at once (its logit is
raised by the logarithm of their number), as an input it stands for "a token never seen". At
export row 0 is written to each unused id, and the probabilities stay exactly the trained ones.

It must not know what any token means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

SHARED_ROW = 0


@dataclass(frozen=True)
class SubVocabulary:
    token_ids: tuple[int, ...]
    """Row r + 1 belongs to token_ids[r]; the order is kept when rows are added."""
    full_size: int

    def __post_init__(self) -> None:
        assert len(set(self.token_ids)) == len(self.token_ids), "a token id occurs twice"
        assert all(0 <= i < self.full_size for i in self.token_ids), "a token id is too large"

    @property
    def num_rows(self) -> int:
        return len(self.token_ids) + 1

    @property
    def num_unused(self) -> int:
        return self.full_size - len(self.token_ids)

    @cached_property
    def row_of_token(self) -> Tensor:
        """int64 [full_size]: the row of each id, SHARED_ROW for unused ones."""
        rows = torch.zeros(self.full_size, dtype=torch.int64)
        rows[torch.tensor(self.token_ids, dtype=torch.int64)] = torch.arange(1, self.num_rows)
        return rows

    @property
    def logit_offset(self) -> Tensor:
        """fp32 [num_rows]: log of the number of ids that a row stands for."""
        offset = torch.zeros(self.num_rows)
        offset[SHARED_ROW] = math.log(max(self.num_unused, 1))
        return offset

    def rows(self, token_ids: Sequence[int]) -> Tensor:
        """int64 [T]."""
        return self.row_of_token[torch.tensor(token_ids, dtype=torch.int64)]

    def extended(self, token_ids: Iterable[int]) -> SubVocabulary:
        """With rows for further ids appended in ascending order; known ones keep theirs."""
        new = sorted(set(token_ids) - set(self.token_ids))
        return SubVocabulary(self.token_ids + tuple(new), self.full_size)

    def expand(self, rows: Tensor) -> Tensor:
        """[num_rows, d] -> [full_size, d], as the checkpoint holds it."""
        assert rows.shape[0] == self.num_rows, (rows.shape, self.num_rows)
        return rows[self.row_of_token]
