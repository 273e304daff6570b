"""Neutral values between the wire dialects and the model: what is asked, and the events that
answer it. Every dialect converts to and from these; nothing here knows HTTP, JSON or tokens."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from whalefall.engine.request import FinishReason

__all__ = [
    "ChatRequest",
    "CompletionRequest",
    "ContentDelta",
    "Event",
    "FinishReason",
    "Finished",
    "KeepAlive",
    "Message",
    "ReasoningDelta",
    "ResponseFormat",
    "ResponseFormatKind",
    "Role",
    "Started",
    "TextLogprobs",
    "Tool",
    "ToolCall",
    "ToolCallArguments",
    "ToolCallStart",
    "ToolChoice",
    "ToolChoiceMode",
    "TopLogprob",
    "Usage",
]


class Role(enum.StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str
    """A JSON object as text, exactly as the caller or the model wrote it."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str = ""
    name: str | None = None
    reasoning_content: str | None = None
    """None when the key was absent or null; "" is a given, empty reasoning."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    prefix: bool = False
    """On the last assistant message: continue this text instead of answering it."""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    """A JSON Schema object, key order as received, so that the rendered prompt is byte-stable."""
    strict: bool = False


class ToolChoiceMode(enum.StrEnum):
    NONE = "none"
    AUTO = "auto"
    REQUIRED = "required"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ToolChoice:
    mode: ToolChoiceMode
    name: str | None = None
    """The function's name when the mode is NAMED."""


class ResponseFormatKind(enum.StrEnum):
    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    kind: ResponseFormatKind = ResponseFormatKind.TEXT
    schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One chat generation, validated by the wire layer; defaults are resolved by serving."""

    model: str
    """The name the caller used; it is echoed."""
    messages: tuple[Message, ...]
    thinking: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice(ToolChoiceMode.AUTO)
    response_format: ResponseFormat = ResponseFormat()
    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """None: none. n: the chosen token's and the n likeliest."""
    user_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest:
    """One fill-in-the-middle or plain completion."""

    model: str
    prompt: str
    suffix: str | None = None
    echo: bool = False
    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    user_id: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class TopLogprob:
    token: str
    logprob: float
    bytes: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class TextLogprobs:
    """One generated token as text, with its log probability and the likeliest alternatives."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Engine-counted tokens. `completion_tokens` includes reasoning and tool markup, never the
    end-of-sentence token."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int | None = None
    """None when not thinking, so that the wire can leave the key out."""

    @property
    def missed_tokens(self) -> int:
        return self.prompt_tokens - self.cached_tokens

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Nothing yet: the request still waits for its first token."""


@dataclass(frozen=True, slots=True)
class Started:
    """The wait is over: sent at most once, before the first delta and after any KeepAlive. Dialects
    that report the prompt's size up front need it; the others may pass over it."""

    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str
    logprobs: tuple[TextLogprobs, ...] = ()


@dataclass(frozen=True, slots=True)
class ContentDelta:
    text: str
    logprobs: tuple[TextLogprobs, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallArguments:
    index: int
    fragment: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every generation, sent only after the charge is durable."""

    finish_reason: FinishReason
    usage: Usage
    stop_sequence: str | None = field(default=None)
    """The stop string that ended it, if one did."""


Event = (
    KeepAlive
    | Started
    | ReasoningDelta
    | ContentDelta
    | ToolCallStart
    | ToolCallArguments
    | Finished
)
