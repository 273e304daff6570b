"""The platform as this process runs it: implements serving.platform.Platform over the database,
the model registry, the journal and the engines."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from whalefall.accounts.api_keys import Caller, KeyLimits
from whalefall.base.clock import Clock
from whalefall.base.errors import InvalidRequestError, OverloadedError, PermissionDeniedError
from whalefall.base.ids import new_response_id
from whalefall.chat.constraints import structure_for
from whalefall.chat.fim import render_completion
from whalefall.chat.messages import ChatRequest, CompletionRequest
from whalefall.chat.parser import ResponseParser
from whalefall.engine.request import EngineRequest, StructureSpec
from whalefall.serving.authentication import Authenticator
from whalefall.serving.generation import ActiveGeneration, Assignment, ServingLimits
from whalefall.serving.journal import Journal, JournalFullError
from whalefall.serving.limiter import Limiter, Ticket
from whalefall.serving.metering import Meter
from whalefall.serving.models import MAX_TOKENS_THINKING_ONLY, ModelRegistry, Route
from whalefall.serving.pipeline import OutputPipeline
from whalefall.serving.platform import Base, ModelRules, WalletBalance
from whalefall.serving.sampling import sampling_params

log = structlog.get_logger()

MAX_TOKENS_DEFAULT = 4096
MAX_TOKENS_DEFAULT_THINKING = 32_768
_RENDER_ON_THREAD_CHARACTERS = 20_000
"""Longer prompts are tokenised off the event loop, so that other streams keep flowing."""


class LocalPlatform:
    def __init__(
        self,
        *,
        authenticator: Authenticator,
        registry: ModelRegistry,
        meter: Meter,
        journal: Journal,
        clock: Clock,
        limits: ServingLimits,
    ) -> None:
        self._authenticator = authenticator
        self._registry = registry
        self._meter = meter
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._limiter = Limiter(clock, limits.queue_length_max)
        self._running: set[ActiveGeneration] = set()

    def set_account_limits(self, limits: Mapping[str, KeyLimits]) -> None:
        self._limiter.set_account_limits(limits)

    async def authenticate(self, secret: str) -> Caller | None:
        return await self._authenticator.authenticate(secret)

    def models(self, base: Base) -> tuple[str, ...]:
        return tuple(self.model_rules(base))

    def model_rules(self, base: Base) -> Mapping[str, ModelRules]:
        return self._registry.rules(base, self._clock.now())

    async def balance(self, caller: Caller) -> tuple[WalletBalance, ...]:
        return await self._meter.balances(caller)

    async def start_chat(
        self, caller: Caller, request: ChatRequest, base: Base
    ) -> ActiveGeneration:
        check_model(caller, request.model)
        route = self._registry.resolve(request.model, base, self._clock.now())
        request = route.applied(request)
        prompt = await self._render(route, request)
        structure = await asyncio.to_thread(structure_for, request, route.model.format)
        parser = route.model.format.parser(request)
        pipeline = _pipeline(route, request, parser)
        return await self._start(caller, route, request, prompt, structure, pipeline)

    async def start_completion(
        self, caller: Caller, request: CompletionRequest, base: Base
    ) -> ActiveGeneration:
        check_model(caller, request.model)
        route = self._registry.resolve(request.model, base, self._clock.now())
        route.check_thinks(thinking=False)
        prompt = await self._render(route, request)
        pipeline = _pipeline(route, request, None)
        return await self._start(caller, route, request, prompt, None, pipeline)

    async def count_prompt_tokens(self, caller: Caller, request: ChatRequest, base: Base) -> int:
        del caller  # counting is free and reveals nothing of anyone
        route = self._registry.resolve(request.model, base, self._clock.now())
        request = route.applied(request)
        return len(await self._render(route, request))

    async def close(self) -> None:
        """Abort what runs and wait until all of it is settled."""
        await asyncio.gather(*(generation.aclose() for generation in self._running))

    async def _render(self, route: Route, request: ChatRequest | CompletionRequest) -> list[int]:
        def render() -> list[int]:
            if isinstance(request, CompletionRequest):
                return render_completion(route.model.tokenizer, request)
            return route.model.format.render(request)

        if _num_characters(request) > _RENDER_ON_THREAD_CHARACTERS:
            return await asyncio.to_thread(render)
        return render()

    async def _start(
        self,
        caller: Caller,
        route: Route,
        request: ChatRequest | CompletionRequest,
        prompt: list[int],
        structure: StructureSpec | None,
        pipeline: OutputPipeline,
    ) -> ActiveGeneration:
        engine = route.model.engine
        thinking = isinstance(request, ChatRequest) and request.thinking
        max_tokens = resolved_max_tokens(
            request.max_tokens,
            len(prompt),
            engine.model_info.max_model_len,
            _max_tokens_default(route, thinking=thinking),
        )
        generation_id = new_response_id()
        ticket = self._limiter.enter(caller, engine.load(), len(prompt))
        try:
            hold = await self._meter.hold(
                caller, generation_id, route, num_prompt_tokens=len(prompt), max_tokens=max_tokens
            )
        except BaseException:
            self._limiter.leave(ticket, 0)
            raise
        engine_request = EngineRequest(
            request_id=generation_id,
            prompt_token_ids=prompt,
            sampling_params=sampling_params(
                request, hold.max_tokens, route.model.thinking_temperature if thinking else None
            ),
            cache_namespace=f"{caller.user_id}/{request.user_id or ''}",
            fairness_key=caller.user_id,
            structure=structure,
        )
        assignment = Assignment(
            id=generation_id,
            created=int(self._clock.now().timestamp()),
            model=route.reported_model,
            system_fingerprint=route.model.system_fingerprint,
            engine=engine,
            engine_request=engine_request,
            pipeline=pipeline,
            hold=hold,
            thinking=thinking,
        )
        return await self._activate(assignment, ticket)

    async def _activate(self, assignment: Assignment, ticket: Ticket) -> ActiveGeneration:
        try:
            generation = ActiveGeneration(assignment, self._meter, self._journal, self._limits)
        except JournalFullError:
            self._limiter.leave(ticket, 0)
            await self._meter.void(assignment.hold.hold_id)
            raise OverloadedError from None

        def end(_: asyncio.Task[None]) -> None:
            self._running.discard(generation)
            self._limiter.leave(ticket, generation.num_output_tokens)

        self._running.add(generation)
        generation.task.add_done_callback(end)
        return generation


def check_model(caller: Caller, name: str) -> None:
    """PermissionDeniedError when the caller's key is for other models only."""
    if not caller.rules.admits_model(name):
        raise PermissionDeniedError(f"This API key may not use the model {name}")


def resolved_max_tokens(
    asked: int | None, num_prompt_tokens: int, max_model_len: int, default: int
) -> int:
    """How many tokens may be generated.

    Raises InvalidRequestError with the real API's text when prompt and max_tokens do not fit; a
    max_tokens that was not sent counts as zero there, and the default is cut to the room left.
    """
    if num_prompt_tokens + max(asked or 0, 1) > max_model_len:
        raise InvalidRequestError(
            f"This model's maximum context length is {max_model_len} tokens. However, you "
            f"requested {num_prompt_tokens + (asked or 0)} tokens ({num_prompt_tokens} in the "
            f"messages, {asked or 0} in the completion). Please reduce the length of the messages "
            "or completion."
        )
    if asked is not None:
        return asked
    return min(default, max_model_len - num_prompt_tokens)


def _max_tokens_default(route: Route, *, thinking: bool) -> int:
    if route.thinking_only:
        return MAX_TOKENS_THINKING_ONLY
    return MAX_TOKENS_DEFAULT_THINKING if thinking else MAX_TOKENS_DEFAULT


def _pipeline(
    route: Route, request: ChatRequest | CompletionRequest, parser: ResponseParser | None
) -> OutputPipeline:
    return OutputPipeline(route.model.tokenizer, parser, request.stop, request.logprobs or 0)


def _num_characters(request: ChatRequest | CompletionRequest) -> int:
    if isinstance(request, CompletionRequest):
        return len(request.prompt) + len(request.suffix or "")
    return sum(len(message.content) for message in request.messages)
