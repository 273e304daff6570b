"""POST /chat/completions: a decoded request becomes a ChatRequest, or an InvalidRequestError with
the real API's text. Pure.

Counting tokens against the context length is not done here: that needs the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whalefall.api.openai.messages import check_json_word, check_messages, check_reasoner_order
from whalefall.api.openai.messages import converted as converted_messages
from whalefall.api.openai.protocol import ChatCompletionRequest
from whalefall.api.openai.tools import choice_from_wire, tools_from_wire
from whalefall.api.options import Era, WireOptions
from whalefall.api.ranges import (
    LOGPROBS_MAX,
    check_range,
    check_sampling,
    check_user_id,
    number_or,
    seed_from,
    stop_strings,
)
from whalefall.api.thinking import asked_by_effort, is_thinking
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    ToolChoiceMode,
)
from whalefall.serving.platform import Base, ModelRules

MAX_TOKENS_LIMIT = 8192
"""Without thinking; the platform takes 4096 when none is asked for."""
MAX_TOKENS_LIMIT_THINKING = 65536
"""Reasoning included; the platform takes 32768 when none is asked for."""


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A valid request, and how its answer is wanted."""

    request: ChatRequest
    is_stream: bool
    include_usage: bool


@dataclass(frozen=True, slots=True)
class ChatContext:
    """What a request is judged against."""

    base: Base
    models: Mapping[str, ModelRules]
    options: WireOptions


def chat_call(wire: ChatCompletionRequest, context: ChatContext) -> ChatCall:
    """Raises InvalidRequestError."""
    rules = context.models.get(wire.model)
    if rules is None:
        raise InvalidRequestError("Model Not Exist")
    era = context.options.era
    thinking = is_thinking(wire.model, rules.thinking, _asked_thinking(wire, era), era)
    messages = converted_messages(wire.messages)
    check_messages(messages, context.base, thinking=thinking)
    limit = MAX_TOKENS_LIMIT_THINKING if thinking else MAX_TOKENS_LIMIT
    check_range("max_tokens", wire.max_tokens, 1, rules.max_tokens_limit or limit)
    _check_values(wire, context.options, thinking=thinking)
    if thinking and context.options.enforces_reasoner_order:
        check_reasoner_order(messages)
    request = _chat_request(wire, messages, context, thinking=thinking)
    _check_choice(request, context.options)
    include_usage = wire.stream_options is not None and bool(wire.stream_options.include_usage)
    return ChatCall(request, bool(wire.stream), include_usage)


def _asked_thinking(wire: ChatCompletionRequest, era: Era) -> bool | None:
    """The switch decides over the effort."""
    effort = asked_by_effort(wire.reasoning_effort, era)
    return effort if wire.thinking is None else wire.thinking.type == "enabled"


def _check_values(wire: ChatCompletionRequest, options: WireOptions, *, thinking: bool) -> None:
    """Ranges hold in thinking mode too, although the sampling values are ignored there."""
    check_sampling(wire.temperature, wire.top_p, wire.frequency_penalty, wire.presence_penalty)
    check_user_id(wire.user_id)
    if thinking and options.era is Era.V3_2:
        _check_no_logprobs(wire)
    _check_logprobs(wire)


def _check_no_logprobs(wire: ChatCompletionRequest) -> None:
    for name, is_used in (
        ("logprobs", bool(wire.logprobs)),
        ("top_logprobs", wire.top_logprobs is not None),
    ):
        if is_used:
            raise InvalidRequestError(f"deepseek-reasoner does not support the parameter `{name}`")


def _check_logprobs(wire: ChatCompletionRequest) -> None:
    if wire.top_logprobs is None:
        return
    if wire.top_logprobs > LOGPROBS_MAX:
        raise InvalidRequestError(
            "Invalid top_logprobs value, the valid range of top_logprobs is [0, 20]."
        )
    if not wire.logprobs:
        raise InvalidRequestError(
            "Invalid top_logprobs and logprobs value, logprobs must be set to true if "
            "top_logprobs is used."
        )


def _chat_request(
    wire: ChatCompletionRequest,
    messages: tuple[Message, ...],
    context: ChatContext,
    *,
    thinking: bool,
) -> ChatRequest:
    """Sampling values are accepted and ignored in thinking mode: they keep their defaults."""
    tools = tools_from_wire(wire.tools, is_beta=context.base.is_beta)
    sampled = ChatCompletionRequest([], wire.model) if thinking else wire
    return ChatRequest(
        model=wire.model,
        messages=messages,
        thinking=thinking,
        tools=tools,
        tool_choice=choice_from_wire(wire.tool_choice, tools),
        response_format=_response_format(wire, messages),
        max_tokens=wire.max_tokens,
        temperature=number_or(sampled.temperature, 1.0),
        top_p=number_or(sampled.top_p, 1.0),
        frequency_penalty=number_or(sampled.frequency_penalty, 0.0),
        presence_penalty=number_or(sampled.presence_penalty, 0.0),
        stop=stop_strings(wire.stop),
        logprobs=(wire.top_logprobs or 0) if wire.logprobs else None,
        user_id=wire.user_id,
        seed=seed_from(wire.seed),
    )


def _response_format(wire: ChatCompletionRequest, messages: tuple[Message, ...]) -> ResponseFormat:
    kind = wire.response_format.type if wire.response_format is not None else "text"
    if kind == "json_schema":
        raise InvalidRequestError("This response_format type is unavailable now")
    if kind == "json_object":
        check_json_word(messages)
    return ResponseFormat(ResponseFormatKind(kind))


def _check_choice(request: ChatRequest, options: WireOptions) -> None:
    is_forced = request.tool_choice.mode in (ToolChoiceMode.REQUIRED, ToolChoiceMode.NAMED)
    if request.thinking and is_forced and options.era is Era.V4:
        raise InvalidRequestError("Thinking mode does not support this tool_choice")
