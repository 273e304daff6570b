"""How fast each native kernel is, and its PyTorch twin beside it.

    python -m bench.kernels

Shapes of the embedded model: one row and sixteen for decoding, 512 for prefill. One JSON line per
kernel and size, in microseconds of processor time of this thread, the fastest of many calls; the
two take turns, so both meet the same neighbours. One thread."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whalefall.engine.kernels.choice import choose_kernels
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet
from whalefall.engine.kernels.reference.fp8_dequantize import fp8_dequantize
from whalefall.engine.kernels.reference.fp8_quantize import fp8_quantize
from whalefall.engine.kernels.row_padding import pad_rows

Call = Callable[[], object]
Case = tuple[str, Callable[[KernelSet], Call]]

VOCAB_SIZE, WIDTH, INNER, NUM_EXPERTS = 129_280, 256, 128, 8
HEADS, RANK, ROPE, NOPE = 4, 192, 32, 64
CONTEXT, TOP_K = 4096, 512
ROUNDS = 30


def weight(*shape: int) -> Tensor:
    """As a checkpoint holds it: e4m3 with power-of-two scales."""
    rows = torch.randn(shape) * 0.02
    return fp8_dequantize(*fp8_quantize(rows, (128, 128), power_of_two=True), (128, 128))


def product_cases(num_rows: int) -> Iterator[Case]:
    head, square = weight(VOCAB_SIZE, WIDTH), weight(WIDTH, WIDTH)
    gate_up, down = weight(2 * INNER, WIDTH), weight(WIDTH, INNER)
    heads = torch.stack([weight(RANK, NOPE) for _ in range(HEADS)])
    x, queries = torch.randn(num_rows, WIDTH), torch.randn(num_rows, HEADS, NOPE)
    ids = torch.rand(num_rows, NUM_EXPERTS).argsort(-1)[:, :2].sort(-1).values
    shares = torch.rand(num_rows, 2)

    def rows_for(kernels: KernelSet, rows: Tensor) -> Tensor:
        return pad_rows(rows, kernels.row_multiple)

    def linear(kernels: KernelSet, matrix: Tensor) -> Call:
        product, rows = kernels.prepare_linear(matrix), rows_for(kernels, x)
        return lambda: product(rows)

    def mlp(kernels: KernelSet) -> Call:
        product, rows = kernels.prepare_mlp(gate_up, down), rows_for(kernels, x)
        return lambda: product(rows)

    def experts(kernels: KernelSet) -> Call:
        mixture = kernels.prepare_experts([(gate_up, down)] * NUM_EXPERTS)
        return lambda: mixture(x, ids, shares)

    def head_linear(kernels: KernelSet) -> Call:
        product = kernels.prepare_head_linear(heads)
        return lambda: product(queries)

    if num_rows < 100:
        yield "head", lambda kernels: linear(kernels, head)
    yield "linear 256 to 256", lambda kernels: linear(kernels, square)
    yield "head_linear", head_linear
    yield "gated_mlp", mlp
    yield "moe_experts", experts
    norm = torch.ones(WIDTH)
    yield "rms_norm", lambda kernels: lambda: kernels.rms_norm(x, norm, 1e-6)


def page_cases(num_rows: int) -> Iterator[Case]:
    cache = torch.randn(CONTEXT, RANK), torch.randn(CONTEXT, ROPE)
    index_cache = torch.randn(CONTEXT, 64)
    query = torch.randn(num_rows, HEADS, RANK), torch.randn(num_rows, HEADS, ROPE)
    index_query, head_weights = torch.randn(num_rows, 4, 64), torch.rand(num_rows, 4)
    chosen = torch.rand(num_rows, CONTEXT).argsort(-1)[:, :TOP_K].sort(-1).values
    counts, all_slots = torch.full((num_rows,), TOP_K), torch.arange(CONTEXT)[None]
    all_counts, scores = torch.full((num_rows,), CONTEXT), torch.randn(num_rows, CONTEXT)
    yield (
        f"paged_mla_attention, {TOP_K} chosen keys",
        lambda kernels: lambda: kernels.paged_mla_attention(query, cache, chosen, counts, 0.1),
    )
    yield (
        f"paged_indexer_scores, {CONTEXT} keys",
        lambda kernels: (
            lambda: kernels.paged_indexer_scores(
                index_query, head_weights, index_cache, all_slots, all_counts
            )
        ),
    )
    yield (
        f"select_top_k, {TOP_K} of {CONTEXT}",
        lambda kernels: lambda: kernels.select_top_k(scores, TOP_K),
    )


def sampling_cases() -> Iterator[Case]:
    row = np.random.default_rng(0).normal(0, 3, VOCAB_SIZE).astype(np.float32)
    yield "softmax_row", lambda kernels: lambda: kernels.softmax_row(row, 0.7)


def measure(name: str, num_rows: int, calls: list[Call]) -> None:
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for index, call in enumerate(calls):
            begun = time.thread_time()
            call()
            best[index] = min(best[index], time.thread_time() - begun)
    native, twin = (round(seconds * 1e6, 1) for seconds in best)
    print(json.dumps({"kernel": name, "rows": num_rows, "native_us": native, "twin_us": twin}))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.gettempdir()) / f"whalefall-bench-kernels-{os.getuid()}"
    native = choose_kernels(folder, torch.float32)
    for num_rows in (1, 16, 512):
        cases = [*product_cases(num_rows)]
        if num_rows < 100:
            cases += page_cases(num_rows)
        for name, make in cases:
            measure(name, num_rows, [make(native), make(REFERENCE)])
    for name, make in sampling_cases():
        measure(name, 1, [make(native), make(REFERENCE)])


if __name__ == "__main__":
    main()
