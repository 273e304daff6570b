"""Scripts and bodies that several tests of the Anthropic dialect share."""

from __future__ import annotations

from typing import Any

from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    ReasoningDelta,
    Started,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)

PATH = "/anthropic/v1/messages"
COUNT_PATH = "/anthropic/v1/messages/count_tokens"
CALL_0 = "call_00_AAAAAAAAAAAAAAAAAAAAAAAA"
CALL_1 = "call_01_BBBBBBBBBBBBBBBBBBBBBBBB"
STARTED = Started(100, 64)
WEATHER_TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Weather of a place.",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


def body(**fields: object) -> dict[str, Any]:
    return {
        "model": "deepseek-chat",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "Hi"}],
        **fields,
    }


def finished(
    reason: FinishReason = FinishReason.STOP, stop_sequence: str | None = None
) -> Finished:
    return Finished(reason, Usage(100, 7, 64), stop_sequence)


PLAIN: tuple[Event, ...] = (STARTED, ContentDelta("Hel"), ContentDelta("lo 😊"), finished())
THINKING: tuple[Event, ...] = (
    STARTED,
    ReasoningDelta("Let me"),
    ReasoningDelta(" see."),
    ContentDelta("Four."),
    finished(),
)
CALLS: tuple[Event, ...] = (
    STARTED,
    ReasoningDelta("Look it up."),
    ContentDelta("I look."),
    ToolCallStart(0, CALL_0, "get_weather"),
    ToolCallArguments(0, '{"location": '),
    ToolCallArguments(0, '"San Francisco"}'),
    ToolCallStart(1, CALL_1, "get_weather"),
    finished(FinishReason.TOOL_CALLS),
)
WAITING: tuple[Event, ...] = (KeepAlive(), KeepAlive(), *PLAIN)
CUT: tuple[Event, ...] = (STARTED, ReasoningDelta("Hm"), finished(FinishReason.LENGTH))
EMPTY: tuple[Event, ...] = (STARTED, finished())
STOPPED: tuple[Event, ...] = (STARTED, ContentDelta("1, 2"), finished(stop_sequence=", 3"))

STREAMS: dict[str, tuple[Event, ...]] = {
    "plain": PLAIN,
    "thinking": THINKING,
    "calls": CALLS,
    "waiting": WAITING,
    "cut": CUT,
    "empty": EMPTY,
    "stopped": STOPPED,
}
