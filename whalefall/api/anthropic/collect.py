"""Neutral events become one Anthropic-style message. Pure.

Implements sse.EventEncoder for answers that are not streamed; the words for why an answer ended
and the usage shape are shared with the stream."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from whalefall.api.anthropic.protocol import (
    ContentBlock,
    MessageAnswer,
    MessageUsage,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
)
from whalefall.api.sse import ResponseHead, error_after_start
from whalefall.base.errors import PlatformError
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
)

_STOP_REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
}
_KEY = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*')
_COMMA = re.compile(r"\s*,")


def stop_reason(finished: Finished) -> str:
    """Reasons the format has no word for keep their own: clients read the field as plain text."""
    if finished.finish_reason is FinishReason.STOP and finished.stop_sequence is not None:
        return "stop_sequence"
    return _STOP_REASONS.get(finished.finish_reason, finished.finish_reason.value)


def message_usage(prompt_tokens: int, cached_tokens: int, output_tokens: int) -> MessageUsage:
    return MessageUsage(prompt_tokens - cached_tokens, 0, cached_tokens, output_tokens)


def signature_of(head: ResponseHead) -> str:
    """Clients expect thinking to be signed and send the signature back; it is never checked."""
    return head.id


@dataclass(slots=True)
class _GrowingCall:
    id: str
    name: str
    fragments: list[str] = field(default_factory=list)


class MessageCollector:
    """Takes the events of one generation; says nothing until the last, then the whole message."""

    media_type = "application/json"

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self._thinking: list[str] = []
        self._text: list[str] = []
        self._calls: list[_GrowingCall] = []

    def push(self, event: Event) -> bytes:
        match event:
            case KeepAlive():
                return b"\n"
            case ContentDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._thinking.append(text)
            case ToolCallStart(_, call_id, name):
                self._calls.append(_GrowingCall(call_id, name))
            case ToolCallArguments(index, fragment):
                self._calls[index].fragments.append(fragment)
            case Finished():
                return msgspec.json.encode(self._message(event))
        return b""

    def fail(self, error: PlatformError) -> bytes:
        return error_after_start(error, is_stream=False)

    def _message(self, finished: Finished) -> MessageAnswer:
        usage = finished.usage
        return MessageAnswer(
            self._head.id,
            "message",
            "assistant",
            self._head.model,
            self._content(),
            stop_reason(finished),
            finished.stop_sequence,
            message_usage(usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens),
        )

    def _content(self) -> tuple[ContentBlock, ...]:
        blocks: list[ContentBlock] = []
        thinking, text = "".join(self._thinking), "".join(self._text)
        if thinking:
            blocks.append(ThinkingBlock(thinking, signature_of(self._head)))
        if text:
            blocks.append(TextBlock(text))
        blocks += [
            ToolUseBlock(call.id, call.name, tool_input("".join(call.fragments)))
            for call in self._calls
        ]
        return tuple(blocks)


def tool_input(arguments: str) -> dict[str, Any]:
    """The arguments as an object. A text cut off by the token limit, or broken by the model, gives
    the members that are whole."""
    try:
        whole = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return _whole_members(arguments)
    return whole if isinstance(whole, dict) else {}


def _whole_members(arguments: str) -> dict[str, Any]:
    decoder = json.JSONDecoder()
    members: dict[str, Any] = {}
    index = arguments.find("{") + 1
    while index > 0 and (key := _KEY.match(arguments, index)) is not None:
        try:
            name = json.loads(key[1])
            value, end = decoder.raw_decode(arguments, key.end())
        except (ValueError, RecursionError):
            break
        is_cut = end == len(arguments) and isinstance(value, (int, float))
        if not is_cut:
            members[name] = value
        comma = _COMMA.match(arguments, end)
        index = comma.end() if comma is not None else 0
    return members
