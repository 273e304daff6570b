"""An engine that says what it was told to say: for tests of everything above the engine.

It implements `EngineClient` without a model, a process or a clock of its own. A script is a list of
actions played for each request; a test may hand over one script for all requests or a function
that chooses one by the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from whalefall.engine.client import EngineLoad, ModelInfo, Progress
from whalefall.engine.errors import EngineDiedError, EngineRejectedError
from whalefall.engine.request import EngineOutput, EngineRequest, FinishReason, TokenLogprobs


@dataclass(frozen=True)
class Tokens:
    """Yield these tokens as one output."""

    token_ids: Sequence[int]
    logprobs: Sequence[TokenLogprobs] | None = None


@dataclass(frozen=True)
class Pause:
    """Wait this long, as an engine under load does."""

    seconds: float


@dataclass
class Gate:
    """Wait until the test calls `open()`; `reached` is set once a request stands before it."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        self.opened.set()


@dataclass(frozen=True)
class Reject:
    """Refuse this request; the engine stays well."""

    message: str = "the scripted engine rejects this request"


@dataclass(frozen=True)
class Die:
    """The engine process ends: this request and all others in flight fail."""

    message: str = "the scripted engine died"


@dataclass(frozen=True)
class Finish:
    """End with this reason; a script without one ends with `stop`."""

    reason: FinishReason = FinishReason.STOP


Action = Tokens | Pause | Gate | Reject | Die | Finish
Script = Sequence[Action]


def one_by_one(token_ids: Sequence[int]) -> list[Action]:
    """A script that yields each token in an output of its own, as decoding does."""
    return [Tokens([token_id]) for token_id in token_ids]


class ScriptedEngine:
    """Plays a script per request; honours `max_tokens`, aborts and early closing.

    `requests` lists every request seen, `aborted` the ids that were aborted or closed early,
    `num_tokens_yielded` counts per request id, so a test can compare usage with the truth.
    `num_cached_tokens` is reported as the prefix hit of every request (capped below its prompt)."""

    def __init__(
        self,
        script: Script | Callable[[EngineRequest], Script] = (),
        *,
        model_info: ModelInfo | None = None,
        num_cached_tokens: int = 0,
        load: EngineLoad | None = None,
    ) -> None:
        self._script = script
        self._model_info = model_info or ModelInfo(
            name="scripted", max_model_len=8192, vocab_size=129280, eos_token_ids=(1,)
        )
        self._num_cached_tokens = num_cached_tokens
        self._load = load or EngineLoad(is_ready=True)
        self._aborts: dict[str, asyncio.Event] = {}
        self._died = asyncio.Event()
        self.requests: list[EngineRequest] = []
        self.aborted: list[str] = []
        self.num_tokens_yielded: dict[str, int] = {}

    async def start(self, progress: Progress | None = None) -> ModelInfo:
        if progress is not None:
            progress("ready", 1.0)
        return self._model_info

    @property
    def model_info(self) -> ModelInfo:
        return self._model_info

    async def generate(self, request: EngineRequest) -> AsyncIterator[EngineOutput]:
        self.requests.append(request)
        self.num_tokens_yielded[request.request_id] = 0
        self._aborts[request.request_id] = asyncio.Event()
        is_over = False
        try:
            async for output in self._play(request):
                is_over = output.finish_reason is not None
                yield output
        except (EngineRejectedError, EngineDiedError):
            is_over = True
            raise
        finally:
            if not is_over:
                self.aborted.append(request.request_id)
            self._aborts.pop(request.request_id, None)

    async def abort(self, request_id: str) -> None:
        event = self._aborts.get(request_id)
        if event is not None:
            self.aborted.append(request_id)
            event.set()

    def load(self) -> EngineLoad:
        return self._load

    async def close(self) -> None:
        self._died.set()

    def revive(self) -> None:
        """Bring the engine back after `Die`, as the embedded one restarts by itself."""
        self._died = asyncio.Event()

    async def _play(self, request: EngineRequest) -> AsyncIterator[EngineOutput]:
        if self._died.is_set():
            raise EngineDiedError("the scripted engine is not running")
        script = self._script(request) if callable(self._script) else self._script
        num_left = request.sampling_params.max_tokens
        is_first = True
        for action in script:
            if await self._wait(request.request_id, action):
                yield self._output(request, [], FinishReason.ABORT)
                return
            if isinstance(action, Finish):
                yield self._output(request, [], action.reason)
                return
            if not isinstance(action, Tokens):
                continue
            if is_first:
                yield self._output(request, [])
                is_first = False
            token_ids = list(action.token_ids[:num_left])
            num_left -= len(token_ids)
            reason = FinishReason.LENGTH if num_left == 0 else None
            yield self._output(request, token_ids, reason, action.logprobs)
            if reason is not None:
                return
        yield self._output(request, [], FinishReason.STOP)

    async def _wait(self, request_id: str, action: Action) -> bool:
        """Spend the action's time; True when the request was aborted meanwhile."""
        if isinstance(action, Reject):
            raise EngineRejectedError(action.message)
        if isinstance(action, Die):
            self._died.set()
            raise EngineDiedError(action.message)
        waits: list[asyncio.Task[object]] = []
        if isinstance(action, Pause):
            waits.append(asyncio.ensure_future(asyncio.sleep(action.seconds)))
        elif isinstance(action, Gate):
            action.reached.set()
            waits.append(asyncio.ensure_future(action.opened.wait()))
        else:
            waits.append(asyncio.ensure_future(asyncio.sleep(0)))
        abort, died = self._aborts[request_id], self._died
        waits += [asyncio.ensure_future(abort.wait()), asyncio.ensure_future(died.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
        if died.is_set():
            raise EngineDiedError("the scripted engine died")
        return abort.is_set()

    def _output(
        self,
        request: EngineRequest,
        token_ids: list[int],
        reason: FinishReason | None = None,
        logprobs: Sequence[TokenLogprobs] | None = None,
    ) -> EngineOutput:
        self.num_tokens_yielded[request.request_id] += len(token_ids)
        num_prompt_tokens = len(request.prompt_token_ids)
        block_size = self._model_info.block_size
        hit = min(self._num_cached_tokens, (num_prompt_tokens - 1) // block_size * block_size)
        return EngineOutput(
            request_id=request.request_id,
            token_ids=token_ids,
            logprobs=None if logprobs is None else list(logprobs[: len(token_ids)]),
            finish_reason=reason,
            num_prompt_tokens=num_prompt_tokens,
            num_cached_tokens=max(hit, 0),
        )
