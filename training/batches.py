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
    """int64 [B, T + 1]: vocabulary rows, padded at the end."""
    is_target: Tensor
    """bool [B, T + 1]: never true for padding."""

    @property
    def num_tokens(self) -> int:
        return self.rows.numel()


@dataclass(frozen=True)
class BatchPlan:
    seed: int
    window_examples: int = 1024
    batch_tokens_max: int = 2560
    example_tokens_max: int = 768
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
        position: Position | None = None,
    ) -> None:
        """`rendered(i)` gives example i."""
        self._rendered, self._vocabulary, self._plan = rendered, vocabulary, plan
        self.position = position or Position()
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
        random.Random(f"{plan.seed}/order/{window}").shuffle(groups)
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
    ids = torch.zeros(len(examples), length, dtype=torch.int64)
    is_target = torch.zeros(len(examples), length, dtype=torch.bool)
    for place, example in enumerate(examples):
        ids[place, : len(example.token_ids)] = torch.tensor(example.token_ids)
        is_target[place, : len(example.is_target)] = torch.tensor(example.is_target)
    return Batch(vocabulary.row_of_token[ids], is_target)
