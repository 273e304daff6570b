"""Responses requests become neutral ones, or an InvalidRequestError. Pure.

The conversation rules are those of chat completions, which every request is turned into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whalefall.api.openai.messages import check_json_word, check_messages
from whalefall.api.options import Era
from whalefall.api.ranges import check_range, check_sampling, check_user_id, number_or
from whalefall.api.responses.items import fields_of, messages_from_items
from whalefall.api.responses.protocol import FunctionToolParam, ResponsesRequest
from whalefall.api.serde import DATA_LEAD
from whalefall.api.thinking import is_thinking
from whalefall.api.tool_rules import (
    check_tool_names,
    free_choice,
    named_choice,
    required_choice,
)
from whalefall.base.errors import InvalidRequestError, MalformedBodyError
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.serving.platform import Base, ModelRules

MAX_TOKENS_LIMIT = 8192
MAX_TOKENS_LIMIT_THINKING = 65536


@dataclass(frozen=True, slots=True)
class ResponsesContext:
    """What a request is judged against."""

    base: Base
    models: Mapping[str, ModelRules]
    era: Era


def response_request(wire: ResponsesRequest, context: ResponsesContext) -> ChatRequest:
    """Raises InvalidRequestError."""
    rules = context.models.get(wire.model)
    if rules is None:
        raise InvalidRequestError("Model Not Exist")
    if wire.previous_response_id is not None:
        raise InvalidRequestError(
            "Invalid 'previous_response_id': responses are not stored. Send the whole conversation "
            "in 'input'."
        )
    thinking = is_thinking(wire.model, rules.thinking, _asked_thinking(wire), context.era)
    messages = _messages(wire)
    check_messages(messages, context.base, thinking=False)
    limit = MAX_TOKENS_LIMIT_THINKING if thinking else MAX_TOKENS_LIMIT
    _check_values(wire, rules.max_tokens_limit or limit)
    tools = _tools(wire.tools or ())
    choice = _tool_choice(wire.tool_choice, tools)
    is_forced = choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    if thinking and is_forced and context.era is Era.V4:
        raise InvalidRequestError("Thinking mode does not support this tool_choice")
    return ChatRequest(
        model=wire.model,
        messages=tuple(messages),
        thinking=thinking,
        tools=tools,
        tool_choice=choice,
        response_format=_response_format(wire, messages),
        max_tokens=wire.max_output_tokens,
        temperature=1.0 if thinking else number_or(wire.temperature, 1.0),
        top_p=1.0 if thinking else number_or(wire.top_p, 1.0),
        user_id=wire.user,
    )


def _asked_thinking(wire: ResponsesRequest) -> bool | None:
    """Every effort but `none` asks for thinking."""
    effort = wire.reasoning.effort if wire.reasoning is not None else None
    return None if effort is None else effort != "none"


def _messages(wire: ResponsesRequest) -> list[Message]:
    """The instructions come first, as a system message."""
    if wire.input is None and wire.instructions is None:
        raise InvalidRequestError("At least one of 'input' and 'instructions' is required.")
    messages = [Message(Role.SYSTEM, wire.instructions)] if wire.instructions else []
    if isinstance(wire.input, str):
        return [*messages, Message(Role.USER, wire.input)]
    return messages + messages_from_items(wire.input or ())


def _check_values(wire: ResponsesRequest, max_tokens_limit: int) -> None:
    check_range("max_output_tokens", wire.max_output_tokens, 1, max_tokens_limit)
    check_sampling(wire.temperature, wire.top_p, None, None)
    check_user_id(wire.user)


def _tools(wire: Sequence[dict[str, Any]]) -> tuple[Tool, ...]:
    """Functions; tools of other kinds run on the vendor's side or not at all, so they are left
    out, as unsupported parameters are."""
    functions = [
        fields_of(tool, FunctionToolParam, f"tools[{index}]")
        for index, tool in enumerate(wire)
        if tool.get("type") == "function"
    ]
    check_tool_names([one.name for one in functions])
    return tuple(Tool(one.name, one.description, one.parameters) for one in functions)


def _tool_choice(wire: object, tools: Sequence[Tool]) -> ToolChoice:
    """A choice of a kind of tools that was left out is no choice."""
    match wire:
        case None | "auto":
            return free_choice(tools)
        case "none":
            return ToolChoice(ToolChoiceMode.NONE)
        case "required":
            return required_choice(tools)
        case {"type": "function", "name": str(name)}:
            return named_choice(name, tools)
        case {"type": str(kind)} if kind != "function":
            return free_choice(tools)
    raise MalformedBodyError(
        f"{DATA_LEAD}tool_choice: expected one of `none`, `auto`, `required` or a tool"
    )


def _response_format(wire: ResponsesRequest, messages: Sequence[Message]) -> ResponseFormat:
    if wire.text is None or wire.text.format is None:
        return ResponseFormat()
    asked = wire.text.format
    if asked.type == "json_object":
        check_json_word(messages)
    if asked.type == "json_schema" and asked.schema is None:
        raise InvalidRequestError("Missing required parameter: 'text.format.schema'.")
    return ResponseFormat(ResponseFormatKind(asked.type), asked.schema)
