"""How fast the engine is, and how much of a step is not the model.

    python -m bench.engine [--threads N] [--model DIR]

Random weights in the shape of the embedded model unless a checkpoint is named. One JSON line per
measure: decode at several batch sizes and prefill at several lengths with the core in this
process, then streams through the engine's own process and socket. Of many steps the fastest and
the median are given: other work on the machine only ever adds. Processor time is given beside
wall time, for it takes less notice of that work. Run it with OMP_WAIT_POLICY=PASSIVE,
as the engine's process does, to compare the two halves."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from whalefall.engine.checkpoint import shared_names
from whalefall.engine.checkpoint_writer import save_checkpoint
from whalefall.engine.clients.embedded import EmbeddedEngine
from whalefall.engine.config import BLOCK_SIZE, EngineConfig, ModelConfig
from whalefall.engine.core import EngineCore, ModelLimits
from whalefall.engine.kernels.choice import choose_kernels
from whalefall.engine.kernels.reference.softmax_row import Floats
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.loader import load_model
from whalefall.engine.model_runner import DTYPES, ModelRunner
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.request import EngineRequest, SamplingParams
from whalefall.engine.scheduler import ScheduledRequest, Scheduler, SchedulerLimits

SHAPE = Path(__file__).parent.parent / "models" / "whalefall-tiny"
NUM_BLOCKS = 512
CONTEXT_TOKENS = 512
NUM_DECODE_STEPS = 60
NUM_STREAMED_TOKENS = 100


@dataclass
class TimedRunner:
    """Notes how long the model took in each step."""

    runner: ModelRunner
    seconds: list[float] = field(default_factory=list)

    def run(self, step: Sequence[ScheduledRequest]) -> Floats:
        begun = time.perf_counter()
        logits = self.runner.run(step)
        self.seconds.append(time.perf_counter() - begun)
        return logits


def make_core(
    model: DeepseekV32ForCausalLM, config: EngineConfig
) -> tuple[EngineCore, TimedRunner]:
    runner = TimedRunner(ModelRunner(model, config))
    cache = KVCacheManager(config.num_blocks, BLOCK_SIZE, "bench")
    limits = SchedulerLimits(config.max_num_batched_tokens, config.max_num_seqs)
    model_limits = ModelLimits(model.config.vocab_size, config.max_model_len, ())
    softmax_row = model.kernels.softmax_row
    core = EngineCore(
        runner, Scheduler(cache, limits), cache, model_limits, softmax_row=softmax_row
    )
    return core, runner


def make_request(index: int, num_prompt_tokens: int, max_tokens: int) -> EngineRequest:
    rng = np.random.default_rng(index)
    return EngineRequest(
        request_id=str(index),
        prompt_token_ids=rng.integers(2, 100_000, num_prompt_tokens).tolist(),
        sampling_params=SamplingParams(max_tokens=max_tokens, temperature=0.7, ignore_eos=True),
        cache_namespace=str(index),
    )


def tell(what: str, **figures: object) -> None:
    print(json.dumps({"measure": what, **figures}), flush=True)


def measure_decode(model: DeepseekV32ForCausalLM, config: EngineConfig, batch_size: int) -> None:
    core, runner = make_core(model, config)
    for index in range(batch_size):
        core.add(make_request(index, CONTEXT_TOKENS, NUM_DECODE_STEPS))
    while core.load().num_running < batch_size or core.load().output_tokens_total < batch_size:
        core.step()
    runner.seconds.clear()
    steps: list[float] = []
    busy: list[float] = []
    while core.load().num_running == batch_size:
        begun, begun_busy = time.perf_counter(), time.process_time()
        core.step()
        steps.append(time.perf_counter() - begun)
        busy.append(time.process_time() - begun_busy)
    rest = [step - model for step, model in zip(steps, runner.seconds, strict=True)]
    tell(
        f"decode, batch {batch_size}, context {CONTEXT_TOKENS}",
        tokens_per_second_best=round(batch_size / min(steps)),
        tokens_per_second_median=round(batch_size / statistics.median(steps)),
        step_ms_best=round(min(steps) * 1e3, 2),
        step_cpu_ms_best=round(min(busy) * 1e3, 2),
        step_cpu_ms_median=round(statistics.median(busy) * 1e3, 2),
        outside_model_ms_best=round(min(rest) * 1e3, 3),
        outside_model_ms_median=round(statistics.median(rest) * 1e3, 3),
    )


def measure_prefill(model: DeepseekV32ForCausalLM, config: EngineConfig, num_tokens: int) -> None:
    seconds: list[float] = []
    busy: list[float] = []
    for index in range(3):
        core, _ = make_core(model, config)
        core.add(make_request(index, num_tokens, 1))
        begun, begun_busy = time.perf_counter(), time.process_time()
        while core.has_requests:
            core.step()
        seconds.append(time.perf_counter() - begun)
        busy.append(time.process_time() - begun_busy)
    tell(
        f"prefill, {num_tokens} tokens",
        tokens_per_second_best=round(num_tokens / min(seconds)),
        tokens_per_second_median=round(num_tokens / statistics.median(seconds)),
        tokens_per_cpu_second_best=round(num_tokens / min(busy)),
    )


async def measure_streams(config: EngineConfig, num_streams: int) -> None:
    """Tokens per second over all streams, from the first token of the last to the end."""
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(config, "bench", Path(folder))
        await engine.start()
        await one_stream(engine, make_request(999, 16, 5))
        begun = time.perf_counter()
        requests = [make_request(i, 64, NUM_STREAMED_TOKENS) for i in range(num_streams)]
        counts = await asyncio.gather(*(one_stream(engine, request) for request in requests))
        seconds = time.perf_counter() - begun
        await engine.close()
    tell(
        f"through the process, {num_streams} streams of {NUM_STREAMED_TOKENS} tokens",
        tokens_per_second=round(sum(counts) / seconds),
    )


def kernels_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"whalefall-bench-kernels-{os.getuid()}"


async def one_stream(engine: EmbeddedEngine, request: EngineRequest) -> int:
    return sum([len(output.token_ids) async for output in engine.generate(request)])


def random_checkpoint(directory: Path) -> Path:
    """A checkpoint with the embedded model's config and seeded random weights."""
    config = ModelConfig.from_directory(SHAPE)
    model = DeepseekV32ForCausalLM(config)
    model.initialize(seed=0)
    repeated = shared_names(config)
    state = {k: v for k, v in model.state_dict().items() if k not in repeated}
    save_checkpoint(directory, config, state, fp8=False)
    return directory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--torch", action="store_true", help="without the native kernels")
    parser.add_argument("--model", type=Path, help="a checkpoint instead of random weights")
    parser.add_argument("--only", choices=("core", "process"), help="one half of the measures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = EngineConfig(
            model_dir=arguments.model or random_checkpoint(Path(folder)),
            dtype=arguments.dtype,
            num_blocks=NUM_BLOCKS,
            num_threads=arguments.threads,
            kernels_dir=None if arguments.torch else kernels_folder(),
        )
        if arguments.only != "process":
            measure_core(config)
        if arguments.only != "core":
            for num_streams in (1, 16):
                asyncio.run(measure_streams(config, num_streams))


def measure_core(config: EngineConfig) -> None:
    torch.set_num_threads(config.num_threads)
    dtype = DTYPES[config.dtype]
    kernels = choose_kernels(config.kernels_dir, dtype)
    model, _ = load_model(config.model_dir, dtype, kernels=kernels)
    for batch_size in (1, 4, 16):
        measure_decode(model, config, batch_size)
    for num_tokens in (512, 4096):
        measure_prefill(model, config, num_tokens)


if __name__ == "__main__":
    main()
