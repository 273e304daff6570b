"""Neutral events become the Anthropic event stream. A pure state machine: one block is open at a
time, and every block that was opened is closed.

Implements sse.EventEncoder. `message_start` waits for the prompt's figures; until then only
keep-alive comments are sent."""

from __future__ import annotations

import msgspec

from whalefall.api.anthropic.collect import message_usage, signature_of, stop_reason
from whalefall.api.anthropic.protocol import (
    BlockDelta,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    InputJSONDelta,
    MessageAnswer,
    MessageDelta,
    MessageStart,
    MessageStop,
    OutputTokens,
    SignatureDelta,
    StopDelta,
    StreamError,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
)
from whalefall.api.errors import ErrorDetail
from whalefall.api.named_events import named_event
from whalefall.api.sse import EVENT_STREAM, KEEP_ALIVE, ResponseHead
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    KeepAlive,
    ReasoningDelta,
    Started,
    ToolCallArguments,
    ToolCallStart,
)


class MessageStream:
    media_type = EVENT_STREAM

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self._has_started = False
        self._open: ContentBlock | None = None
        self._index = -1

    def push(self, event: Event) -> bytes:
        match event:
            case KeepAlive():
                return KEEP_ALIVE
            case Started(prompt_tokens, cached_tokens):
                return self._start(prompt_tokens, cached_tokens)
            case Finished():
                return self._finish(event)
        events = [self._start(0, 0), *self._block_events(event)]
        return b"".join(events)

    def fail(self, error: PlatformError) -> bytes:
        return named_event(StreamError(ErrorDetail(error.message, error.type, None, error.code)))

    def _start(self, prompt_tokens: int, cached_tokens: int) -> bytes:
        if self._has_started:
            return b""
        self._has_started = True
        usage = message_usage(prompt_tokens, cached_tokens, 0)
        message = MessageAnswer(
            self._head.id, "message", "assistant", self._head.model, (), None, None, usage
        )
        return named_event(MessageStart(message))

    def _block_events(self, event: Event) -> list[bytes]:
        match event:
            case ReasoningDelta(text) if text:
                block: ContentBlock = ThinkingBlock("", "")
                return [*self._opened(block), self._delta(ThinkingDelta(text))]
            case ContentDelta(text) if text:
                return [*self._opened(TextBlock("")), self._delta(TextDelta(text))]
            case ToolCallStart(_, call_id, name):
                return self._opened(ToolUseBlock(call_id, name, {}))
            case ToolCallArguments(_, fragment) if fragment:
                return [self._delta(InputJSONDelta(fragment))]
        return []

    def _opened(self, block: ContentBlock) -> list[bytes]:
        """Open this block unless one of its kind is open; tool calls are each a block."""
        if type(block) is type(self._open) and not isinstance(block, ToolUseBlock):
            return []
        events = self._closed()
        self._open = block
        self._index += 1
        return [*events, named_event(ContentBlockStart(self._index, block))]

    def _closed(self) -> list[bytes]:
        events: list[bytes] = []
        if isinstance(self._open, ThinkingBlock):
            events.append(self._delta(SignatureDelta(signature_of(self._head))))
        if self._open is not None:
            events.append(named_event(ContentBlockStop(self._index)))
        self._open = None
        return events

    def _delta(self, delta: BlockDelta) -> bytes:
        return named_event(ContentBlockDelta(self._index, delta))

    def _finish(self, finished: Finished) -> bytes:
        usage = finished.usage
        stop = StopDelta(stop_reason(finished), finished.stop_sequence)
        endings: list[msgspec.Struct] = [
            MessageDelta(stop, OutputTokens(usage.completion_tokens)),
            MessageStop(),
        ]
        return b"".join(
            [
                self._start(usage.prompt_tokens, usage.cached_tokens),
                *self._closed(),
                *map(named_event, endings),
            ]
        )
