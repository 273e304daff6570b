"""One admitted request from submission to settlement.

The generation runs in a task of its own that no client can cancel: a reader who leaves causes an
abort in the engine, and the task still settles what was generated. Deliveries are noted in the
journal before they are handed out, and the charge is durable before the last event is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from whalefall.base.errors import InvalidRequestError, OverloadedError, PlatformError, ServerError
from whalefall.chat.messages import (
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    Started,
    Usage,
)
from whalefall.engine.client import EngineClient
from whalefall.engine.errors import EngineDiedError, EngineError, EngineRejectedError
from whalefall.engine.request import EngineOutput, EngineRequest
from whalefall.serving.journal import Journal, Progress
from whalefall.serving.metering import Meter, OpenHold
from whalefall.serving.pipeline import OutputPipeline

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ServingLimits:
    keep_alive_seconds: float = 10.0
    """How often a reader whose request has not started is told to keep waiting."""
    start_timeout_seconds: float = 600.0
    """Without a first token by then the request ends and costs nothing."""
    queue_length_max: int = 4096
    """Requests waiting for one engine; beyond, new ones are answered 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Everything a generation needs, decided before it starts."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    engine: EngineClient
    engine_request: EngineRequest
    pipeline: OutputPipeline
    hold: OpenHold
    thinking: bool


class ActiveGeneration:
    """Implements serving.platform.Generation."""

    def __init__(
        self, assignment: Assignment, meter: Meter, journal: Journal, limits: ServingLimits
    ) -> None:
        self._assignment = assignment
        self._meter = meter
        self._journal = journal
        self._limits = limits
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._error: PlatformError | None = None
        self._has_started = False
        self._prompt_tokens = len(assignment.engine_request.prompt_token_ids)
        self._cached_tokens = 0
        self._slot = journal.open(assignment.hold.hold_id, assignment.hold.charge.encode())
        self._task = asyncio.create_task(self._run(), name=f"generation {assignment.id}")

    @property
    def id(self) -> str:
        return self._assignment.id

    @property
    def created(self) -> int:
        return self._assignment.created

    @property
    def model(self) -> str:
        return self._assignment.model

    @property
    def system_fingerprint(self) -> str:
        return self._assignment.system_fingerprint

    @property
    def num_output_tokens(self) -> int:
        """So far."""
        return self._assignment.pipeline.completion_tokens

    @property
    def task(self) -> asyncio.Task[None]:
        return self._task

    async def events(self) -> AsyncIterator[Event]:
        while True:
            while self._events:
                event = self._events.popleft()
                yield event
                if isinstance(event, Finished):
                    return
            if self._task.done():
                # The task ends with Finished or with an error, never silently.
                raise self._error or ServerError("The generation ended without a result.")
            self._news.clear()
            try:
                async with asyncio.timeout(self._limits.keep_alive_seconds):
                    await self._news.wait()
            except TimeoutError:
                if not self._has_started:
                    yield KeepAlive()

    async def aclose(self) -> None:
        if not self._task.done():
            await self._assignment.engine.abort(self._assignment.engine_request.request_id)
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        engine_reason = FinishReason.ABORT
        try:
            engine_reason = await self._generate()
        except EngineRejectedError as error:
            self._error = InvalidRequestError(str(error))
        except (EngineDiedError, TimeoutError) as error:
            log.warning("generation failed", request_id=self.id, reason=repr(error))
            self._error = OverloadedError()
        except EngineError as error:
            log.error("generation failed", request_id=self.id, reason=repr(error))
            self._error = ServerError("The engine failed while generating.")
        except Exception:
            log.exception("generation failed", request_id=self.id)
            self._error = ServerError("The platform failed while generating.")
        finally:
            await self._settle(engine_reason)
            self._news.set()

    async def _generate(self) -> FinishReason:
        """Consume the engine's outputs to the end; returns why it ended."""
        assignment = self._assignment
        pipeline = assignment.pipeline
        stream = assignment.engine.generate(assignment.engine_request)
        try:
            async with asyncio.timeout(self._limits.start_timeout_seconds) as start:
                async for output in stream:
                    if not self._has_started:
                        self._note_start(output)
                        start.reschedule(None)
                    self._take(output)
                    if pipeline.is_stopped:
                        return FinishReason.STOP
                    if output.finish_reason is not None:
                        return output.finish_reason
        finally:
            # Closing the iterator early is what aborts the request in the engine.
            await stream.aclose()  # type: ignore[attr-defined]
        return FinishReason.ABORT

    def _note_start(self, output: EngineOutput) -> None:
        self._has_started = True
        self._cached_tokens = output.num_cached_tokens
        self._events.append(Started(self._prompt_tokens, self._cached_tokens))

    def _take(self, output: EngineOutput) -> None:
        pipeline = self._assignment.pipeline
        events: list[Event] = []
        for index, token_id in enumerate(output.token_ids):
            logprobs = output.logprobs[index] if output.logprobs is not None else None
            events += pipeline.push(token_id, logprobs)
            if pipeline.is_stopped:
                break
        self._journal.note(self._slot, self._progress)
        if events:
            self._events += events
            self._news.set()

    @property
    def _progress(self) -> Progress:
        pipeline = self._assignment.pipeline
        return Progress(
            self._prompt_tokens,
            self._cached_tokens,
            pipeline.completion_tokens,
            pipeline.reasoning_tokens,
        )

    async def _settle(self, engine_reason: FinishReason) -> None:
        """Charge the answer, or give everything back when there was none; then say goodbye. A hold
        that cannot be resolved now stays in the journal for the recovery."""
        progress = self._progress
        hold = self._assignment.hold
        is_answered = self._error is None and engine_reason is not FinishReason.ABORT
        try:
            await self._meter.resolve(hold.hold_id, hold.charge, progress, is_answered=is_answered)
        except Exception as error:
            log.critical("settling failed", hold_id=hold.hold_id, exc_info=error)
            self._error = ServerError("The charge for this request could not be recorded.")
            return
        self._journal.close_slot(self._slot)
        if self._error is None:
            self._finish(engine_reason, progress)

    def _finish(self, engine_reason: FinishReason, progress: Progress) -> None:
        pipeline = self._assignment.pipeline
        self._events += pipeline.finish(engine_reason)
        usage = Usage(
            prompt_tokens=progress.prompt_tokens,
            completion_tokens=progress.completion_tokens,
            cached_tokens=progress.cached_tokens,
            reasoning_tokens=progress.reasoning_tokens if self._assignment.thinking else None,
        )
        reason = pipeline.finish_reason(engine_reason)
        self._events.append(Finished(reason, usage, pipeline.stop_sequence))
