"""Neutral events become output items and, at the end, the response object. Pure.

`Output` gathers; the stream tells what it gathered step by step, the collector all at once."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import msgspec

from whalefall.api.responses.protocol import (
    FunctionCallItem,
    IncompleteDetails,
    InputTokensDetails,
    MessageItem,
    OutputItem,
    OutputText,
    OutputTokensDetails,
    ReasoningItem,
    ReasoningSettings,
    ReasoningText,
    ResponseError,
    ResponseObject,
    ResponsesRequest,
    ResponseUsage,
    TextFormat,
    TextSettings,
)
from whalefall.api.sse import ResponseHead
from whalefall.base.errors import PlatformError, RateLimitedError
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)


class ItemKind(enum.Enum):
    """The value is the prefix of the item's id."""

    REASONING = "rs"
    MESSAGE = "msg"
    FUNCTION_CALL = "fc"


@dataclass(slots=True)
class GrowingItem:
    kind: ItemKind
    id: str
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def wire(self, status: str) -> OutputItem:
        """An item without text yet has no part."""
        text = self.text
        if self.kind is ItemKind.REASONING:
            return ReasoningItem(self.id, status, (ReasoningText(text),) if text else ())
        if self.kind is ItemKind.MESSAGE:
            return MessageItem(self.id, status, "assistant", (OutputText(text),) if text else ())
        return FunctionCallItem(self.id, status, self.call_id, self.name, text)


class Output:
    """The items of one response; the last may still grow."""

    def __init__(self) -> None:
        self.items: list[GrowingItem] = []

    @property
    def last_index(self) -> int:
        return len(self.items) - 1

    def take(self, event: Event) -> tuple[GrowingItem | None, str]:
        """Which item the event belongs to and the text it adds; None for an event that adds
        nothing to any."""
        match event:
            case ReasoningDelta(text) if text:
                return self._grown(ItemKind.REASONING, text)
            case ContentDelta(text) if text:
                return self._grown(ItemKind.MESSAGE, text)
            case ToolCallStart(_, call_id, name):
                return self._new(ItemKind.FUNCTION_CALL, call_id, name), ""
            case ToolCallArguments(_, fragment) if fragment:
                self.items[-1].pieces.append(fragment)
                return self.items[-1], fragment
        return None, ""

    def _grown(self, kind: ItemKind, text: str) -> tuple[GrowingItem, str]:
        is_open = bool(self.items) and self.items[-1].kind is kind
        item = self.items[-1] if is_open else self._new(kind)
        item.pieces.append(text)
        return item, text

    def _new(self, kind: ItemKind, call_id: str = "", name: str = "") -> GrowingItem:
        number = sum(item.kind is kind for item in self.items) + 1
        item = GrowingItem(kind, f"{kind.value}_{number}", call_id, name)
        self.items.append(item)
        return item

    def wire(self, last_status: str) -> tuple[OutputItem, ...]:
        return tuple(
            item.wire(last_status if index == self.last_index else "completed")
            for index, item in enumerate(self.items)
        )


def beginning(head: ResponseHead, request: ResponsesRequest) -> ResponseObject:
    """The response as it is announced; a finished one differs in status, output and usage."""
    effort = request.reasoning.effort if request.reasoning is not None else None
    asked = request.text.format if request.text is not None else None
    return ResponseObject(
        id=head.id,
        created_at=head.created,
        status="in_progress",
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        model=head.model,
        reasoning=ReasoningSettings(effort),
        temperature=1.0 if request.temperature is None else request.temperature,
        text=TextSettings(asked or TextFormat("text")),
        tool_choice="auto" if request.tool_choice is None else request.tool_choice,
        tools=request.tools or [],
        top_p=1.0 if request.top_p is None else request.top_p,
        user=request.user,
    )


def ending(start: ResponseObject, output: Output, finished: Finished) -> ResponseObject:
    status, details, error = _outcome(finished.finish_reason)
    return msgspec.structs.replace(
        start,
        status=status,
        incomplete_details=details,
        error=error,
        output=output.wire("completed" if status == "completed" else "incomplete"),
        usage=response_usage(finished.usage),
    )


def failure(start: ResponseObject, output: Output, error: PlatformError) -> ResponseObject:
    code = "rate_limit_exceeded" if isinstance(error, RateLimitedError) else "server_error"
    return msgspec.structs.replace(
        start,
        status="failed",
        error=ResponseError(code, error.message),
        output=output.wire("incomplete"),
    )


def _outcome(
    reason: FinishReason,
) -> tuple[str, IncompleteDetails | None, ResponseError | None]:
    match reason:
        case FinishReason.LENGTH:
            return "incomplete", IncompleteDetails("max_output_tokens"), None
        case FinishReason.CONTENT_FILTER:
            return "incomplete", IncompleteDetails("content_filter"), None
        case FinishReason.STOP | FinishReason.TOOL_CALLS:
            return "completed", None, None
    text = "The generation was interrupted because the platform ran out of capacity."
    return "failed", None, ResponseError("server_error", text)


def response_usage(usage: Usage) -> ResponseUsage:
    return ResponseUsage(
        usage.prompt_tokens,
        InputTokensDetails(usage.cached_tokens),
        usage.completion_tokens,
        OutputTokensDetails(usage.reasoning_tokens or 0),
        usage.total_tokens,
    )
