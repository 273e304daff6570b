"""What the sampler needs of a row of logits. NumPy instead of torch, because single-threaded passes
over half a megabyte are faster than waking threads for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
SoftmaxRow = Callable[[Floats, float], tuple[int, Floats, Floats]]

CHUNK = 128
"""Entries per partial sum."""


def softmax_row(logits: Floats, temperature: float) -> tuple[int, Floats, Floats]:
    """logits fp32 [V] -> the place of the largest, the first among equals (of a NaN if there is
    one); exp((logits - largest) / temperature) fp32 [V]; and its sums over chunks of CHUNK.

    At temperature 0 the last two are empty. With no finite largest they mean nothing."""
    place = int(np.argmax(logits))
    if temperature == 0.0:
        return place, np.empty(0, np.float32), np.empty(0, np.float32)
    with np.errstate(invalid="ignore"):
        weights = np.subtract(logits, logits[place])
        if temperature != 1.0:
            weights *= np.float32(1.0 / max(temperature, 1e-6))
        np.exp(weights, out=weights)
    return place, weights, chunk_sums(weights)


def chunk_sums(weights: Floats) -> Floats:
    return np.add.reduceat(weights, np.arange(0, weights.shape[0], CHUNK))
