"""Named calls with scripted generations, whose answers are kept as golden files.

The shapes are those of recorded traffic of 2025-02 and of the V3.2 era (2025-12), the texts are
ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.wire import chat_body
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    ReasoningDelta,
    TextLogprobs,
    ToolCallArguments,
    ToolCallStart,
    TopLogprob,
    Usage,
)

GOLDEN = Path(__file__).parents[1] / "golden"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a place.",
            "parameters": {
                "type": "object",
                "properties": {"location": {"type": "string"}},
                "required": ["location"],
            },
        },
    }
]


@dataclass(frozen=True)
class Scenario:
    path: str
    body: dict[str, Any]
    script: Sequence[Event]

    @property
    def is_stream(self) -> bool:
        return bool(self.body.get("stream"))


def recorded(name: str) -> dict[str, Any]:
    exchange: dict[str, Any] = json.loads((GOLDEN / "recorded" / name).read_text("utf-8"))
    return exchange


def finished(
    reason: FinishReason = FinishReason.STOP, reasoning_tokens: int | None = None
) -> Finished:
    return Finished(reason, Usage(100, 4, 64, reasoning_tokens))


def logprob(token: str, value: float, *others: tuple[str, float]) -> TextLogprobs:
    top = ((token, value), *others) if others else ()
    return TextLogprobs(
        token,
        value,
        tuple(token.encode()),
        tuple(TopLogprob(text, number, tuple(text.encode())) for text, number in top),
    )


PLAIN: tuple[Event, ...] = (
    ContentDelta("Hello"),
    ContentDelta(' "world"'),
    ContentDelta(" 😊\n"),
    finished(),
)
THINKING: tuple[Event, ...] = (
    ReasoningDelta("Let me"),
    ReasoningDelta(" see."),
    ContentDelta("Four"),
    ContentDelta("."),
    finished(reasoning_tokens=2),
)
CALLS: tuple[Event, ...] = (
    ContentDelta("I look."),
    ToolCallStart(0, "call_00_AAAAAAAAAAAAAAAAAAAAAAAA", "get_weather"),
    ToolCallArguments(0, '{"location": '),
    ToolCallArguments(0, '"San Francisco"}'),
    ToolCallStart(1, "call_01_BBBBBBBBBBBBBBBBBBBBBBBB", "get_weather"),
    ToolCallArguments(1, "{}"),
    finished(FinishReason.TOOL_CALLS),
)
THINKING_CALLS: tuple[Event, ...] = (
    ReasoningDelta("I need the weather."),
    ToolCallStart(0, "call_00_AAAAAAAAAAAAAAAAAAAAAAAA", "get_weather"),
    ToolCallArguments(0, '{"location": "Paris"}'),
    finished(FinishReason.TOOL_CALLS, reasoning_tokens=5),
)
LOGPROBS: tuple[Event, ...] = (
    ContentDelta("Hi", (logprob("Hi", -0.125, ("Hey", -2.5)),)),
    ContentDelta(
        " 😊",
        (
            TextLogprobs(" ", -0.5, (32,), (TopLogprob(" ", -0.5, (32,)),)),
            TextLogprobs("\ufffd", -9999.0, (240, 159, 152, 138), ()),
        ),
    ),
    finished(),
)


def fim_tokens() -> tuple[Event, ...]:
    """The recorded completion, token by token."""
    answer = recorded("fim_response.json")
    logprobs = answer["choices"][0]["logprobs"]
    pairs = zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True)
    deltas = tuple(
        ContentDelta(token, (TextLogprobs(token, value, None),)) for token, value in pairs
    )
    return (*deltas, Finished(FinishReason.STOP, Usage(7, 375, 0)))


def chat_recorded() -> tuple[Event, ...]:
    text = recorded("chat_response.json")["choices"][0]["message"]["content"]
    return (ContentDelta(text), Finished(FinishReason.STOP, Usage(36, 35, 0)))


_CHAT = "/chat/completions"
_FIM = "/beta/completions"
_REASONER = {"model": "deepseek-reasoner"}
_USAGE = {"stream_options": {"include_usage": True}}
_FIM_BODY: dict[str, Any] = {"model": "deepseek-chat", "prompt": "def f(", "suffix": ")"}
_FIM_SCRIPT: tuple[Event, ...] = (
    ContentDelta("a", (logprob("a", -0.25, ("b", -1.5)),)),
    ContentDelta(", b", (logprob(",", -0.5, (";", -3.0)), logprob(" b", -1.0, (" c", -1.25)))),
    finished(FinishReason.LENGTH),
)

SCENARIOS: dict[str, Scenario] = {
    "chat": Scenario(_CHAT, chat_body(), PLAIN),
    "chat_waiting": Scenario(_CHAT, chat_body(), (KeepAlive(), *PLAIN)),
    "chat_thinking": Scenario(_CHAT, chat_body(**_REASONER), THINKING),
    "chat_cut_in_thinking": Scenario(
        _CHAT,
        chat_body(thinking={"type": "enabled"}, max_tokens=2),
        (ReasoningDelta("Let me"), finished(FinishReason.LENGTH, reasoning_tokens=4)),
    ),
    "chat_tools": Scenario(_CHAT, chat_body(tools=TOOLS), CALLS),
    "chat_thinking_tools": Scenario(_CHAT, chat_body(**_REASONER, tools=TOOLS), THINKING_CALLS),
    "chat_logprobs": Scenario(_CHAT, chat_body(logprobs=True, top_logprobs=2), LOGPROBS),
    "stream": Scenario(_CHAT, chat_body(stream=True), PLAIN),
    "stream_waiting": Scenario(_CHAT, chat_body(stream=True), (KeepAlive(), *PLAIN)),
    "stream_usage": Scenario(_CHAT, chat_body(stream=True, **_USAGE), PLAIN),
    "stream_thinking": Scenario(_CHAT, chat_body(stream=True, **_REASONER), THINKING),
    "stream_tools": Scenario(_CHAT, chat_body(stream=True, tools=TOOLS), CALLS),
    "stream_thinking_tools": Scenario(
        _CHAT, chat_body(stream=True, **_REASONER, **_USAGE, tools=TOOLS), THINKING_CALLS
    ),
    "stream_logprobs": Scenario(
        _CHAT, chat_body(stream=True, logprobs=True, top_logprobs=2), LOGPROBS
    ),
    "stream_empty": Scenario(_CHAT, chat_body(stream=True), (finished(),)),
    "fim": Scenario(_FIM, _FIM_BODY, _FIM_SCRIPT),
    "fim_echo": Scenario(_FIM, {**_FIM_BODY, "echo": True}, _FIM_SCRIPT),
    "fim_logprobs": Scenario(_FIM, {**_FIM_BODY, "logprobs": 2}, _FIM_SCRIPT),
    "fim_stream": Scenario(_FIM, {**_FIM_BODY, "stream": True}, _FIM_SCRIPT),
    "fim_stream_logprobs": Scenario(
        _FIM, {**_FIM_BODY, **_USAGE, "stream": True, "logprobs": 2, "echo": True}, _FIM_SCRIPT
    ),
}
