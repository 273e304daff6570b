"""The rules a conversation must obey, and its conversion to neutral messages. Pure.

The order of tool messages, prefix completion, reasoning inside a tool loop, the word "json", and
(as a switch) the turn order the first reasoner insisted on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from whalefall.api.openai import protocol
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Message, Role, ToolCall
from whalefall.serving.platform import Base

BETA_HINT = '(set base_url="https://api.deepseek.com/beta")'
_ROLES = {
    protocol.SystemMessage: Role.SYSTEM,
    protocol.UserMessage: Role.USER,
    protocol.AssistantMessage: Role.ASSISTANT,
    protocol.ToolMessage: Role.TOOL,
}


def converted(wire_messages: Sequence[protocol.Message]) -> tuple[Message, ...]:
    return tuple(map(_message, wire_messages))


def _message(wire: protocol.Message) -> Message:
    role = _ROLES[type(wire)]
    content = _text(wire.content)
    if isinstance(wire, protocol.ToolMessage):
        return Message(role, content, tool_call_id=wire.tool_call_id)
    if not isinstance(wire, protocol.AssistantMessage):
        return Message(role, content, name=wire.name)
    return Message(
        role,
        content,
        name=wire.name,
        reasoning_content=wire.reasoning_content,
        tool_calls=tuple(
            ToolCall(call.id, call.function.name, call.function.arguments)
            for call in wire.tool_calls or ()
        ),
        prefix=bool(wire.prefix),
    )


def _text(content: str | list[protocol.TextPart] | None) -> str:
    """Text parts are joined without anything between them."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content)


def check_messages(messages: Sequence[Message], base: Base, *, thinking: bool) -> None:
    if not messages:
        raise InvalidRequestError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead."
        )
    _check_prefix(messages, base)
    _check_tool_order(messages)
    if thinking:
        _check_reasoning(messages)


def _check_prefix(messages: Sequence[Message], base: Base) -> None:
    prefixed = [index for index, message in enumerate(messages) if message.prefix]
    if prefixed and not base.is_beta:
        raise InvalidRequestError(f"prefix is only available when using beta api {BETA_HINT}")
    if prefixed and prefixed != [len(messages) - 1]:
        raise InvalidRequestError(
            f"Invalid 'messages[{prefixed[0]}].prefix': prefix is only available on the last "
            "message."
        )


def _check_tool_order(messages: Sequence[Message]) -> None:
    """Tool calls open their ids; each tool message closes one; nothing else may come between."""
    open_ids: set[str] = set()
    for message in messages:
        if message.role is Role.TOOL:
            if message.tool_call_id not in open_ids:
                raise InvalidRequestError(
                    "Messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'"
                )
            open_ids.remove(message.tool_call_id)
            continue
        _check_answered(open_ids)
        open_ids = {call.id for call in message.tool_calls}
    _check_answered(open_ids)


def _check_answered(open_ids: set[str]) -> None:
    if open_ids:
        raise InvalidRequestError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. (insufficient tool messages following tool_calls message)"
        )


def _check_reasoning(messages: Sequence[Message]) -> None:
    """Since the last user message, whoever called tools must bring the reasoning along; an empty
    string will do."""
    users = [index for index, message in enumerate(messages) if message.role is Role.USER]
    for index in range(users[-1] + 1 if users else 0, len(messages)):
        message = messages[index]
        if message.tool_calls and message.reasoning_content is None:
            raise InvalidRequestError(
                "Missing `reasoning_content` field in the assistant message at message index "
                f"{index}. For more information, please refer to "
                "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
            )


def check_json_word(messages: Sequence[Message]) -> None:
    if not any("json" in message.content.lower() for message in messages):
        raise InvalidRequestError(
            "Prompt must contain the word 'json' in some form to use 'response_format' of type "
            "'json_object'."
        )


def check_reasoner_order(messages: Sequence[Message]) -> None:
    """What `deepseek-reasoner` asked of a conversation before 2025-05."""
    turns = [(i, m) for i, m in enumerate(messages) if m.role is not Role.SYSTEM]
    if turns and turns[0][1].role is not Role.USER:
        raise InvalidRequestError(
            "The first message (except the system message) of deepseek-reasoner must be a user "
            f"message, but an {turns[0][1].role.value} message detected."
        )
    for (first, before), (second, after) in itertools.pairwise(turns):
        if before.role is after.role and before.role in (Role.USER, Role.ASSISTANT):
            raise InvalidRequestError(
                "deepseek-reasoner does not support successive user or assistant messages "
                f"(messages[{first}] and messages[{second}] in your input). You should interleave "
                "the user/assistant messages in the message sequence."
            )
    if turns and turns[-1][1].role is Role.ASSISTANT and not turns[-1][1].prefix:
        raise InvalidRequestError(
            "The last message of deepseek-reasoner must be a user message, or an assistant "
            "message with prefix mode on (refer to "
            "https://api-docs.deepseek.com/guides/chat_prefix_completion)."
        )
