"""Counting tokens offline: what a text or a request costs before it is sent, and in which pieces.

The same renderers that serve requests are used, so the counts are the bill's. It must not know
prices, files or the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from whalefall.chat.fim import render_completion
from whalefall.chat.formats.base import ChatFormat
from whalefall.chat.messages import (
    ChatRequest,
    CompletionRequest,
    Message,
    Role,
    Tool,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.chat.tokenizer import Tokenizer

_THINKING_ALIAS = "deepseek-reasoner"


@dataclass(frozen=True, slots=True)
class TokenCount:
    kind: str
    """`text`, `chat` or `completion`: what the input was taken for."""
    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    """The text of each token; U+FFFD where a token holds half a character."""

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)


class NotARequestError(ValueError):
    """The JSON looks like a request and cannot be rendered; the message says why."""


def count_tokens(source: str, chat_format: ChatFormat) -> TokenCount:
    """Count a chat request's prompt, a completion request's prompt, or else plain text.

    JSON with `messages` is a chat request, JSON with `prompt` a completion request; anything else
    is text, counted without a begin of sentence. Raises NotARequestError for a malformed request.
    """
    body = _json_object(source)
    tokenizer = chat_format.tokenizer
    if body is not None and "messages" in body:
        request = chat_request_from_json(body)
        return _counted("chat", tokenizer, chat_format.render(request))
    if body is not None and "prompt" in body:
        ids = render_completion(tokenizer, completion_request_from_json(body))
        return _counted("completion", tokenizer, ids)
    return _counted("text", tokenizer, tokenizer.encode(source))


def chat_request_from_json(body: Mapping[str, Any]) -> ChatRequest:
    """The parts of a chat request that shape its prompt; all else is ignored."""
    messages = body["messages"]
    if not isinstance(messages, list):
        raise NotARequestError("messages must be a list")
    thinking = body.get("thinking")
    model = str(body.get("model", ""))
    is_thinking = isinstance(thinking, dict) and thinking.get("type") == "enabled"
    return ChatRequest(
        model=model,
        messages=tuple(_message(index, each) for index, each in enumerate(messages)),
        thinking=is_thinking or model == _THINKING_ALIAS,
        tools=tuple(_tool(each) for each in _list(body, "tools")),
        tool_choice=_tool_choice(body.get("tool_choice")),
    )


def completion_request_from_json(body: Mapping[str, Any]) -> CompletionRequest:
    prompt, suffix = body["prompt"], body.get("suffix")
    if not isinstance(prompt, str) or not isinstance(suffix, str | None):
        raise NotARequestError("prompt and suffix must be strings")
    return CompletionRequest(model=str(body.get("model", "")), prompt=prompt, suffix=suffix)


def _json_object(source: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(source.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _counted(kind: str, tokenizer: Tokenizer, ids: Sequence[int]) -> TokenCount:
    return TokenCount(kind, tuple(ids), tuple(tokenizer.token_text(i) for i in ids))


def _message(index: int, value: object) -> Message:
    if not isinstance(value, dict) or value.get("role") not in list(Role):
        raise NotARequestError(f"messages[{index}] needs a role: {', '.join(Role)}")
    return Message(
        role=Role(value["role"]),
        content=_text(value.get("content"), f"messages[{index}].content"),
        name=_string_or_none(value.get("name")),
        reasoning_content=_string_or_none(value.get("reasoning_content")),
        tool_calls=tuple(_tool_call(each) for each in _list(value, "tool_calls")),
        tool_call_id=_string_or_none(value.get("tool_call_id")),
        prefix=value.get("prefix") is True,
    )


def _text(value: object, where: str) -> str:
    """A string, nothing, or a list of text parts."""
    if value is None or isinstance(value, str):
        return value or ""
    parts = value if isinstance(value, list) else [None]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise NotARequestError(f"{where} must be a string or a list of text parts")
    return "".join(map(str, texts))


def _string_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _tool_call(value: object) -> ToolCall:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(function, dict):
        raise NotARequestError("a tool call needs a function")
    name, arguments = function.get("name"), function.get("arguments", "")
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise NotARequestError("a tool call's name and arguments must be strings")
    return ToolCall(str(value.get("id", "")), name, arguments)


def _tool(value: object) -> Tool:
    function = value.get("function") if isinstance(value, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise NotARequestError("a tool needs a function with a name")
    parameters = function.get("parameters")
    return Tool(
        name=function["name"],
        description=_string_or_none(function.get("description")),
        parameters=parameters if isinstance(parameters, dict) else None,
        strict=function.get("strict") is True,
    )


def _tool_choice(value: object) -> ToolChoice:
    if isinstance(value, str) and value in set(ToolChoiceMode):
        return ToolChoice(ToolChoiceMode(value))
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        return ToolChoice(ToolChoiceMode.NAMED, str(value["function"].get("name", "")))
    return ToolChoice(ToolChoiceMode.AUTO)


def _list(body: Mapping[str, Any], key: str) -> list[object]:
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise NotARequestError(f"{key} must be a list")
    return value
