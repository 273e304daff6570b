"""From a scheduled step to tensors, through the model, to the logits of the rows that sample.

It owns the model and its cache storage. It must not know why a token is computed, what is done
with the logits, or how blocks are handed out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from whalefall.engine.config import BLOCK_SIZE, EngineConfig
from whalefall.engine.kernels.reference.softmax_row import Floats
from whalefall.engine.models.batch import ForwardBatch, PagedCache, SequenceSlice
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.scheduler import ScheduledRequest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class ModelRunner:
    def __init__(self, model: DeepseekV32ForCausalLM, config: EngineConfig) -> None:
        self._model = model
        self._vocab_size = model.config.vocab_size
        self._cache = PagedCache.allocate(model.config, config.num_blocks, DTYPES[config.dtype])

    @property
    def cache(self) -> PagedCache:
        return self._cache

    def run(self, step: Sequence[ScheduledRequest]) -> Floats:
        """Compute and cache the step's tokens: fp32 logits [requests that sample, V]."""
        batch = forward_batch(step)
        last_rows = [
            part.query_start + part.query_len - 1
            for part, scheduled in zip(batch.sequences, step, strict=True)
            if scheduled.does_sample
        ]
        with torch.inference_mode():
            hidden = self._model(batch, self._cache)  # [T, d]
            if not last_rows:
                return np.empty((0, self._vocab_size), np.float32)
            if len(last_rows) < hidden.shape[0]:
                hidden = hidden[last_rows]
            return self._model.compute_logits(hidden).numpy()


def forward_batch(step: Sequence[ScheduledRequest]) -> ForwardBatch:
    """The tensors of a step, sequence after sequence in the order of the step.

    Gathered in lists and made into tensors once: a decode step has many sequences of one token."""
    token_ids: list[int] = []
    positions: list[int] = []
    slots: list[int] = []
    blocks: list[int] = []
    shapes: list[tuple[int, int, int, int]] = []  # query_start, query_len, context_len, blocks
    for scheduled in step:
        state, start = scheduled.state, scheduled.state.num_computed_tokens
        end = start + scheduled.num_tokens
        table = state.sequence.block_table[: -(-end // BLOCK_SIZE)]
        shapes.append((len(token_ids), scheduled.num_tokens, start, len(table)))
        token_ids += state.token_ids[start:end]
        positions += range(start, end)
        slots += _slots(table, start, end)
        blocks += table
    tables = _tensor(blocks).split_with_sizes([num_blocks for *_, num_blocks in shapes])
    return ForwardBatch(
        token_ids=_tensor(token_ids),
        positions=_tensor(positions),
        slot_mapping=_tensor(slots),
        sequences=tuple(
            SequenceSlice(query_start, query_len, context_len, block_table)
            for (query_start, query_len, context_len, _), block_table in zip(
                shapes, tables, strict=True
            )
        ),
    )


def _tensor(values: list[int]) -> torch.Tensor:
    """int64 [n]; by way of NumPy, which reads a list several times faster than torch."""
    return torch.from_numpy(np.array(values, dtype=np.int64))


def _slots(table: list[int], start: int, end: int) -> list[int]:
    if end - start == 1:
        return [table[start // BLOCK_SIZE] * BLOCK_SIZE + start % BLOCK_SIZE]
    places = np.arange(start, end)
    slots: list[int] = (
        np.array(table)[places // BLOCK_SIZE] * BLOCK_SIZE + places % BLOCK_SIZE
    ).tolist()
    return slots
