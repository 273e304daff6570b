"""Input items of a Responses request become neutral messages. Pure.

Successive items of the assistant (reasoning, message, function calls) are one assistant message.
Items of unknown kinds are passed over. Nothing is looked up: the API keeps no responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from whalefall.api.responses.protocol import (
    FunctionCallOutput,
    FunctionCallParam,
    InputMessage,
    InputPart,
    PartList,
    ReasoningItemParam,
)
from whalefall.api.serde import DATA_LEAD, SYNTAX_LEAD, decode_slow
from whalefall.base.errors import MalformedBodyError
from whalefall.chat.messages import Message, Role, ToolCall

T = TypeVar("T")

_JOINT = "\n"
_POSITION = re.compile(r" at line \d+ column \d+$")
_PATH = re.compile(r"[\w.\[\]]+: ")
_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}


@dataclass(slots=True)
class _AssistantTurn:
    """What successive items of the assistant have said so far."""

    thoughts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def message(self) -> Message:
        """Reasoning that was not sent back counts as empty: clients of this API may not have kept
        what they cannot read."""
        return Message(
            Role.ASSISTANT,
            _JOINT.join(self.texts),
            reasoning_content=_JOINT.join(self.thoughts),
            tool_calls=tuple(self.calls),
        )


def messages_from_items(items: Sequence[dict[str, Any]]) -> list[Message]:
    """Raises MalformedBodyError for an item whose kind is known and whose fields are wrong."""
    messages: list[Message] = []
    turn: _AssistantTurn | None = None
    for index, item in enumerate(items):
        read = _read(item, f"input[{index}]")
        if read is None:
            continue
        if isinstance(read, Message):
            if turn is not None:
                messages.append(turn.message())
                turn = None
            messages.append(read)
        else:
            turn = turn or _AssistantTurn()
            _extend(turn, read)
    if turn is not None:
        messages.append(turn.message())
    return messages


def _read(
    item: dict[str, Any], where: str
) -> Message | InputMessage | FunctionCallParam | ReasoningItemParam | None:
    """A whole message, a piece of an assistant turn, or None for what is passed over."""
    match item.get("type"):
        case "function_call":
            return fields_of(item, FunctionCallParam, where)
        case "function_call_output":
            output = fields_of(item, FunctionCallOutput, where)
            return Message(Role.TOOL, _text(output.output), tool_call_id=output.call_id)
        case "reasoning":
            return fields_of(item, ReasoningItemParam, where)
        case "message":
            return _read_message(item, where)
        case None if "role" in item:
            return _read_message(item, where)
    return None


def _read_message(item: dict[str, Any], where: str) -> Message | InputMessage:
    message = fields_of(item, InputMessage, where)
    if message.role == "assistant":
        return message
    return Message(_ROLES[message.role], _text(message.content))


def _extend(
    turn: _AssistantTurn, piece: InputMessage | FunctionCallParam | ReasoningItemParam
) -> None:
    match piece:
        case InputMessage():
            turn.texts.append(_text(piece.content))
        case FunctionCallParam(call_id, name, arguments):
            turn.calls.append(ToolCall(call_id, name, arguments))
        case ReasoningItemParam(summary, content):
            turn.thoughts += [text.text for text in content or summary or ()]


def _text(content: PartList) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return _JOINT.join(map(_part_text, content))


def _part_text(part: InputPart) -> str:
    return part.refusal if part.type == "refusal" else part.text


def fields_of(value: dict[str, Any], wire_type: type[T], where: str) -> T:
    """The value as the struct. MalformedBodyError names the place and what is wrong there in the
    body parser's words, without line and column: those are known for whole bodies alone."""
    try:
        return msgspec.convert(value, wire_type)
    except msgspec.ValidationError:
        pass
    try:
        return decode_slow(msgspec.json.encode(value), wire_type)
    except MalformedBodyError as error:
        text = _POSITION.sub("", error.message.removeprefix(DATA_LEAD).removeprefix(SYNTAX_LEAD))
        joint = "." if _PATH.match(text) else ": "
        raise MalformedBodyError(f"{DATA_LEAD}{where}{joint}{text}") from None
