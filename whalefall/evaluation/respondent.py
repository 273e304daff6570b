"""The model that is asked: prompts rendered, tokens made and replies parsed as the server does it,
with the engine's core in this process.

It must not know what a right answer is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from whalefall.chat.fim import render_completion
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    Event,
    ToolCall,
    ToolCallArguments,
    ToolCallStart,
)
from whalefall.engine.config import BLOCK_SIZE, EngineConfig, ModelConfig
from whalefall.engine.core import EngineCore, ModelLimits, StepReport
from whalefall.engine.errors import EngineError
from whalefall.engine.kernels.choice import choose_kernels
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.layers.indexer import Indexer
from whalefall.engine.loader import load_model
from whalefall.engine.model_runner import ModelRunner
from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.engine.request import EngineRequest, FinishReason, SamplingParams
from whalefall.engine.scheduler import Scheduler, SchedulerLimits
from whalefall.evaluation.cases import Case
from whalefall.evaluation.judges import Reply
from whalefall.serving.models import THINKING_TEMPERATURE
from whalefall.serving.pipeline import OutputPipeline
from whalefall.serving.sampling import sampling_params

NUM_AT_ONCE = 16
MAX_MODEL_LEN = 16_384
_TOKENS_TO_SPARE = 64
_SPEED_PROMPT_TOKENS = 16


@dataclass(frozen=True)
class Transcript:
    """A case's reply, and the tokens behind it."""

    case: Case
    reply: Reply
    prompt_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    """Without the end-of-sentence token."""


@dataclass
class _Asked:
    case: Case
    request: EngineRequest
    pipeline: OutputPipeline
    events: list[Event]
    output_ids: list[int]

    @property
    def num_tokens_max(self) -> int:
        return len(self.request.prompt_token_ids) + self.request.sampling_params.max_tokens


class Respondent:
    def __init__(
        self, model: DeepseekV32ForCausalLM, chat_format: ChatFormat, config: EngineConfig
    ) -> None:
        self.model, self.format = model, chat_format
        self._num_tokens_at_once = config.num_blocks * BLOCK_SIZE
        self._core = _core(model, config)

    def transcripts(self, cases: Sequence[Case], temperature: float) -> Iterator[Transcript]:
        """Of every case, in the order in which they end; sixteen run beside each other.
        Raises EngineError when one cannot run."""
        waiting = [self._asked(index, case, temperature) for index, case in enumerate(cases)]
        waiting.sort(key=lambda each: each.num_tokens_max, reverse=True)
        running: dict[str, _Asked] = {}
        while waiting or running:
            while waiting and self._has_room(running, waiting[-1]):
                asked = waiting.pop()
                running[asked.request.request_id] = asked
                self._core.add(asked.request)
            for request_id, reason in _taken(self._core.step(), running):
                yield _transcript(running.pop(request_id), reason)

    def tokens_per_second(self, num_tokens: int) -> float:
        """One stream, from its first token to its last, whatever it says."""
        request = EngineRequest(
            request_id="speed",
            prompt_token_ids=[self.format.tokenizer.encode("a")[0]] * _SPEED_PROMPT_TOKENS,
            sampling_params=SamplingParams(
                max_tokens=num_tokens + 1, temperature=0.0, ignore_eos=True
            ),
        )
        self._core.add(request)
        self._core.step()
        begun = time.perf_counter()
        while self._core.has_requests:
            self._core.step()
        return num_tokens / (time.perf_counter() - begun)

    def _has_room(self, running: dict[str, _Asked], asked: _Asked) -> bool:
        if not running:
            return True
        num_tokens = sum(each.num_tokens_max + BLOCK_SIZE for each in running.values())
        fits = num_tokens + asked.num_tokens_max + BLOCK_SIZE <= self._num_tokens_at_once
        return fits and len(running) < NUM_AT_ONCE

    def _asked(self, index: int, case: Case, temperature: float) -> _Asked:
        tokenizer, request = self.format.tokenizer, case.request(temperature)
        if isinstance(request, ChatRequest):
            prompt, parser = self.format.render(request), self.format.parser(request)
        else:
            prompt, parser = render_completion(tokenizer, request), None
        thinking_temperature = THINKING_TEMPERATURE if temperature else 0.0
        params = sampling_params(
            replace(request, seed=index),
            self.num_tokens_enough(case),
            thinking_temperature if case.thinking else None,
        )
        engine_request = EngineRequest(
            request_id=str(index), prompt_token_ids=prompt, sampling_params=params
        )
        return _Asked(case, engine_request, OutputPipeline(tokenizer, parser, ()), [], [])

    def num_tokens_enough(self, case: Case) -> int:
        """Twice what is expected and a bit. What is longer does not end, or has lost its way."""
        texts = [case.answer, case.reasoning if case.thinking else ""]
        texts += [f"{call.name} {call.arguments}" for call in case.calls] * 2
        expected = len(self.format.tokenizer.encode("\n".join(texts)))
        markup = 48 * (len(case.calls) + bool(case.calls))
        return 2 * (expected + markup) + _TOKENS_TO_SPARE


def open_model(
    model_dir: Path, num_threads: int, kernels_dir: Path | None
) -> tuple[DeepseekV32ForCausalLM, ModelConfig, EngineConfig]:
    """With the kernels that serving uses. Raises EngineError when there is no whole model."""
    torch.set_num_threads(num_threads)
    kernels = choose_kernels(kernels_dir, torch.float32)
    model, model_config = load_model(model_dir, kernels=kernels)
    max_model_len = min(MAX_MODEL_LEN, model_config.max_position_embeddings)
    config = EngineConfig(
        model_dir, max_model_len=max_model_len, num_threads=num_threads, kernels_dir=kernels_dir
    )
    return model, model_config, config


def attend_to_everything(model: DeepseekV32ForCausalLM) -> None:
    """Dense attention from now on: no context is longer than the number of keys to select."""
    if not model.config.has_indexer:
        return
    num_keys = model.config.max_position_embeddings
    model.config = replace(model.config, index_topk=num_keys)
    for module in model.modules():
        if isinstance(module, Indexer):
            module.index_topk = num_keys


def _core(model: DeepseekV32ForCausalLM, config: EngineConfig) -> EngineCore:
    cache = KVCacheManager(config.num_blocks, BLOCK_SIZE, "evaluation")
    limits = SchedulerLimits(config.max_num_batched_tokens, config.max_num_seqs)
    model_limits = ModelLimits(
        model.config.vocab_size, config.max_model_len, model.config.eos_token_ids
    )
    return EngineCore(
        ModelRunner(model, config),
        Scheduler(cache, limits),
        cache,
        model_limits,
        softmax_row=model.kernels.softmax_row,
    )


def _taken(report: StepReport, running: dict[str, _Asked]) -> list[tuple[str, FinishReason]]:
    """Hand a step's tokens to their pipelines; which requests ended, and why."""
    for failure in report.failures:
        raise EngineError(f"case {failure.request_id} failed: {failure.message}")
    ended = []
    for output in report.outputs:
        asked = running[output.request_id]
        for token_id in output.token_ids:
            asked.events += asked.pipeline.push(token_id, None)
            asked.output_ids.append(token_id)
        if output.finish_reason is not None:
            ended.append((output.request_id, output.finish_reason))
    return ended


def _transcript(asked: _Asked, reason: FinishReason) -> Transcript:
    events = asked.events + asked.pipeline.finish(reason)
    content = "".join(event.text for event in events if isinstance(event, ContentDelta))
    reply = Reply(content, _calls(events), has_ended=reason is FinishReason.STOP)
    prompt_ids = tuple(asked.request.prompt_token_ids)
    return Transcript(asked.case, reply, prompt_ids, tuple(asked.output_ids))


def _calls(events: Sequence[Event]) -> tuple[ToolCall, ...]:
    started = [event for event in events if isinstance(event, ToolCallStart)]
    fragments = [event for event in events if isinstance(event, ToolCallArguments)]
    return tuple(
        ToolCall(
            call.id, call.name, "".join(f.fragment for f in fragments if f.index == call.index)
        )
        for call in started
    )
