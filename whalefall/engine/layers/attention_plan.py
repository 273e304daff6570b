"""Which queries of a batch look at which cache slots: worked out once per pass, used by each layer.

Queries are gathered into groups of one shape. Whether a query sees every key or asks the indexer
follows from its position alone, and its keys always come in position order, so what a token
computes does not depend on how the prompt was cut or on what runs beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whalefall.engine.config import BLOCK_SIZE
from whalefall.engine.kernels.key_group import KeyGroup
from whalefall.engine.kernels.reference.mla_attention import KEY_TILE
from whalefall.engine.models.batch import ForwardBatch, SequenceSlice

_QUERY_TILE = 64
"""Queries of one prompt that share a gather of keys."""
_GATHERED_KEYS_MAX = 32768
"""Keys in one group over all its sequences: bounds the memory of a gather."""


@dataclass(frozen=True)
class AttentionPlan:
    groups: tuple[KeyGroup, ...]

    @property
    def has_sparse(self) -> bool:
        return any(group.is_sparse for group in self.groups)


def plan_attention(
    batch: ForwardBatch, index_topk: int | None, *, is_ragged: bool = False
) -> AttentionPlan:
    """index_topk None: nobody asks an indexer. Unless `is_ragged`, decodes are grouped by length:
    kernels that gather keys compute as many for each as the longest one has."""
    groups: list[KeyGroup] = []
    decodes: dict[tuple[bool, int], list[SequenceSlice]] = {}
    for sequence in batch.sequences:
        if sequence.query_len == 1:
            is_sparse = index_topk is not None and sequence.context_len >= index_topk
            num_tiles = 0 if is_ragged else sequence.context_len // KEY_TILE
            decodes.setdefault((is_sparse, num_tiles), []).append(sequence)
        else:
            groups += _prompt_groups(sequence, index_topk)
    for (is_sparse, num_tiles), sequences in decodes.items():
        gathered = (num_tiles + 1) * KEY_TILE
        step = len(sequences) if is_ragged else max(1, _GATHERED_KEYS_MAX // gathered)
        for start in range(0, len(sequences), step):
            groups.append(_decode_group(sequences[start : start + step], is_sparse))
    return AttentionPlan(tuple(groups))


def slots_of(block_table: Tensor, num_tokens: int) -> Tensor:
    """Cache slots of a sequence's first tokens: int64 [..., B] -> int64 [..., num_tokens]."""
    first = block_table.unsqueeze(-1) * BLOCK_SIZE
    return (first + torch.arange(BLOCK_SIZE)).flatten(-2)[..., :num_tokens]


def _prompt_groups(sequence: SequenceSlice, index_topk: int | None) -> list[KeyGroup]:
    start, end = sequence.context_len, sequence.context_len + sequence.query_len
    slots = slots_of(sequence.block_table, end)
    border = end if index_topk is None else min(max(index_topk, start), end)
    tiles = [(first, border, False) for first in range(start, border, _QUERY_TILE)]
    tiles += [(first, end, True) for first in range(border, end, _QUERY_TILE)]
    groups = []
    for first, limit, is_sparse in tiles:
        positions = torch.arange(first, min(first + _QUERY_TILE, limit))
        counts = positions + 1
        rows = positions - start + sequence.query_start
        groups.append(KeyGroup(rows, slots[None, : int(counts[-1])], counts, is_sparse))
    return groups


def _decode_group(sequences: list[SequenceSlice], is_sparse: bool) -> KeyGroup:
    counts = torch.tensor([sequence.context_len + 1 for sequence in sequences])
    rows = torch.tensor([sequence.query_start for sequence in sequences])
    num_slots = int(counts.max())
    tables = pad_sequence([sequence.block_table for sequence in sequences], batch_first=True)
    slots = slots_of(tables, num_slots)
    if len(sequences) > 1:
        slots = slots.where(torch.arange(num_slots) < counts[:, None], slots[:, :1])
    return KeyGroup(rows, slots, counts, is_sparse)
