"""Rows for 129,280 ids: trained ones for the ids that the training data uses often, and computed
ones for all the others.

A rare id's row is the common row of its form plus a fixed random direction for its letters. The
common row says "a rare word, capitalised, behind a blank", the direction says which; nothing of it
is learnt by heart, so what the model learns about rare ids holds for all of them: how to copy one,
in the same or in another form, and not to say one unasked. Trained rows start from such rows.

As output classes, the rare ids of one form that a batch does not hold are one class. Its mass has a
closed form: for directions from N(0, I/d), the mean of exp(scale * h . direction) is
exp(scale^2 |h|^2 / 2d).

It must not know what any token means."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from training.token_forms import NUM_FORMS, TokenForms

_SCALE = 14.0
"""How far a rare row is from the common one. Rows are about as long as what a layer adds to them:
with short rows the letters drown in the first layer's output, and nothing is ever copied. Fixed:
while nothing is copied yet the directions are noise, and a trained scale falls to zero for good."""
_CONSTANT_LENGTH = 6.0
_FORM_STD = 0.1
_DIGITS_LENGTH = 7.0
"""Half of a direction: what a number is made of can be read from its row, and the row still tells
it from its neighbours."""


@dataclass(frozen=True)
class SubVocabulary:
    token_ids: tuple[int, ...]
    """Row NUM_FORMS + r belongs to token_ids[r]; the rows before are the forms' common ones."""
    full_size: int

    def __post_init__(self) -> None:
        assert len(set(self.token_ids)) == len(self.token_ids), "a token id occurs twice"
        assert all(0 <= i < self.full_size for i in self.token_ids), "a token id is too large"

    @property
    def num_rows(self) -> int:
        return NUM_FORMS + len(self.token_ids)

    @cached_property
    def row_of_token(self) -> Tensor:
        """int64 [full_size]: the row of each id, -1 for rare ones."""
        rows = torch.full((self.full_size,), -1)
        rows[torch.tensor(self.token_ids, dtype=torch.int64)] = torch.arange(
            NUM_FORMS, self.num_rows
        )
        return rows

    def is_rare(self, token_ids: Tensor) -> Tensor:
        return self.row_of_token[token_ids] < 0

    def rows(self, token_ids: Tensor) -> tuple[Tensor, Tensor]:
        """int64 [...] -> rows int64 [...] and the rare ids int64 [E] among them, ascending: the
        k-th of those has row num_rows + k in the table that `RareRows.table` makes of them."""
        rows = self.row_of_token[token_ids]
        rare_ids, places = torch.unique(token_ids[rows < 0], return_inverse=True)
        rows[rows < 0] = self.num_rows + places
        return rows, rare_ids

    def token_id(self, row: int, rare_ids: Tensor) -> int:
        """The id of a row of the table. Common rows have none."""
        assert row >= NUM_FORMS
        is_rare = row >= self.num_rows
        return int(rare_ids[row - self.num_rows]) if is_rare else self.token_ids[row - NUM_FORMS]

    def extended(self, token_ids: Iterable[int]) -> SubVocabulary:
        """With rows for further ids appended in ascending order; known ones keep theirs."""
        new = sorted(set(token_ids) - set(self.token_ids))
        return SubVocabulary(self.token_ids + tuple(new), self.full_size)


@dataclass(frozen=True)
class Classes:
    """The rows that a batch's targets are told from: those in the batch, and a sample that stands
    for all the others. Ten thousand columns would cost more than the rest of the model."""

    rows: Tensor
    """int64 [C], ascending; the forms' common rows come first."""
    log_weights: Tensor
    """fp32 [C]: of how many rows a sampled one is the only one drawn."""

    def place_of(self, rows: Tensor) -> Tensor:
        return torch.searchsorted(self.rows, rows)


def sampled_classes(used_rows: Tensor, num_own_rows: int, num_sampled: int) -> Classes:
    """used_rows int64 [...]: all rows of a batch; the sample follows from them alone."""
    always = torch.arange(NUM_FORMS, device=used_rows.device)
    present = torch.unique(torch.cat((always, used_rows.flatten())))
    is_absent = torch.ones(num_own_rows, dtype=torch.bool, device=used_rows.device)
    is_absent[present[present < num_own_rows]] = False
    absent = is_absent.nonzero().squeeze(1)
    generator = torch.Generator().manual_seed(int(used_rows.sum()))
    order = torch.randperm(absent.shape[0], generator=generator).to(absent.device)
    sampled = absent[order[:num_sampled]]
    weights = used_rows.new_zeros(int(present.max()) + 1 + num_own_rows, dtype=torch.float32)
    weights[sampled] = math.log(max(absent.shape[0], 1) / max(sampled.shape[0], 1))
    rows = torch.cat((present, sampled)).sort().values
    return Classes(rows, weights[rows])


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


class RareRows(nn.Module):
    directions: Tensor
    """fp32 [full_size, d], of length 1."""
    form_of_token: Tensor
    num_rare_of_form: Tensor

    def __init__(self, vocabulary: SubVocabulary, forms: TokenForms, dim: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        num_words = int(forms.word_of_token.max()) + 1
        constant = unit(torch.randn(dim, generator=generator))
        by_word = torch.randn(num_words, dim, generator=generator)
        by_word = unit(by_word - (by_word @ constant).unsqueeze(-1) * constant)
        is_rare = vocabulary.row_of_token < 0
        counts = forms.form_of_token[is_rare].bincount(minlength=NUM_FORMS)
        self._digits_of_token = forms.digits_of_token
        self._direction_of_digit = torch.randn(3, 11, dim, generator=generator)
        self._direction_of_digit[:, 10] = 0.0  # which -1, no digit, finds
        self.constant = _CONSTANT_LENGTH * constant
        """[d]: what all rows have in common to begin with; at right angles to every direction."""
        self.register_buffer("directions", by_word[forms.word_of_token], persistent=False)
        self.register_buffer("form_of_token", forms.form_of_token, persistent=False)
        self.register_buffer("num_rare_of_form", counts, persistent=False)
        self._vocabulary = vocabulary

    @torch.no_grad()
    def initialize(self, trained: Tensor) -> None:
        """trained [num_rows, d], filled: common rows near the constant one, own rows as the rare
        ones that they would be."""
        generator = torch.Generator().manual_seed(trained.shape[0])
        trained[:NUM_FORMS].normal_(0.0, _FORM_STD, generator=generator)
        trained[:NUM_FORMS] += self.constant
        own = torch.tensor(self._vocabulary.token_ids, dtype=torch.int64)
        trained[NUM_FORMS:] = self.rare(trained, own)
        self.write_digits(trained)

    @torch.no_grad()
    def write_digits(self, trained: Tensor) -> None:
        """Add to the numbers' own rows a direction for each digit at its place. Sums are learnt
        from digits; found in a hundred unrelated rows they take many times as long."""
        if self._digits_of_token is None:
            return
        digits = self._digits_of_token[torch.tensor(self._vocabulary.token_ids)]
        rows = self._direction_of_digit[torch.arange(3), digits].sum(1)
        trained[NUM_FORMS:] += _DIGITS_LENGTH * nn.functional.normalize(rows, dim=-1)

    def rare(self, trained: Tensor, token_ids: Tensor) -> Tensor:
        """[E] -> [E, d]: computed rows, whether or not the ids have rows of their own."""
        return trained[self.form_of_token[token_ids]] + _SCALE * self.directions[token_ids]

    def table(self, trained: Tensor, rare_ids: Tensor) -> Tensor:
        """trained [num_rows, d], rare_ids int64 [E] -> [num_rows + E, d]."""
        return torch.cat((trained, self.rare(trained, rare_ids)))

    def used_table(
        self, trained: Tensor, rare_ids: Tensor, classes: Classes
    ) -> tuple[Tensor, Tensor]:
        """Only the rows of `table` that the classes are, [C, d], and the rare ids among them: the
        gradient of a table of ten thousand rows would cost more than a layer."""
        is_own = classes.rows < trained.shape[0]
        used_ids = rare_ids[classes.rows[~is_own] - trained.shape[0]]
        return torch.cat((trained[classes.rows[is_own]], self.rare(trained, used_ids))), used_ids

    def logits(
        self, hidden: Tensor, table: Tensor, rare_ids: Tensor, classes: Classes | None = None
    ) -> Tensor:
        """hidden [N, d] and the table of these rare ids, or the rows of it that the classes are
        -> fp32 [N, C], one column for each row. A form's common row stands for all its rare ids
        that are not in the table."""
        logits = nn.functional.linear(hidden, table).float()
        if classes is not None:
            logits = logits + classes.log_weights
        present = self.form_of_token[rare_ids].bincount(minlength=NUM_FORMS)
        absent = (self.num_rare_of_form - present).clamp(min=1).log()
        spread = (_SCALE**2 / (2 * hidden.shape[-1])) * hidden.float().square().sum(-1)
        masses = logits[:, :NUM_FORMS] + spread.unsqueeze(-1) + absent
        return torch.cat((masses, logits[:, NUM_FORMS:]), dim=-1)

    @torch.no_grad()
    def full_table(self, trained: Tensor) -> Tensor:
        """[num_rows, d] -> [full_size, d], as the checkpoint holds it."""
        full = self.rare(trained, torch.arange(self._vocabulary.full_size))
        own = torch.tensor(self._vocabulary.token_ids, dtype=torch.int64)
        full[own] = trained[NUM_FORMS:]
        return full
