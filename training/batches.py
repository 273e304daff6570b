"""Examples in batches of one length each, in an order that only the seed and the place decide.

A window of examples is rendered, sorted by length and cut into batches of at most so many
tokens, padding included; the batches of a window come in a shuffled order. The stream's whole
state is the number of the window and the number of the batch in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.rendering import RenderedExample
from training.vocabulary import SubVocabulary


@dataclass(frozen=True)
class Batch:
    rows: Tensor
    """int64 [B, T + 1]: rows of the batch's table, padded at the end."""
    is_target: Tensor
    """bool [B, T + 1]: never true for padding."""
    rare_ids: Tensor
    """int64 [E]: the ids behind the table's last E rows."""

    @property
    def num_tokens(self) -> int:
        return self.rows.numel()

    def to(self, device: torch.device) -> Batch:
        return Batch(self.rows.to(device), self.is_target.to(device), self.rare_ids.to(device))

    def halves(self) -> list[Batch]:
        """The first and the second half of the sequences; one part if there is one sequence."""
        B = self.rows.shape[0]
        cuts = [slice(0, B // 2), slice(B // 2, B)]
        return [
            Batch(self.rows[cut], self.is_target[cut], self.rare_ids)
            for cut in cuts
            if cut.stop > cut.start
        ]


@dataclass(frozen=True)
class BatchPlan:
    window_examples: int = 1024
    batch_tokens_max: int = 4096
    example_tokens_max: int = 1024
    """Longer examples are left out."""


@dataclass
class Position:
    """Where a stream stands: the state that a checkpoint keeps."""

    window: int = 0
    batch: int = 0


class BatchStream:
    def __init__(
        self,
        rendered: Callable[[int], RenderedExample],
        vocabulary: SubVocabulary,
        plan: BatchPlan,
        seed: int,
    ) -> None:
        """`rendered(i)` gives example i."""
        self._rendered, self._vocabulary, self._plan = rendered, vocabulary, plan
        self._seed = seed
        self.position = Position()
        self._window: list[list[RenderedExample]] = []
        self._loaded_window = -1

    def next(self) -> Batch:
        if self._loaded_window != self.position.window:
            self._load()
        group = self._window[self.position.batch]
        self.position.batch += 1
        if self.position.batch == len(self._window):
            self.position = Position(self.position.window + 1, 0)
        return batch_from_examples(group, self._vocabulary)

    def _load(self) -> None:
        plan, window = self._plan, self.position.window
        first = window * plan.window_examples
        examples = [self._rendered(first + offset) for offset in range(plan.window_examples)]
        groups = grouped_by_length(examples, plan)
        random.Random(f"{self._seed}/order/{window}").shuffle(groups)
        self._window, self._loaded_window = groups, window


def grouped_by_length(
    examples: Sequence[RenderedExample], plan: BatchPlan
) -> list[list[RenderedExample]]:
    """Shortest first; each group padded to its longest stays within the plan's token limit."""
    fitting = [e for e in examples if len(e.token_ids) <= plan.example_tokens_max]
    groups: list[list[RenderedExample]] = []
    for example in sorted(fitting, key=lambda e: len(e.token_ids)):
        length = len(example.token_ids)
        if not groups or length * (len(groups[-1]) + 1) > plan.batch_tokens_max:
            groups.append([])
        groups[-1].append(example)
    return groups


def batch_from_examples(examples: Sequence[RenderedExample], vocabulary: SubVocabulary) -> Batch:
    length = max(len(example.token_ids) for example in examples)
    ids = torch.full((len(examples), length), vocabulary.token_ids[0], dtype=torch.int64)
    is_target = torch.zeros(len(examples), length, dtype=torch.bool)
    for place, example in enumerate(examples):
        ids[place, : len(example.token_ids)] = torch.tensor(example.token_ids)
        is_target[place, : len(example.is_target)] = torch.tensor(example.is_target)
    is_target &= ~(vocabulary.is_rare(ids) & is_first(ids))
    rows, rare_ids = vocabulary.rows(ids)
    return Batch(rows, is_target, rare_ids)


def is_first(ids: Tensor) -> Tensor:
    """int64 [B, T] -> bool [B, T]: whether a sequence has this id here for the first time. Such a
    rare token cannot be copied, so nobody can be asked to say it."""
    order = ids.argsort(dim=1, stable=True)
    ordered = ids.gather(1, order)
    is_new = torch.ones_like(ordered, dtype=torch.bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return torch.zeros_like(is_new).scatter_(1, order, is_new)
