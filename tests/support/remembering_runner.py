"""A model that is nothing but its memory: the logits of a place depend on every token before it, as
read back from the cache blocks. A wrong block, a stale one or one of someone else's changes the
output, so tests of the engine's bookkeeping need no real model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from whalefall.engine.kernels.reference.softmax_row import Floats
from whalefall.engine.request import EngineRequest
from whalefall.engine.scheduler import ScheduledRequest

VOCAB_SIZE = 50


def logits_after(token_ids: Sequence[int], vocab_size: int = VOCAB_SIZE) -> Floats:
    digest = hashlib.sha256(repr(list(token_ids)).encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    return (rng.standard_normal(vocab_size) * 2).astype(np.float32)


def greedy_continuation(request: EngineRequest) -> list[int]:
    """What a greedy request without stop tokens must answer."""
    tokens = list(request.prompt_token_ids)
    for _ in range(request.sampling_params.max_tokens):
        tokens.append(int(logits_after(tokens).argmax()))
    return tokens[len(request.prompt_token_ids) :]


class RememberingRunner:
    """`num_computed_tokens` counts the work; a prompt starting with `poison` fails its step."""

    def __init__(self, num_blocks: int, block_size: int, vocab_size: int = VOCAB_SIZE) -> None:
        self._memory = np.full((num_blocks, block_size), -1)
        self._vocab_size = vocab_size
        self.num_computed_tokens = 0
        self.batch_sizes: list[int] = []
        self.poison: int | None = None

    def run(self, step: Sequence[ScheduledRequest]) -> Floats:
        if any(scheduled.state.token_ids[0] == self.poison for scheduled in step):
            raise RuntimeError("poisoned")
        self.batch_sizes.append(len(step))
        rows = []
        for scheduled in step:
            state, block_size = scheduled.state, self._memory.shape[1]
            end = state.num_computed_tokens + scheduled.num_tokens
            table = state.sequence.block_table
            for place in range(state.num_computed_tokens, end):
                block_id = table[place // block_size]
                self._memory[block_id, place % block_size] = state.token_ids[place]
            self.num_computed_tokens += scheduled.num_tokens
            if scheduled.does_sample:
                remembered = self._memory[table].flatten()[:end]
                rows.append(logits_after(remembered.tolist(), self._vocab_size))
        return np.stack(rows) if rows else np.empty((0, self._vocab_size), np.float32)
