"""Anthropic-style requests become neutral ones, or an InvalidRequestError. Pure.

Model names nobody knows are mapped, never refused. `max_tokens` above the model's limit is cut to
it, because Claude Code asks for 32000 of any model and must work with the published settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from whalefall.api.anthropic.protocol import (
    CountTokensRequest,
    MessagesRequest,
    ThinkingParam,
    ToolChoiceAny,
    ToolChoiceNone,
    ToolChoiceParam,
    ToolChoiceTool,
    ToolParam,
)
from whalefall.api.anthropic.turns import messages_from_wire
from whalefall.api.options import Era
from whalefall.api.ranges import (
    check_range,
    check_sampling,
    check_user_id,
    number_or,
    stop_strings,
)
from whalefall.api.thinking import is_thinking
from whalefall.api.tool_rules import (
    check_tool_names,
    free_choice,
    named_choice,
    required_choice,
)
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import ChatRequest, Tool, ToolChoice, ToolChoiceMode
from whalefall.serving.platform import ModelRules

MAX_TOKENS_LIMIT = 8192
MAX_TOKENS_LIMIT_THINKING = 65536
_LONG_CONTEXT_SUFFIX = "[1m]"


@dataclass(frozen=True, slots=True)
class MessagesCall:
    """A valid request, and how its answer is wanted."""

    request: ChatRequest
    is_stream: bool


def messages_call(
    wire: MessagesRequest, models: Mapping[str, ModelRules], era: Era
) -> MessagesCall:
    """Raises InvalidRequestError."""
    model = mapped_model(wire.model, models)
    thinking = is_thinking(model, models[model].thinking, _asked_thinking(wire.thinking), era)
    tools = _tools(wire.tools)
    check_sampling(wire.temperature, wire.top_p, None, None)
    user_id = _user_id(wire.metadata) if era is Era.V4 else None
    check_user_id(user_id)
    choice = _tool_choice(wire.tool_choice, tools)
    _check_choice(choice, era, thinking=thinking)
    request = ChatRequest(
        model=model,
        messages=messages_from_wire(wire.system, wire.messages, thinking=thinking),
        thinking=thinking,
        tools=tools,
        tool_choice=choice,
        max_tokens=_max_tokens(wire.max_tokens, models[model], thinking=thinking),
        temperature=1.0 if thinking else number_or(wire.temperature, 1.0),
        top_p=1.0 if thinking else number_or(wire.top_p, 1.0),
        stop=stop_strings(wire.stop_sequences),
        user_id=user_id,
    )
    return MessagesCall(request, bool(wire.stream))


def count_request(
    wire: CountTokensRequest, models: Mapping[str, ModelRules], era: Era
) -> ChatRequest:
    """Raises InvalidRequestError."""
    model = mapped_model(wire.model, models)
    thinking = is_thinking(model, models[model].thinking, _asked_thinking(wire.thinking), era)
    tools = _tools(wire.tools)
    return ChatRequest(
        model=model,
        messages=messages_from_wire(wire.system, wire.messages, thinking=thinking),
        thinking=thinking,
        tools=tools,
        tool_choice=_tool_choice(wire.tool_choice, tools),
    )


def mapped_model(name: str, models: Collection[str]) -> str:
    """A name that can be called, for any name at all."""
    known = name.removesuffix(_LONG_CONTEXT_SUFFIX)
    large = "deepseek-v4-pro" if known.startswith("claude-opus") else "deepseek-v4-flash"
    for candidate in (name, known, "deepseek-chat", large, *models):
        if candidate in models:
            return candidate
    raise InvalidRequestError("Model Not Exist")


def _asked_thinking(wire: ThinkingParam | None) -> bool | None:
    return None if wire is None else wire.type != "disabled"


def _max_tokens(asked: int, rules: ModelRules, *, thinking: bool) -> int:
    usual = MAX_TOKENS_LIMIT_THINKING if thinking else MAX_TOKENS_LIMIT
    limit = rules.max_tokens_limit or usual
    check_range("max_tokens", min(asked, limit), 1, limit)
    return min(asked, limit)


def _user_id(metadata: object) -> str | None:
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user_id if isinstance(user_id, str) else None


def _tools(wire: Sequence[ToolParam] | None) -> tuple[Tool, ...]:
    """An empty list is the same as none: agents send it when they have no tools."""
    tools = wire or ()
    check_tool_names([tool.name for tool in tools])
    return tuple(Tool(tool.name, tool.description, tool.input_schema) for tool in tools)


def _tool_choice(wire: ToolChoiceParam | None, tools: Sequence[Tool]) -> ToolChoice:
    match wire:
        case ToolChoiceTool(name):
            return named_choice(name, tools)
        case ToolChoiceAny():
            return required_choice(tools)
        case ToolChoiceNone():
            return ToolChoice(ToolChoiceMode.NONE)
    return free_choice(tools)


def _check_choice(choice: ToolChoice, era: Era, *, thinking: bool) -> None:
    is_forced = choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    if thinking and is_forced and era is Era.V4:
        raise InvalidRequestError("Thinking mode does not support this tool_choice")
