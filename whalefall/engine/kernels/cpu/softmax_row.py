"""What the sampler needs of a row of logits, in two readings of it."""

from __future__ import annotations

import numpy as np

from whalefall.engine.kernels.cpu.library import NativeLibrary
from whalefall.engine.kernels.reference.softmax_row import CHUNK, Floats


def softmax_row(
    library: NativeLibrary, logits: Floats, temperature: float
) -> tuple[int, Floats, Floats]:
    """logits fp32 [V], V > 0 -> the place of the largest, the first among equals (of a NaN if there
    is one); exp((logits - largest) / temperature) fp32 [V]; and its sums over chunks of CHUNK.

    At temperature 0 the last two are empty. With no finite largest they mean nothing."""
    assert logits.dtype == np.float32
    logits = np.ascontiguousarray(logits)
    (V,) = logits.shape
    assert V > 0
    is_greedy = temperature == 0.0
    weights = np.empty(0 if is_greedy else V, np.float32)
    sums = np.empty(0 if is_greedy else -(-V // CHUNK), np.float32)
    factor = 0.0 if is_greedy else 1.0 / max(temperature, 1e-6)
    addresses = (part.__array_interface__["data"][0] for part in (logits, weights, sums))
    from_address, *to_addresses = addresses
    place = library.softmax_row(from_address, V, factor, *to_addresses)
    return place, weights, sums
