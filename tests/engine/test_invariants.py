"""How a request is computed never shows in what it says.

The real model in fp32 behind the real scheduler: chunked, batched, with a prefix hit, preempted or
over poisoned storage, every logit of every request has the same bits as computed alone at once."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tests.support.native import native
from tests.support.tiny_model import TINY_V2_LITE, TINY_V3, TINY_V32, random_tokens, tiny_model
from whalefall.engine.config import BLOCK_SIZE, EngineConfig, ModelConfig
from whalefall.engine.core import EngineCore, ModelLimits
from whalefall.engine.kernels.kernel_set import REFERENCE, KernelSet
from whalefall.engine.kernels.reference.softmax_row import Floats
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.model_runner import ModelRunner
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.request import EngineRequest, SamplingParams
from whalefall.engine.scheduler import ScheduledRequest, Scheduler, SchedulerLimits

Trace = dict[tuple[str, int], Floats]
"""Logits by request and position of the token they predict."""


@dataclass
class RecordingRunner:
    runner: ModelRunner
    trace: Trace = field(default_factory=dict)
    num_computed_tokens: int = 0
    largest_batch: int = 0

    def run(self, step: Sequence[ScheduledRequest]) -> Floats:
        logits = self.runner.run(step)
        sampling = [scheduled.state for scheduled in step if scheduled.does_sample]
        for row, state in enumerate(sampling):
            self.trace[state.request_id, state.num_tokens] = logits[row].copy()
        self.num_computed_tokens += sum(scheduled.num_tokens for scheduled in step)
        self.largest_batch = max(self.largest_batch, len(step))
        return logits


class Engine:
    """One core around one model; `run` lets requests arrive together and waits for all."""

    def __init__(
        self,
        model: DeepseekV32ForCausalLM,
        num_blocks: int = 64,
        max_num_batched_tokens: int = 1024,
        max_num_seqs: int = 8,
    ) -> None:
        config = EngineConfig(model_dir=Path("unused"), num_blocks=num_blocks)
        self.runner = RecordingRunner(ModelRunner(model, config))
        self.cache = KVCacheManager(num_blocks, BLOCK_SIZE, "model")
        limits = SchedulerLimits(max_num_batched_tokens, max_num_seqs)
        vocab_size = model.config.vocab_size
        self.core = EngineCore(
            self.runner,
            Scheduler(self.cache, limits),
            self.cache,
            ModelLimits(vocab_size, model.config.max_position_embeddings, (1,)),
        )
        self.num_cached: dict[str, int] = {}

    def run(
        self, *requests: EngineRequest, late: EngineRequest | None = None
    ) -> dict[str, list[int]]:
        """The tokens of all, once they are done; the late one arrives after five steps."""
        tokens: dict[str, list[int]] = defaultdict(list)
        for request in requests:
            self.core.add(request)
        for num_steps in itertools.count():
            if num_steps == 5 and late is not None:
                self.core.add(late)
            if not self.core.has_requests:
                break
            report = self.core.step()
            assert not report.failures
            for output in report.outputs:
                tokens[output.request_id] += output.token_ids
                self.num_cached[output.request_id] = output.num_cached_tokens
        self.core.check()
        return tokens


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Waking threads costs tiny matrices more than it gives, most of all on a busy machine."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@pytest.fixture(scope="module", params=[False, True], ids=["pytorch", "native"])
def kernels(request: pytest.FixtureRequest) -> KernelSet:
    return native() if request.param else REFERENCE


@pytest.fixture(
    scope="module", params=[TINY_V32, TINY_V3, TINY_V2_LITE], ids=["v3.2", "v3", "v2-lite"]
)
def model(request: pytest.FixtureRequest, kernels: KernelSet) -> DeepseekV32ForCausalLM:
    config: ModelConfig = request.param
    model = tiny_model(config)
    model.freeze(kernels)
    return model


def make_request(
    model: DeepseekV32ForCausalLM,
    name: str,
    num_prompt_tokens: int,
    *,
    max_tokens: int = 8,
    temperature: float = 0.0,
    seed: int = 0,
) -> EngineRequest:
    return EngineRequest(
        request_id=name,
        prompt_token_ids=random_tokens(model.config, num_prompt_tokens, seed),
        sampling_params=SamplingParams(
            max_tokens=max_tokens, temperature=temperature, seed=seed, ignore_eos=True
        ),
        cache_namespace="a",
    )


def assert_same_bits(one: Trace, other: Trace) -> None:
    assert one.keys() == other.keys()
    for key, logits in one.items():
        assert np.array_equal(logits, other[key]), f"logits of {key} differ"


def test_chunked_prefill_equals_whole_prefill(model: DeepseekV32ForCausalLM) -> None:
    item = make_request(model, "r", 300)
    whole, chunked = Engine(model), Engine(model, max_num_batched_tokens=37)
    assert whole.run(item) == chunked.run(item)
    assert_same_bits(whole.runner.trace, chunked.runner.trace)


def test_batch_equals_its_members_alone(model: DeepseekV32ForCausalLM) -> None:
    items = [
        make_request(model, f"r{i}", length, seed=i, temperature=0.8)
        for i, length in enumerate((3, 200, 65, 130, 64))
    ]
    together = Engine(model, max_num_batched_tokens=150)
    answers = together.run(*items)
    assert together.runner.largest_batch > 3
    alone_trace: Trace = {}
    for item in items:
        alone = Engine(model)
        assert alone.run(item)[item.request_id] == answers[item.request_id]
        alone_trace |= alone.runner.trace
    assert_same_bits(together.runner.trace, alone_trace)


def test_prefix_hit_equals_no_hit_and_skips_the_work(model: DeepseekV32ForCausalLM) -> None:
    item = make_request(model, "r", 200)
    engine = Engine(model)
    first = engine.run(item)
    first_trace, first_computed = dict(engine.runner.trace), engine.runner.num_computed_tokens
    engine.runner.trace.clear()
    second = engine.run(item)
    assert engine.num_cached["r"] == 192
    assert engine.runner.num_computed_tokens == 2 * first_computed - 192
    assert first == second
    assert_same_bits(first_trace, engine.runner.trace)


def test_preempted_equals_not_preempted(model: DeepseekV32ForCausalLM) -> None:
    """The late request of another key claims the second slot in the middle of a block."""
    items = [make_request(model, f"r{i}", 60 + 30 * i, max_tokens=12, seed=i) for i in range(2)]
    late = msgspec.structs.replace(make_request(model, "late", 5, seed=9), fairness_key="b")
    roomy, tight = Engine(model), Engine(model, max_num_seqs=2)
    assert roomy.run(*items, late=late) == tight.run(*items, late=late)
    num_recomputed = tight.runner.num_computed_tokens - roomy.runner.num_computed_tokens
    assert num_recomputed == (90 + 4) % BLOCK_SIZE
    assert_same_bits(roomy.runner.trace, tight.runner.trace)


def test_poisoned_storage_does_not_show(model: DeepseekV32ForCausalLM) -> None:
    items = [make_request(model, f"r{i}", length) for i, length in enumerate((5, 100, 140))]
    clean, poisoned = Engine(model), Engine(model)
    cache = poisoned.runner.runner.cache
    for tensor in (cache.latent, cache.rope_key, cache.index_key):
        if tensor is not None:
            tensor.fill_(math.nan)
    assert clean.run(*items) == poisoned.run(*items)
    assert_same_bits(clean.runner.trace, poisoned.runner.trace)


def test_blocks_left_by_others_do_not_show(model: DeepseekV32ForCausalLM) -> None:
    item = make_request(model, "r", 150)
    fresh, used = Engine(model, num_blocks=8), Engine(model, num_blocks=8)
    for index in range(4):
        used.run(make_request(model, f"other{index}", 250, seed=index + 1))
    used.runner.trace.clear()
    assert fresh.run(item) == used.run(item)
    assert_same_bits(fresh.runner.trace, used.runner.trace)
