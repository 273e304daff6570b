"""Which queries of a batch look at which cache slots: worked out once per pass, used by each layer.

Queries are gathered into groups of one shape. Whether a query sees every key or asks the indexer
follows from its position alone, and its keys always come in position order, so what a token
computes does not depend on how the prompt was cut or on what runs beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.engine.config import BLOCK_SIZE
from whalefall.engine.kernels.reference.mla_attention import KEY_TILE
from whalefall.engine.models.batch import ForwardBatch, SequenceSlice

_QUERY_TILE = 64
"""Queries of one prompt that share a gather of keys."""
_GATHERED_KEYS_MAX = 32768
"""Keys in one group over all its sequences: bounds the memory of a gather."""


@dataclass(frozen=True)
class KeyGroup:
    """G sequences with Q queries each, over S key slots."""

    rows: Tensor
    """int64 [G * Q]: rows of the batch, sequence after sequence."""
    slots: Tensor
    """int64 [G, S]: cache slot of each position; past the end, a slot that the query itself filled,
    so that what is read there is finite."""
    hidden: Tensor
    """bool [G, Q, S]: keys after the query, and padding."""
    is_sparse: bool
    """Every query sees more than index_topk keys, so the indexer chooses."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """G, Q, S."""
        G, Q, S = self.hidden.shape
        return G, Q, S


@dataclass(frozen=True)
class _Query:
    """A decode: one row of the batch and what it may look at."""

    row: int
    position: int
    sequence: SequenceSlice


@dataclass(frozen=True)
class AttentionPlan:
    groups: tuple[KeyGroup, ...]

    @property
    def has_sparse(self) -> bool:
        return any(group.is_sparse for group in self.groups)


def plan_attention(batch: ForwardBatch, index_topk: int | None) -> AttentionPlan:
    """index_topk None: nobody asks an indexer."""
    groups: list[KeyGroup] = []
    singles: dict[tuple[bool, int], list[_Query]] = {}
    for sequence in batch.sequences:
        if sequence.query_len == 1:
            query = _Query(sequence.query_start, sequence.context_len, sequence)
            is_sparse = index_topk is not None and query.position >= index_topk
            key = (is_sparse, _padded(query.position + 1))
            singles.setdefault(key, []).append(query)
        else:
            groups += _prompt_groups(sequence, index_topk)
    for (is_sparse, num_slots), queries in singles.items():
        step = max(1, _GATHERED_KEYS_MAX // num_slots)
        for start in range(0, len(queries), step):
            groups.append(_decode_group(queries[start : start + step], num_slots, is_sparse))
    return AttentionPlan(tuple(groups))


def slots_of(block_table: Tensor, num_tokens: int) -> Tensor:
    """Cache slots of a sequence's first tokens: int64 [num_tokens]."""
    num_blocks = -(-num_tokens // BLOCK_SIZE)
    first = block_table[:num_blocks, None] * BLOCK_SIZE
    return (first + torch.arange(BLOCK_SIZE)).view(-1)[:num_tokens]


def _prompt_groups(sequence: SequenceSlice, index_topk: int | None) -> list[KeyGroup]:
    start, end = sequence.context_len, sequence.context_len + sequence.query_len
    slots = slots_of(sequence.block_table, end)
    border = end if index_topk is None else min(max(index_topk, start), end)
    tiles = [(first, border, False) for first in range(start, border, _QUERY_TILE)]
    tiles += [(first, end, True) for first in range(border, end, _QUERY_TILE)]
    groups = []
    for first, limit, is_sparse in tiles:
        positions = torch.arange(first, min(first + _QUERY_TILE, limit))
        last = int(positions[-1])
        keys = _pad_slots(slots[: last + 1], _padded(last + 1))
        hidden = torch.arange(keys.shape[0]) > positions[:, None]
        rows = positions - start + sequence.query_start
        groups.append(KeyGroup(rows, keys[None], hidden[None], is_sparse))
    return groups


def _decode_group(queries: list[_Query], num_slots: int, is_sparse: bool) -> KeyGroup:
    slots = [
        _pad_slots(slots_of(query.sequence.block_table, query.position + 1), num_slots)
        for query in queries
    ]
    positions = torch.tensor([query.position for query in queries])
    hidden = torch.arange(num_slots) > positions[:, None, None]
    rows = torch.tensor([query.row for query in queries])
    return KeyGroup(rows, torch.stack(slots), hidden, is_sparse)


def _padded(num_keys: int) -> int:
    return -(-num_keys // KEY_TILE) * KEY_TILE


def _pad_slots(slots: Tensor, size: int) -> Tensor:
    """Repeat the last slot: it belongs to a query of this pass and was just written."""
    return torch.cat((slots, slots[-1:].expand(size - slots.shape[0])))
