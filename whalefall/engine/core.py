"""The engine's heart: add, abort, step. Synchronous, single-threaded, without sockets.

A step asks the scheduler what to compute, the runner for logits, the sampler for tokens, and tells
the news of every request touched. One request's trouble ends that request alone. This module must
not know tensors, processes or who is waiting for the tokens."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from whalefall.engine.client import EngineLoad
from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.kernels.reference.softmax_row import Floats, SoftmaxRow, softmax_row
from whalefall.engine.kv_cache import KVCacheManager
from whalefall.engine.request import EngineOutput, EngineRequest, FinishReason, TokenLogprobs
from whalefall.engine.sampler import (
    SampledToken,
    SamplingRow,
    check_sampling_params,
    has_penalty,
    sample,
)
from whalefall.engine.scheduler import RequestState, RequestStatus, ScheduledRequest, Scheduler
from whalefall.engine.structure import GrammarCompiler, GrammarMatcher, PendingGrammar

NAME_LENGTH_MAX = 1024
"""Characters of a request id, a cache namespace or a fairness key."""

_STATUS = {
    FinishReason.STOP: RequestStatus.FINISHED_STOPPED,
    FinishReason.LENGTH: RequestStatus.FINISHED_LENGTH_CAPPED,
    FinishReason.ABORT: RequestStatus.FINISHED_ABORTED,
}


class Runner(Protocol):
    """What turns scheduled tokens into logits: the model, or a test's stand-in for it."""

    def run(self, step: Sequence[ScheduledRequest]) -> Floats:
        """Compute the step's tokens and cache them. fp32 [number of requests that sample, V], in
        the order of the step. Running the same step twice does no harm."""
        ...


@dataclass(frozen=True)
class ModelLimits:
    vocab_size: int
    max_model_len: int
    eos_token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Failure:
    """A request that cannot run, or not on."""

    request_id: str
    message: str


@dataclass
class StepReport:
    outputs: list[EngineOutput] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class _Generation:
    """What the core remembers of a request besides its place in the schedule."""

    state: RequestState
    seed: int
    stop_token_ids: frozenset[int]
    matcher: GrammarMatcher | None = None
    output_counts: Counter[int] = field(default_factory=Counter)
    is_announced: bool = False


class EngineCore:
    def __init__(
        self,
        runner: Runner,
        scheduler: Scheduler,
        cache: KVCacheManager,
        limits: ModelLimits,
        grammars: GrammarCompiler | None = None,
        softmax_row: SoftmaxRow = softmax_row,
    ) -> None:
        self._runner = runner
        self._scheduler = scheduler
        self._cache = cache
        self._limits = limits
        self._grammars = grammars
        self._softmax_row = softmax_row
        self._generations: dict[str, _Generation] = {}
        self._compiling: dict[str, tuple[EngineRequest, PendingGrammar]] = {}
        self._prompt_tokens_total = 0
        self._cached_tokens_total = 0
        self._output_tokens_total = 0

    @property
    def has_requests(self) -> bool:
        return bool(self._generations or self._compiling)

    @property
    def is_only_compiling(self) -> bool:
        """Whether all there is to do is to wait for grammars."""
        return bool(self._compiling) and not self._generations

    def add(self, request: EngineRequest) -> None:
        """Queue a request. Raises EngineRejectedError, changing nothing, when it cannot run."""
        self._check(request)
        if request.structure is None:
            self._start(request, None)
            return
        if self._grammars is None:
            raise EngineRejectedError("this model has no tokenizer, so no output can be structured")
        pending = self._grammars.begin(request.structure)
        self._compiling[request.request_id] = (request, pending)

    def abort(self, request_id: str) -> EngineOutput | None:
        """End a request now and free its blocks; its last output, or None if it is not here."""
        if request_id in self._compiling:
            del self._compiling[request_id]
            return EngineOutput(
                request_id=request_id, token_ids=[], finish_reason=FinishReason.ABORT
            )
        generation = self._generations.get(request_id)
        if generation is None:
            return None
        self._end(generation, FinishReason.ABORT)
        return _output(generation, [], None, FinishReason.ABORT)

    def step(self) -> StepReport:
        """Compute one step for as many requests as fit, and tell what came of it."""
        report = StepReport()
        self._start_compiled(report)
        step = self._scheduler.schedule()
        if not step:
            return report
        sampling, logits = self._run(step, report)
        for row, scheduled in enumerate(sampling):
            self._sample(scheduled.state, logits[row], report)
        for scheduled in step:
            generation = self._generations.get(scheduled.state.request_id)
            if generation is not None and not generation.is_announced:
                report.outputs.append(_output(generation, [], None, None))
                self._announce(generation)
        return report

    def load(self) -> EngineLoad:
        return EngineLoad(
            num_running=self._scheduler.num_running,
            num_waiting=self._scheduler.num_waiting + len(self._compiling),
            num_free_blocks=self._cache.pool.num_free,
            num_blocks=self._cache.pool.num_blocks,
            prompt_tokens_total=self._prompt_tokens_total,
            cached_tokens_total=self._cached_tokens_total,
            output_tokens_total=self._output_tokens_total,
            is_ready=True,
        )

    def check(self) -> None:
        """Assert that every block in use belongs to a running request, and every request to us."""
        self._scheduler.check()
        num_known = self._scheduler.num_running + self._scheduler.num_waiting
        assert num_known == len(self._generations), "the scheduler and the core lost step"

    def close(self) -> None:
        if self._grammars is not None:
            self._grammars.close()

    # ------------------------------------------------------------------ beginning

    def _check(self, request: EngineRequest) -> None:
        if request.request_id in self._generations or request.request_id in self._compiling:
            raise EngineRejectedError(f"request id {request.request_id!r} is in use")
        for name in ("request_id", "cache_namespace", "fairness_key"):
            if len(getattr(request, name)) > NAME_LENGTH_MAX:
                raise EngineRejectedError(f"{name} is longer than {NAME_LENGTH_MAX} characters")
        prompt = request.prompt_token_ids
        if not prompt:
            raise EngineRejectedError("the prompt is empty")
        if min(prompt) < 0 or max(prompt) >= self._limits.vocab_size:
            raise EngineRejectedError(
                f"the prompt has token ids outside 0 to {self._limits.vocab_size - 1}"
            )
        check_sampling_params(request.sampling_params)
        num_tokens_max = len(prompt) + request.sampling_params.max_tokens
        if num_tokens_max > self._limits.max_model_len:
            raise EngineRejectedError(
                f"prompt and max_tokens are {num_tokens_max} tokens; this model takes "
                f"{self._limits.max_model_len}"
            )

    def _start(self, request: EngineRequest, matcher: GrammarMatcher | None) -> None:
        params = request.sampling_params
        end_tokens = () if params.ignore_eos else self._limits.eos_token_ids
        self._generations[request.request_id] = _Generation(
            state=self._scheduler.add(request),
            seed=secrets.randbits(64) if params.seed is None else params.seed,
            stop_token_ids=frozenset((*end_tokens, *params.stop_token_ids)),
            matcher=matcher,
        )

    def _start_compiled(self, report: StepReport) -> None:
        for request_id, (request, pending) in list(self._compiling.items()):
            try:
                matcher = pending.poll()
                if matcher is None:
                    continue
                self._start(request, matcher)
            except EngineRejectedError as error:
                report.failures.append(Failure(request_id, str(error)))
            del self._compiling[request_id]

    # ------------------------------------------------------------------ computing

    def _run(
        self, step: list[ScheduledRequest], report: StepReport
    ) -> tuple[list[ScheduledRequest], Sequence[Floats]]:
        """The requests that sample and their logits. A step that fails as a whole is run again
        request by request, so that only the one that causes it fails."""
        sampling = [scheduled for scheduled in step if scheduled.does_sample]
        try:
            logits: Sequence[Floats] = list(self._runner.run(step))
        except (RuntimeError, MemoryError):
            sampling, logits = self._run_one_by_one(step, report)
        alive = [s for s in step if s.state.status is RequestStatus.RUNNING]
        self._scheduler.advance(alive)
        return sampling, logits

    def _run_one_by_one(
        self, step: list[ScheduledRequest], report: StepReport
    ) -> tuple[list[ScheduledRequest], list[Floats]]:
        sampling: list[ScheduledRequest] = []
        logits: list[Floats] = []
        for scheduled in step:
            try:
                rows = self._runner.run([scheduled])
            except (RuntimeError, MemoryError) as error:
                self._fail(scheduled.state, f"computing the model failed: {error}", report)
                continue
            if scheduled.does_sample:
                sampling.append(scheduled)
                logits.append(rows[0])
        return sampling, logits

    def _sample(self, state: RequestState, logits: Floats, report: StepReport) -> None:
        generation = self._generations[state.request_id]
        try:
            sampled = sample(logits, self._sampling_row(generation), self._softmax_row)
            output = self._take(generation, sampled)
        except EngineRejectedError as error:
            self._fail(state, str(error), report)
            return
        report.outputs.append(output)
        self._announce(generation)

    def _sampling_row(self, generation: _Generation) -> SamplingRow:
        state = generation.state
        return SamplingRow(
            params=state.request.sampling_params,
            seed=generation.seed,
            position=state.num_tokens,
            output_counts=generation.output_counts,
            allowed=None if generation.matcher is None else generation.matcher.allowed(),
        )

    def _take(self, generation: _Generation, sampled: SampledToken) -> EngineOutput:
        """Append the token, unless it says stop, and end what has come to its end."""
        if sampled.token_id in generation.stop_token_ids:
            self._end(generation, FinishReason.STOP)
            return _output(generation, [], None, FinishReason.STOP)
        state, params = generation.state, generation.state.request.sampling_params
        state.token_ids.append(sampled.token_id)
        self._output_tokens_total += 1
        if has_penalty(params):
            generation.output_counts[sampled.token_id] += 1
        reason: FinishReason | None = None
        if state.num_output_tokens == params.max_tokens:
            reason = FinishReason.LENGTH
        if generation.matcher is not None:
            generation.matcher.accept(sampled.token_id)
            reason = FinishReason.STOP if generation.matcher.is_finished else reason
        if reason is not None:
            self._end(generation, reason)
        return _output(generation, [sampled.token_id], sampled.logprobs, reason)

    def _announce(self, generation: _Generation) -> None:
        if not generation.is_announced:
            generation.is_announced = True
            self._prompt_tokens_total += generation.state.num_prompt_tokens
            self._cached_tokens_total += generation.state.num_cached_tokens

    # ------------------------------------------------------------------ ending

    def _end(self, generation: _Generation, reason: FinishReason) -> None:
        self._scheduler.finish(generation.state, _STATUS[reason])
        del self._generations[generation.state.request_id]

    def _fail(self, state: RequestState, message: str, report: StepReport) -> None:
        self._end(self._generations[state.request_id], FinishReason.ABORT)
        report.failures.append(Failure(state.request_id, message))


def _output(
    generation: _Generation,
    token_ids: list[int],
    logprobs: TokenLogprobs | None,
    reason: FinishReason | None,
) -> EngineOutput:
    """Prompt figures go with every output from the first scheduled one on."""
    state = generation.state
    return EngineOutput(
        request_id=state.request_id,
        token_ids=token_ids,
        logprobs=None if logprobs is None else [logprobs],
        finish_reason=reason,
        num_prompt_tokens=state.num_prompt_tokens if state.was_scheduled else 0,
        num_cached_tokens=state.num_cached_tokens,
    )
