"""Wire shapes of the Anthropic-style endpoints, field by field, in wire order.

Ignored fields (cache_control, citations, is_error, top_k, service_tier, container, mcp_servers and
whatever else a client adds) are not declared: unknown fields are dropped. Blocks that the platform
does not support are missing from the unions, so the parser refuses them by name. Value ranges and
the order of blocks are convert.py's and turns.py's business."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from whalefall.api.errors import ErrorDetail

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]

# --- requests -----------------------------------------------------------------------------------


class TextPart(msgspec.Struct, frozen=True):
    """The only part that `system` and a tool result may hold."""

    type: Literal["text"]
    text: str


class TextBlockParam(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    enum_name: ClassVar[str] = "ContentBlockParam"

    text: str


class ThinkingBlockParam(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    """The signature that came with it is not checked: it proves nothing here."""

    thinking: str


class ToolUseBlockParam(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlockParam(msgspec.Struct, frozen=True, tag_field="type", tag="tool_result"):
    tool_use_id: str
    content: (
        Annotated[
            str | list[TextPart],
            Meta(extra={"untagged_enum": "ToolResultContent", "names_bad_items": True}),
        ]
        | None
    ) = None


BlockParam = TextBlockParam | ThinkingBlockParam | ToolUseBlockParam | ToolResultBlockParam


class MessageParam(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant"]
    content: Annotated[
        str | list[BlockParam],
        Meta(extra={"untagged_enum": "MessageContent", "names_bad_items": True}),
    ]


SystemParam = Annotated[
    str | list[TextPart],
    Meta(extra={"untagged_enum": "SystemContent", "names_bad_items": True}),
]


class ThinkingParam(msgspec.Struct, frozen=True):
    """`adaptive` and `between_tools` are what newer clients send instead of a budget; both mean
    enabled."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]


class ToolParam(msgspec.Struct, frozen=True):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None


class ToolChoiceAuto(msgspec.Struct, frozen=True, tag_field="type", tag="auto"):
    enum_name: ClassVar[str] = "ToolChoiceParam"


class ToolChoiceAny(msgspec.Struct, frozen=True, tag_field="type", tag="any"):
    pass


class ToolChoiceTool(msgspec.Struct, frozen=True, tag_field="type", tag="tool"):
    name: str


class ToolChoiceNone(msgspec.Struct, frozen=True, tag_field="type", tag="none"):
    pass


ToolChoiceParam = ToolChoiceAuto | ToolChoiceAny | ToolChoiceTool | ToolChoiceNone


class MessagesRequest(msgspec.Struct, frozen=True):
    model: str
    max_tokens: U32
    messages: list[MessageParam]
    system: SystemParam | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: ThinkingParam | None = None
    tools: list[ToolParam] | None = None
    tool_choice: ToolChoiceParam | None = None
    metadata: Any = None
    """Ignored, except that the later era reads `user_id` in it."""


class CountTokensRequest(msgspec.Struct, frozen=True):
    model: str
    messages: list[MessageParam]
    system: SystemParam | None = None
    thinking: ThinkingParam | None = None
    tools: list[ToolParam] | None = None
    tool_choice: ToolChoiceParam | None = None


# --- answers ------------------------------------------------------------------------------------


class ThinkingBlock(msgspec.Struct, frozen=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class TextBlock(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class ToolUseBlock(msgspec.Struct, frozen=True, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]


ContentBlock = ThinkingBlock | TextBlock | ToolUseBlock


class MessageUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    """Cache misses only."""
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    service_tier: str = "standard"


class MessageAnswer(msgspec.Struct, frozen=True):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: tuple[ContentBlock, ...]
    stop_reason: str | None
    stop_sequence: str | None
    usage: MessageUsage


class InputTokens(msgspec.Struct, frozen=True):
    input_tokens: int


class ModelCard(msgspec.Struct, frozen=True, tag_field="type", tag="model"):
    id: str
    display_name: str
    created_at: str = "1970-01-01T00:00:00Z"
    """RFC 3339; the epoch stands for a date that is not told."""


class ModelPage(msgspec.Struct, frozen=True):
    data: tuple[ModelCard, ...]
    has_more: bool
    first_id: str | None
    last_id: str | None


# --- stream events ------------------------------------------------------------------------------


class MessageStart(msgspec.Struct, frozen=True, tag_field="type", tag="message_start"):
    message: MessageAnswer


class ContentBlockStart(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_start"):
    index: int
    content_block: ContentBlock


class ThinkingDelta(msgspec.Struct, frozen=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, frozen=True, tag_field="type", tag="signature_delta"):
    signature: str


class TextDelta(msgspec.Struct, frozen=True, tag_field="type", tag="text_delta"):
    text: str


class InputJSONDelta(msgspec.Struct, frozen=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


BlockDelta = ThinkingDelta | SignatureDelta | TextDelta | InputJSONDelta


class ContentBlockDelta(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_delta"):
    index: int
    delta: BlockDelta


class ContentBlockStop(msgspec.Struct, frozen=True, tag_field="type", tag="content_block_stop"):
    index: int


class StopDelta(msgspec.Struct, frozen=True):
    stop_reason: str
    stop_sequence: str | None


class OutputTokens(msgspec.Struct, frozen=True):
    output_tokens: int


class MessageDelta(msgspec.Struct, frozen=True, tag_field="type", tag="message_delta"):
    delta: StopDelta
    usage: OutputTokens


class MessageStop(msgspec.Struct, frozen=True, tag_field="type", tag="message_stop"):
    pass


class StreamError(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """What a failure after the first event looks like: the standard error under Anthropic's
    event name."""

    error: ErrorDetail
