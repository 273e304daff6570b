"""Wire shapes of POST /chat/completions and GET /models, field by field, in wire order.

Requests name types the way the real parser does (u8, u32, f32 through their bounds); optional
fields take null; unknown fields are dropped. Value ranges are convert.py's business."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

U8 = Annotated[int, Meta(ge=0, le=2**8 - 1)]
U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class TextPart(msgspec.Struct, frozen=True):
    type: Literal["text"]
    text: str


Content = Annotated[
    str | list[TextPart],
    Meta(extra={"untagged_enum": "ChatCompletionRequestContent", "names_bad_items": True}),
]


class FunctionCall(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class AssistantToolCall(msgspec.Struct, frozen=True):
    id: str
    type: Literal["function"]
    function: FunctionCall


class SystemMessage(msgspec.Struct, frozen=True, tag_field="role", tag="system"):
    content: Content
    name: str | None = None


class UserMessage(msgspec.Struct, frozen=True, tag_field="role", tag="user"):
    content: Content
    name: str | None = None


class AssistantMessage(msgspec.Struct, frozen=True, tag_field="role", tag="assistant"):
    content: Content | None = None
    name: str | None = None
    prefix: bool | None = None
    reasoning_content: str | None = None
    tool_calls: list[AssistantToolCall] | None = None


class ToolMessage(msgspec.Struct, frozen=True, tag_field="role", tag="tool"):
    content: Content
    tool_call_id: str


Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage


class Thinking(msgspec.Struct, frozen=True):
    type: Literal["enabled", "disabled"]


class ResponseFormat(msgspec.Struct, frozen=True):
    type: Literal["text", "json_object", "json_schema"]


class FunctionDefinition(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    is_buffered: ClassVar[bool] = True
    """The real parser reads the whole tool before it judges it: errors name `tools[i]`."""

    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(msgspec.Struct, frozen=True):
    name: str


class NamedToolChoice(msgspec.Struct, frozen=True):
    type: Literal["function"]
    function: FunctionName


ToolChoice = Annotated[
    Literal["none", "auto", "required"] | NamedToolChoice,
    Meta(extra={"mismatch": "expected one of `none`, `auto`, `required` or a tool"}),
]
Stop = Annotated[str | list[str], Meta(extra={"untagged_enum": "Stop"})]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class ChatCompletionRequest(msgspec.Struct, frozen=True):
    messages: list[Message]
    model: str
    thinking: Thinking | None = None
    reasoning_effort: Any = None
    """Of the later era; an unknown field, so of any type, in the earlier one."""
    max_tokens: U32 | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: Stop | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    logprobs: bool | None = None
    top_logprobs: U8 | None = None
    user_id: str | None = None
    seed: Any = None
    """Not the vendor's, so of any type: an integer makes sampling repeatable, the rest is
    ignored like every unknown field."""


# --- answers ------------------------------------------------------------------------------------


class CompletionFunction(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class CompletionToolCall(msgspec.Struct, frozen=True):
    index: int
    id: str
    type: str
    function: CompletionFunction


class CompletionMessage(msgspec.Struct, frozen=True):
    role: str
    content: str
    reasoning_content: str | UnsetType = UNSET
    tool_calls: tuple[CompletionToolCall, ...] | UnsetType = UNSET


class LogprobEntry(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None


class TokenLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: tuple[int, ...] | None
    top_logprobs: tuple[LogprobEntry, ...]


class ChoiceLogprobs(msgspec.Struct, frozen=True):
    content: tuple[TokenLogprob, ...]
    reasoning_content: tuple[TokenLogprob, ...] | UnsetType = UNSET


class CompletionChoice(msgspec.Struct, frozen=True):
    index: int
    message: CompletionMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: str


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class CompletionUsage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET
    """In thinking mode only."""
    prompt_cache_hit_tokens: int
    prompt_cache_miss_tokens: int


class ChatCompletion(msgspec.Struct, frozen=True):
    id: str
    object: str
    created: int
    model: str
    choices: tuple[CompletionChoice]
    usage: CompletionUsage
    system_fingerprint: str


class ModelEntry(msgspec.Struct, frozen=True):
    id: str
    object: str = "model"
    owned_by: str = "deepseek"


class ModelList(msgspec.Struct, frozen=True):
    object: str
    data: tuple[ModelEntry, ...]
