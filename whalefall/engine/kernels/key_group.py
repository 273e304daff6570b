"""Which cache slots a group of queries looks at."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeyGroup:
    """N queries, the same number from each of G sequences, over S key slots of each."""

    rows: Tensor
    """int64 [N]: rows of the batch, sequence after sequence."""
    slots: Tensor
    """int64 [G, S]: cache slot of each position; past the end, the first one again, so that what is
    read there is finite."""
    counts: Tensor
    """int64 [N]: how many of them a query sees, itself included: the first ones."""
    is_sparse: bool
    """Every query sees more than index_topk keys, so the indexer chooses."""
