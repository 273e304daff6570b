"""Wire shapes of POST /responses, field by field, in wire order.

Input items and tools are read one by one in items.py and convert.py, because kinds that nobody
knows are to be passed over, not refused. Parameters that are not declared are dropped."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]

# --- requests -----------------------------------------------------------------------------------


class ReasoningParam(msgspec.Struct, frozen=True):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class TextFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextParam(msgspec.Struct, frozen=True):
    format: TextFormat | None = None


class ResponsesRequest(msgspec.Struct, frozen=True):
    model: str
    input: (
        Annotated[
            str | list[dict[str, Any]],
            Meta(extra={"untagged_enum": "Input", "names_bad_items": True}),
        ]
        | None
    ) = None
    instructions: str | None = None
    max_output_tokens: U32 | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning: ReasoningParam | None = None
    text: TextParam | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    previous_response_id: str | None = None
    user: str | None = None


# --- input items --------------------------------------------------------------------------------


class InputPart(msgspec.Struct, frozen=True):
    """A piece of text under any of its names; `refusal` is what such a part calls its text."""

    type: Literal["input_text", "output_text", "text", "refusal"]
    text: str = ""
    refusal: str = ""


PartList = (
    Annotated[
        str | list[InputPart],
        Meta(extra={"untagged_enum": "Content", "names_bad_items": True}),
    ]
    | None
)


class InputMessage(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: PartList


class FunctionCallParam(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(msgspec.Struct, frozen=True):
    call_id: str
    output: PartList


class TextPiece(msgspec.Struct, frozen=True):
    text: str


class ReasoningItemParam(msgspec.Struct, frozen=True):
    """What was thought, or at least its summary; what is encrypted cannot be read here."""

    summary: list[TextPiece] | None = None
    content: list[TextPiece] | None = None


class FunctionToolParam(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


# --- answers ------------------------------------------------------------------------------------


class ReasoningText(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: tuple[()] = ()


class ReasoningItem(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    id: str
    status: str
    content: tuple[ReasoningText, ...]
    summary: tuple[()] = ()


class MessageItem(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    id: str
    status: str
    role: str
    content: tuple[OutputText, ...]


class FunctionCallItem(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    id: str
    status: str
    call_id: str
    name: str
    arguments: str


OutputItem = ReasoningItem | MessageItem | FunctionCallItem


class InputTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class OutputTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: str


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class ReasoningSettings(msgspec.Struct, frozen=True):
    effort: str | None
    summary: None = None


class TextSettings(msgspec.Struct, frozen=True):
    format: TextFormat


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: str
    background: bool = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = {}
    model: str
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool = True
    previous_response_id: None = None
    reasoning: ReasoningSettings
    store: bool = False
    temperature: float
    text: TextSettings
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_p: float
    truncation: str = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
