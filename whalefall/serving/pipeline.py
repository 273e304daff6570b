"""From token events to the neutral events of a reply: detokenise, parse, stop, count.

A pure state machine over one request's tokens. It knows nothing of money, engines or sockets."""

from __future__ import annotations

from whalefall.chat.detokenizer import Detokenizer
from whalefall.chat.logprobs import text_logprobs
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    FinishReason,
    ReasoningDelta,
    TextLogprobs,
    ToolCallArguments,
    ToolCallStart,
)
from whalefall.chat.parser import ResponseParser
from whalefall.chat.stop_strings import StopStrings
from whalefall.chat.tokenizer import Tokenizer
from whalefall.engine.request import TokenLogprobs

_Delta = ReasoningDelta | ContentDelta | ToolCallStart | ToolCallArguments


class OutputPipeline:
    """Feed tokens with `push`, end with `finish`; both return events to deliver.

    `parser` None means plain completion: every text is content. Stop strings end the content
    only; reasoning and tool calls are not searched.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        parser: ResponseParser | None,
        stop: tuple[str, ...],
        num_top_logprobs: int = 0,
    ) -> None:
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer)
        self._parser = parser
        self._stop = StopStrings(stop) if stop else None
        self._num_top_logprobs = num_top_logprobs
        self._pending_logprobs: list[TextLogprobs] = []
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self.stop_sequence: str | None = None

    @property
    def saw_tool_calls(self) -> bool:
        return self._parser is not None and self._parser.saw_tool_calls

    @property
    def is_stopped(self) -> bool:
        """A stop string has matched: nothing more may be pushed."""
        return self.stop_sequence is not None

    def push(self, token_id: int, logprobs: TokenLogprobs | None) -> list[Event]:
        self.completion_tokens += 1
        if logprobs is not None:
            entry = text_logprobs(self._tokenizer, logprobs, self._num_top_logprobs)
            self._pending_logprobs.append(entry)
        was_reasoning = self._is_reasoning
        events = self._events_from_text(self._detokenizer.push([token_id]))
        # The token that closes the reasoning is markup, not a visible thought.
        if was_reasoning and self._is_reasoning:
            self.reasoning_tokens += 1
        return events

    def finish(self, engine_reason: FinishReason) -> list[Event]:
        """What was held back, once no more tokens come. Nothing after a stop string."""
        if self.is_stopped:
            return []
        events = self._events_from_text(self._detokenizer.finish())
        if self._parser is not None and not self.is_stopped:
            for delta in self._parser.finish(is_truncated=engine_reason is not FinishReason.STOP):
                events += self._events_from_delta(delta)
        if self._stop is not None and not self.is_stopped:
            events += self._content(self._stop.finish())
        if self._pending_logprobs and not self.is_stopped:
            # Tokens whose text was swallowed still owe their log probabilities.
            events += self._content("")
        return events

    def finish_reason(self, engine_reason: FinishReason) -> FinishReason:
        if self.is_stopped:
            return FinishReason.STOP
        if engine_reason is FinishReason.STOP and self.saw_tool_calls:
            return FinishReason.TOOL_CALLS
        return engine_reason

    @property
    def _is_reasoning(self) -> bool:
        return self._parser is not None and self._parser.in_reasoning

    def _events_from_text(self, text: str) -> list[Event]:
        if self._parser is None:
            return self._events_from_delta(ContentDelta(text)) if text else []
        events: list[Event] = []
        for delta in self._parser.push(text) if text else ():
            events += self._events_from_delta(delta)
            if self.is_stopped:
                break
        return events

    def _events_from_delta(self, delta: _Delta) -> list[Event]:
        if isinstance(delta, ContentDelta):
            if self._stop is None:
                return self._content(delta.text)
            safe_text, self.stop_sequence = self._stop.push(delta.text)
            return self._content(safe_text) if safe_text else []
        if isinstance(delta, ReasoningDelta):
            return [ReasoningDelta(delta.text, self._take_logprobs())]
        flushed = self._content(self._stop.finish()) if self._stop is not None else []
        self._pending_logprobs.clear()
        return [*flushed, delta]

    def _content(self, text: str) -> list[Event]:
        logprobs = self._take_logprobs() if text or self._pending_logprobs else ()
        return [ContentDelta(text, logprobs)] if text or logprobs else []

    def _take_logprobs(self) -> tuple[TextLogprobs, ...]:
        taken = tuple(self._pending_logprobs)
        self._pending_logprobs.clear()
        return taken
