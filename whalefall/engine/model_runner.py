"""From a scheduled step to tensors, through the model, to the logits of the rows that sample.

It owns the model and its cache storage. It must not know why a token is computed, what is done
with the logits, or how blocks are handed out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from whalefall.engine.config import BLOCK_SIZE, EngineConfig
from whalefall.engine.models.batch import ForwardBatch, PagedCache, SequenceSlice
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.sampler import Floats
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
    """The tensors of a step, sequence after sequence in the order of the step."""
    token_ids: list[int] = []
    positions: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    slots: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    sequences: list[SequenceSlice] = []
    for scheduled in step:
        state, num_tokens = scheduled.state, scheduled.num_tokens
        start = state.num_computed_tokens
        places = np.arange(start, start + num_tokens)
        num_blocks = -(-(start + num_tokens) // BLOCK_SIZE)
        table = np.array(state.sequence.block_table[:num_blocks], dtype=np.int64)
        sequences.append(SequenceSlice(len(token_ids), num_tokens, start, torch.from_numpy(table)))
        token_ids.extend(state.token_ids[start : start + num_tokens])
        positions.append(places)
        slots.append(table[places // BLOCK_SIZE] * BLOCK_SIZE + places % BLOCK_SIZE)
    return ForwardBatch(
        token_ids=torch.tensor(token_ids, dtype=torch.int64),
        positions=torch.from_numpy(np.concatenate(positions)),
        slot_mapping=torch.from_numpy(np.concatenate(slots)),
        sequences=tuple(sequences),
    )
