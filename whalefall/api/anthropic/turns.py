"""An Anthropic conversation becomes neutral messages. Pure.

Successive messages of one role are one turn, as the format says. A user turn becomes its tool
results, in order, and then its text as one user message; an assistant turn becomes one message
with reasoning, text and tool calls. The rules about which block may stand where are here too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from whalefall.api.anthropic.protocol import (
    BlockParam,
    MessageParam,
    SystemParam,
    TextBlockParam,
    TextPart,
    ThinkingBlockParam,
    ToolResultBlockParam,
    ToolUseBlockParam,
)
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Message, Role, ToolCall

_SYSTEM_JOINT = "\n\n"
"""What the chat formats put between several system messages."""
_TEXT_JOINT = "\n"


@dataclass(frozen=True, slots=True)
class _Place:
    message_index: int
    block_index: int


@dataclass(slots=True)
class _Turn:
    role: str
    message_index: int
    """Of its first message, in the caller's list."""
    blocks: list[tuple[_Place, BlockParam]] = field(default_factory=list)


def messages_from_wire(
    system: SystemParam | None, wire: Sequence[MessageParam], *, thinking: bool
) -> tuple[Message, ...]:
    """Raises InvalidRequestError when blocks stand where they may not, a tool call and its result
    do not find each other, or an open tool loop lacks its thinking."""
    if not wire:
        raise InvalidRequestError("messages: at least one message is required")
    turns = _turns(wire)
    for turn in turns:
        _check_roles(turn)
    _check_tool_results(turns)
    messages = [Message(Role.SYSTEM, _joined(system, _SYSTEM_JOINT))] if system else []
    if thinking:
        _check_thinking(turns)
    for turn in turns:
        messages += _user_messages(turn) if turn.role == "user" else [_assistant_message(turn)]
    return (*messages[:-1], _prefilled(messages[-1], thinking=thinking))


def _turns(wire: Sequence[MessageParam]) -> list[_Turn]:
    turns: list[_Turn] = []
    for message_index, message in enumerate(wire):
        if not turns or turns[-1].role != message.role:
            turns.append(_Turn(message.role, message_index))
        content = message.content
        blocks = [TextBlockParam(content)] if isinstance(content, str) else content
        turns[-1].blocks += [
            (_Place(message_index, block_index), block) for block_index, block in enumerate(blocks)
        ]
    return turns


def _check_roles(turn: _Turn) -> None:
    kinds: dict[type[BlockParam], str] = (
        {ToolUseBlockParam: "tool_use", ThinkingBlockParam: "thinking"}
        if turn.role == "user"
        else {ToolResultBlockParam: "tool_result"}
    )
    other = "assistant" if turn.role == "user" else "user"
    for place, block in turn.blocks:
        kind = kinds.get(type(block))
        if kind is not None:
            raise InvalidRequestError(
                f"messages.{place.message_index}.content.{place.block_index}: `{kind}` blocks can "
                f"only be in `{other}` messages"
            )


def _check_tool_results(turns: Sequence[_Turn]) -> None:
    """A turn that calls tools is answered in full by the next; nothing else is an answer."""
    open_ids: list[str] = []
    asked_at = 0
    for turn in turns:
        for place, block in turn.blocks:
            if isinstance(block, ToolResultBlockParam):
                if block.tool_use_id not in open_ids:
                    raise InvalidRequestError(
                        f"messages.{place.message_index}.content.{place.block_index}: unexpected "
                        f"`tool_use_id` found in `tool_result` blocks: {block.tool_use_id}. Each "
                        "`tool_result` block must have a corresponding `tool_use` block in the "
                        "previous message."
                    )
                open_ids.remove(block.tool_use_id)
        _check_answered(open_ids, asked_at)
        open_ids, asked_at = _called_ids(turn), turn.message_index
    _check_answered(open_ids, asked_at)


def _called_ids(turn: _Turn) -> list[str]:
    ids: list[str] = []
    for place, block in turn.blocks:
        if isinstance(block, ToolUseBlockParam):
            if block.id in ids:
                raise InvalidRequestError(
                    f"messages.{place.message_index}.content.{place.block_index}: `tool_use` ids "
                    "must be unique"
                )
            ids.append(block.id)
    return ids


def _check_answered(open_ids: Sequence[str], asked_at: int) -> None:
    if open_ids:
        raise InvalidRequestError(
            f"messages.{asked_at}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(open_ids)}. Each `tool_use` block must have a "
            "corresponding `tool_result` block in the next message."
        )


def _check_thinking(turns: Sequence[_Turn]) -> None:
    """Since the last text of the user, whoever called tools must bring the thinking along."""
    for turn in reversed(turns):
        kinds = {type(block) for _, block in turn.blocks}
        if turn.role == "user" and TextBlockParam in kinds:
            return
        if ToolUseBlockParam in kinds and ThinkingBlockParam not in kinds:
            raise InvalidRequestError(
                "Missing thinking block in the assistant message at message index "
                f"{turn.message_index}. For more information, please refer to "
                "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
            )


def _user_messages(turn: _Turn) -> list[Message]:
    results: list[Message] = []
    texts: list[str] = []
    for _, block in turn.blocks:
        if isinstance(block, ToolResultBlockParam):
            text = _joined(block.content, _TEXT_JOINT)
            results.append(Message(Role.TOOL, text, tool_call_id=block.tool_use_id))
        elif isinstance(block, TextBlockParam):
            texts.append(block.text)
    if results and not texts:
        return results
    return [*results, Message(Role.USER, _TEXT_JOINT.join(texts))]


def _assistant_message(turn: _Turn) -> Message:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for _, block in turn.blocks:
        match block:
            case TextBlockParam(text):
                texts.append(text)
            case ThinkingBlockParam(thinking):
                thoughts.append(thinking)
            case ToolUseBlockParam(call_id, name, arguments):
                text = json.dumps(arguments, ensure_ascii=False)
                calls.append(ToolCall(call_id, name, text))
    return Message(
        Role.ASSISTANT,
        _TEXT_JOINT.join(texts),
        reasoning_content=_TEXT_JOINT.join(thoughts) if thoughts else None,
        tool_calls=tuple(calls),
    )


def _prefilled(last: Message, *, thinking: bool) -> Message:
    """A conversation that ends with the assistant is to be continued from there; in thinking mode
    what it already said comes after the thinking, so that is over."""
    if last.role is not Role.ASSISTANT:
        return last
    reasoning = (last.reasoning_content or "") if thinking else last.reasoning_content
    return Message(last.role, last.content, reasoning_content=reasoning, prefix=True)


def _joined(content: str | list[TextPart] | None, joint: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return joint.join(part.text for part in content)
