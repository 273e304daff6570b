"""How an Anthropic conversation reads as neutral messages, and which conversations are refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from whalefall.api.anthropic.protocol import MessageParam
from whalefall.api.anthropic.turns import messages_from_wire
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.messages import Message, Role, ToolCall


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def thought(value: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": "s"}


def use(call_id: str, **arguments: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": arguments}


def result(call_id: str, content: object = "r") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def user(*content: object) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if isinstance(content[0], str) else content}


def assistant(*content: object) -> dict[str, Any]:
    return {**user(*content), "role": "assistant"}


def read(*wire: dict[str, Any], thinking: bool = False) -> tuple[Message, ...]:
    messages = msgspec.convert(wire, list[MessageParam])
    return messages_from_wire(None, messages, thinking=thinking)


def test_text_blocks_are_joined_by_a_line_break() -> None:
    assert read(user(text("a"), text("b"))) == (Message(Role.USER, "a\nb"),)


def test_successive_messages_of_one_role_are_one_turn() -> None:
    messages = read(user("a"), user(text("b")), assistant("c"), assistant("d"), user("e"))
    assert messages == (
        Message(Role.USER, "a\nb"),
        Message(Role.ASSISTANT, "c\nd"),
        Message(Role.USER, "e"),
    )


def test_tool_results_come_before_the_text_beside_them() -> None:
    messages = read(
        user("q"),
        assistant(text("t"), use("1", a="ü"), use("2")),
        user(text("hint"), result("2", [text("x"), text("y")])),
        user(result("1")),
        assistant("done"),
        user("thanks"),
    )
    assert messages[1:5] == (
        Message(
            Role.ASSISTANT,
            "t",
            tool_calls=(ToolCall("1", "f", '{"a": "ü"}'), ToolCall("2", "f", "{}")),
        ),
        Message(Role.TOOL, "x\ny", tool_call_id="2"),
        Message(Role.TOOL, "r", tool_call_id="1"),
        Message(Role.USER, "hint"),
    )


def test_result_without_content_is_empty() -> None:
    messages = read(user("q"), assistant(use("1")), user(result("1", None)))
    assert messages[-1] == Message(Role.TOOL, "", tool_call_id="1")


def test_thinking_becomes_reasoning() -> None:
    messages = read(user("q"), assistant(thought("hm"), text("a")), user("b"), thinking=True)
    assert messages[1] == Message(Role.ASSISTANT, "a", reasoning_content="hm")


def test_trailing_assistant_text_is_to_be_continued() -> None:
    assert read(user("q"), assistant("{"))[-1] == Message(Role.ASSISTANT, "{", prefix=True)
    thinking = read(user("q"), assistant("{"), thinking=True)[-1]
    assert thinking == Message(Role.ASSISTANT, "{", reasoning_content="", prefix=True)


def test_empty_block_list_is_an_empty_message() -> None:
    assert read({"role": "user", "content": []}) == (Message(Role.USER, ""),)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (
            (user("q"), assistant(text("t"), use("1"), use("2")), user(result("1"))),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately "
            "after: 2. Each `tool_use` block must have a corresponding `tool_result` block in the "
            "next message.",
        ),
        (
            (user("q"), assistant(use("1"))),
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately "
            "after: 1. Each `tool_use` block must have a corresponding `tool_result` block in the "
            "next message.",
        ),
        (
            (user(text("q"), result("1")),),
            "messages.0.content.1: unexpected `tool_use_id` found in `tool_result` blocks: 1. "
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous "
            "message.",
        ),
        (
            (user("q"), assistant(use("1")), user(result("1")), user(result("1"))),
            "messages.3.content.0: unexpected `tool_use_id` found in `tool_result` blocks: 1. "
            "Each `tool_result` block must have a corresponding `tool_use` block in the previous "
            "message.",
        ),
        (
            (user("q"), assistant(use("1"), use("1"))),
            "messages.1.content.1: `tool_use` ids must be unique",
        ),
        (
            (user(use("1")),),
            "messages.0.content.0: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            (user(thought("x")),),
            "messages.0.content.0: `thinking` blocks can only be in `assistant` messages",
        ),
        (
            (user("q"), assistant(result("1"))),
            "messages.1.content.0: `tool_result` blocks can only be in `user` messages",
        ),
    ],
)
def test_conversations_that_cannot_be(wire: tuple[dict[str, Any], ...], expected: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(*wire)
    assert caught.value.message == expected


LOOP = (user("q"), assistant(use("1")), user(result("1")))


def test_open_tool_loop_needs_its_thinking() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(*LOOP, thinking=True)
    assert caught.value.message == (
        "Missing thinking block in the assistant message at message index 1. For more "
        "information, please refer to "
        "https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
    )


def test_open_tool_loop_is_fine_with_empty_thinking_or_without_thinking_mode() -> None:
    assert read(*LOOP)[1].reasoning_content is None
    with_thought = (LOOP[0], assistant(thought(""), use("1")), LOOP[2])
    assert read(*with_thought, thinking=True)[1].reasoning_content == ""


def test_thinking_of_finished_turns_may_be_dropped() -> None:
    messages = read(*LOOP, assistant("a"), user("next"), thinking=True)
    assert messages[1].reasoning_content is None
