"""Scripts and bodies that several tests of the Responses dialect share."""

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

PATH = "/responses"
CALL_0 = "call_00_AAAAAAAAAAAAAAAAAAAAAAAA"
CALL_1 = "call_01_BBBBBBBBBBBBBBBBBBBBBBBB"
STARTED = Started(100, 64)
WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
    "strict": False,
}


def body(**fields: object) -> dict[str, Any]:
    return {"model": "deepseek-chat", "input": "Hi", **fields}


def finished(
    reason: FinishReason = FinishReason.STOP, reasoning_tokens: int | None = None
) -> Finished:
    return Finished(reason, Usage(100, 7, 64, reasoning_tokens))


PLAIN: tuple[Event, ...] = (STARTED, ContentDelta("Hel"), ContentDelta("lo 😊"), finished())
THINKING: tuple[Event, ...] = (
    STARTED,
    ReasoningDelta("Let me"),
    ReasoningDelta(" see."),
    ContentDelta("Four."),
    finished(reasoning_tokens=4),
)
CALLS: tuple[Event, ...] = (
    STARTED,
    ReasoningDelta("Look it up."),
    ContentDelta("I look."),
    ToolCallStart(0, CALL_0, "get_weather"),
    ToolCallArguments(0, '{"location": '),
    ToolCallArguments(0, '"San Francisco"}'),
    ToolCallStart(1, CALL_1, "get_weather"),
    ToolCallArguments(1, "{}"),
    finished(FinishReason.TOOL_CALLS, reasoning_tokens=3),
)
WAITING: tuple[Event, ...] = (KeepAlive(), KeepAlive(), *PLAIN)
CUT: tuple[Event, ...] = (STARTED, ContentDelta("Hm"), finished(FinishReason.LENGTH))
WITHHELD: tuple[Event, ...] = (STARTED, finished(FinishReason.CONTENT_FILTER))
INTERRUPTED: tuple[Event, ...] = (
    STARTED,
    ContentDelta("Hm"),
    finished(FinishReason.INSUFFICIENT_SYSTEM_RESOURCE),
)

STREAMS: dict[str, tuple[Event, ...]] = {
    "plain": PLAIN,
    "thinking": THINKING,
    "calls": CALLS,
    "waiting": WAITING,
    "cut": CUT,
    "withheld": WITHHELD,
    "interrupted": INTERRUPTED,
}

ITEMS: tuple[dict[str, Any], ...] = (
    {"type": "message", "role": "user", "content": "q"},
    {"type": "reasoning", "summary": []},
    {"type": "function_call", "call_id": CALL_0, "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": CALL_0, "output": "r"},
)
"""One of each kind that is read."""
