"""From logits to tokens: masks, penalties, temperature, nucleus, noise, log probabilities.

Each row is computed alone and its noise is counted by (seed, position), so a request gets the same
tokens by itself, in a batch, or after a preemption. The vocabulary is large (129,280 entries): a
row is read a few times, never sorted as pairs. NumPy instead of torch, because single-threaded
passes over half a megabyte are faster than waking threads for them, most of all on a busy machine.
This module must not know blocks, steps or grammars: an allowed-mask arrives as plain booleans."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kernels.reference.softmax_row import (
    CHUNK,
    Floats,
    SoftmaxRow,
    chunk_sums,
    softmax_row,
)
from whalefall.engine.request import SamplingParams, TokenLogprobs

MAX_TOP_LOGPROBS = 20
LOGPROB_FLOOR = -9999.0
"""The wire's number for a probability that is zero or too small to name."""
_NUCLEUS_THRESHOLDS = (1e-3, 3e-5, 1e-6)
"""Shares of the mass that are tried as the least weight in a nucleus before all are sorted."""

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SamplingRow:
    """What one row of logits is sampled with."""

    params: SamplingParams
    seed: int
    position: int
    """Index of the token to be sampled in its sequence, the prompt counted."""
    output_counts: Mapping[int, int] = field(default_factory=dict)
    """How often each output token occurred so far; needed with a penalty only."""
    allowed: Mask | None = None
    """[V], False where a grammar forbids the token."""


@dataclass(frozen=True, slots=True)
class SampledToken:
    token_id: int
    logprobs: TokenLogprobs | None = None


def check_sampling_params(params: SamplingParams) -> None:
    """Raise EngineRejectedError for knobs outside what the sampler can honour."""
    if params.max_tokens < 1:
        raise EngineRejectedError(f"max_tokens must be at least 1, is {params.max_tokens}")
    if not 0.0 <= params.temperature <= 100.0:
        raise EngineRejectedError(f"temperature must be 0 to 100, is {params.temperature}")
    if not 0.0 < params.top_p <= 1.0:
        raise EngineRejectedError(f"top_p must be above 0 and at most 1, is {params.top_p}")
    for name in ("frequency_penalty", "presence_penalty"):
        if not abs(getattr(params, name)) <= 100.0:
            raise EngineRejectedError(f"{name} must be -100 to 100, is {getattr(params, name)}")
    if params.logprobs is not None and not 0 <= params.logprobs <= MAX_TOP_LOGPROBS:
        raise EngineRejectedError(f"logprobs must be 0 to {MAX_TOP_LOGPROBS}")


def has_penalty(params: SamplingParams) -> bool:
    return params.frequency_penalty != 0.0 or params.presence_penalty != 0.0


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments: 53 bits of BLAKE2b."""
    counter = (seed % 2**64).to_bytes(8, "little") + position.to_bytes(8, "little")
    digest = hashlib.blake2b(counter, digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 11) * 2.0**-53


def sample(logits: Floats, row: SamplingRow, softmax_row: SoftmaxRow = softmax_row) -> SampledToken:
    """Choose the token that follows, given its logits [V].

    Temperature 0 takes the largest logit, the lowest id among equals. Otherwise the token is drawn
    from softmax(adjusted / temperature), cut to the smallest set that holds top_p of it.
    Raises EngineRejectedError when the row has no finite maximum."""
    adjusted = _adjusted(logits, row)
    best, weights, sums = softmax_row(adjusted, row.params.temperature)
    maximum = float(adjusted[best])
    if maximum == -math.inf:
        raise EngineRejectedError("the grammar allows no further token")
    if not math.isfinite(maximum):
        raise EngineRejectedError(f"the model's logits are not finite: the largest is {maximum}")
    token_id = best if row.params.temperature == 0.0 else _draw(weights, sums, row)
    num_top = row.params.logprobs
    return SampledToken(token_id, None if num_top is None else _logprobs(logits, token_id, num_top))


def _adjusted(logits: Floats, row: SamplingRow) -> Floats:
    """Penalties, then the mask, on a copy; without either the logits themselves.

    Penalties are OpenAI's: logit -= count * frequency_penalty + (count > 0) * presence_penalty."""
    is_penalised = bool(row.output_counts) and has_penalty(row.params)
    if not is_penalised and row.allowed is None:
        return logits
    adjusted = logits.copy()
    if is_penalised:
        token_ids = np.fromiter(row.output_counts.keys(), np.int64)
        counts = np.fromiter(row.output_counts.values(), np.float32)
        adjusted[token_ids] -= counts * np.float32(row.params.frequency_penalty) + np.float32(
            row.params.presence_penalty
        )
    if row.allowed is not None:
        adjusted = np.where(row.allowed, adjusted, np.float32(-np.inf))
    return adjusted


def _draw(weights: Floats, sums: Floats, row: SamplingRow) -> int:
    """weights [V] and their sums over chunks, as `softmax_row` gives them."""
    if row.params.top_p < 1.0:
        _cut_to_nucleus(weights, row.params.top_p)
        sums = chunk_sums(weights)
    return _invert(weights, np.cumsum(sums, dtype=np.float64), uniform(row.seed, row.position))


def _invert(weights: Floats, ends: Doubles, noise: float) -> int:
    """The token at `noise` of the cumulative distribution, in order of ids. One of weight zero is
    never chosen: should rounding lead past the end, it is the last one that has a weight."""
    place = _find(weights, ends, noise * ends[-1], "right")
    if place < weights.shape[0] and weights[place] > 0.0:
        return place
    return int(np.flatnonzero(weights)[-1])


def _find(weights: Floats, ends: Doubles, target: float, side: Literal["left", "right"]) -> int:
    """Where the cumulative weight reaches ("left") or exceeds ("right") the target: first in which
    chunk, then where inside it; the length of the row if nowhere."""
    chunk = int(np.searchsorted(ends, target, side=side))
    before = 0.0 if chunk == 0 else ends[chunk - 1]
    start = chunk * CHUNK
    inside = np.cumsum(weights[start : start + CHUNK], dtype=np.float64)
    return start + int(np.searchsorted(inside, target - before, side=side))


def _chunk_ends(weights: Floats) -> Doubles:
    """The cumulative weight at the end of each chunk; the last is the sum of all."""
    return np.cumsum(chunk_sums(weights), dtype=np.float64)


def _cut_to_nucleus(weights: Floats, top_p: float) -> None:
    """Zero all weights but the largest that together hold top_p; among equals at the border the
    lowest ids stay.

    All weights above a threshold form the beginning of the sorted order, so when they hold top_p
    already, nothing below them needs sorting."""
    wanted = float(_chunk_ends(weights)[-1]) * top_p
    candidates = weights
    for threshold in _NUCLEUS_THRESHOLDS:
        likely = weights[weights >= np.float32(threshold * wanted)]
        if likely.sum(dtype=np.float64) >= wanted:
            candidates = likely
            break
    descending = np.ascontiguousarray(np.sort(candidates)[::-1])
    place = _find(descending, _chunk_ends(descending), wanted, "left")
    num_kept = min(place + 1, descending.shape[0])
    border = descending[num_kept - 1]
    num_above = int(np.count_nonzero(descending > border))
    at_border = np.flatnonzero(weights == border)
    np.multiply(weights, weights >= border, out=weights)
    weights[at_border[num_kept - num_above :]] = 0.0


def _logprobs(logits: Floats, token_id: int, num_top: int) -> TokenLogprobs:
    """Log softmax of the raw logits [V], before masks, penalties and temperature. Alternatives
    come likeliest first, the lowest id among equals."""
    best, _, sums = softmax_row(logits, 1.0)
    logsumexp = float(logits[best]) + math.log(np.sum(sums, dtype=np.float64))
    likely = _largest(logits, num_top)
    values = np.maximum(logits[likely].astype(np.float64) - logsumexp, LOGPROB_FLOOR)
    top = list(zip(likely.tolist(), values.tolist(), strict=True))
    return TokenLogprobs(token_id, max(float(logits[token_id]) - logsumexp, LOGPROB_FLOOR), top)


def _largest(logits: Floats, count: int) -> NDArray[np.intp]:
    """Ids of the `count` largest logits. The count-th largest chunk maximum bounds them from below,
    so only few are sorted."""
    if count == 0:
        return np.empty(0, np.intp)
    maxima = np.maximum.reduceat(logits, np.arange(0, logits.shape[0], CHUNK))
    bound = -np.inf if count > maxima.shape[0] else np.partition(maxima, -count)[-count]
    likely = np.flatnonzero(logits >= bound)
    return likely[np.argsort(-logits[likely], kind="stable")[:count]]
