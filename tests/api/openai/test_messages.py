"""The rules a conversation must obey, each with the real API's text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.openai.requests import (
    REASONER,
    USER,
    answering,
    asking,
    converted,
    refusal,
    request,
)
from whalefall.api.options import WireOptions
from whalefall.chat.messages import (
    Message,
    ResponseFormatKind,
    Role,
    ToolCall,
)
from whalefall.serving.platform import Base


def test_messages_arrive_with_all_their_fields() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    wanted = request(
        messages=[
            {"role": "system", "content": "S", "name": "n"},
            {"role": "user", "content": parts},
            asking("1", reasoning_content="r"),
            answering("1"),
            {"role": "assistant", "content": "", "tool_calls": []},
        ]
    )
    assert wanted.messages == (
        Message(Role.SYSTEM, "S", name="n"),
        Message(Role.USER, "ab"),
        Message(Role.ASSISTANT, "", reasoning_content="r", tool_calls=(ToolCall("1", "f", "{}"),)),
        Message(Role.TOOL, "sunny", tool_call_id="1"),
        Message(Role.ASSISTANT, ""),
    )


@pytest.mark.parametrize("text", ["answer in json", "JSON!", "a JsonL file"])
def test_json_word_counts_in_any_case_and_any_message(text: str) -> None:
    messages = [{"role": "system", "content": text}, USER]
    wanted = request(messages=messages, response_format={"type": "json_object"})
    assert wanted.response_format.kind is ResponseFormatKind.JSON_OBJECT


ORPHAN = "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
INSUFFICIENT = (
    "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
    "'tool_call_id'. (insufficient tool messages following tool_calls message)"
)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([USER, answering("1")], ORPHAN),
        ([answering("1")], ORPHAN),
        ([USER, asking("1"), answering("2")], ORPHAN),
        ([USER, asking("1"), answering("1"), answering("1")], ORPHAN),
        ([USER, asking("1"), answering("1"), USER, answering("1")], ORPHAN),
        ([USER, asking("1")], INSUFFICIENT),
        ([USER, asking("1", "2"), answering("1")], INSUFFICIENT),
        ([USER, asking("1"), USER], INSUFFICIENT),
        ([USER, asking("1"), asking("2"), answering("2")], INSUFFICIENT),
    ],
)
def test_tool_messages_out_of_order_are_refused(messages: list[Any], text: str) -> None:
    assert refusal(messages=messages) == text


@pytest.mark.parametrize(
    "messages",
    [
        [USER, asking("1", "2"), answering("2"), answering("1")],
        [USER, asking("1"), answering("1"), asking("1"), answering("1"), USER],
        [USER, USER],
        [{"role": "assistant", "content": "a"}, {"role": "system", "content": "s"}],
    ],
)
def test_tool_messages_in_order_and_free_turns_are_accepted(messages: list[Any]) -> None:
    converted(messages=messages)


@pytest.mark.parametrize("fields", [REASONER, {"thinking": {"type": "enabled"}}])
def test_reasoning_must_come_back_inside_an_open_tool_loop(fields: dict[str, Any]) -> None:
    messages = [{"role": "system", "content": "s"}, USER, asking("1"), answering("1")]
    assert refusal(messages=messages, **fields) == (
        "Missing `reasoning_content` field in the assistant message at message index 2. For more "
        "information, please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
    )
    null = [*messages[:2], asking("1", reasoning_content=None), answering("1")]
    assert "message index 2" in refusal(messages=null, **fields)


@pytest.mark.parametrize("reasoning", ["", "because"])
def test_any_reasoning_at_all_will_do(reasoning: str) -> None:
    messages = [USER, asking("1", reasoning_content=reasoning), answering("1")]
    assert request(messages=messages, **REASONER).messages[1].reasoning_content == reasoning


def test_reasoning_of_finished_turns_is_not_asked_for() -> None:
    messages = [USER, asking("1"), answering("1"), {"role": "assistant", "content": "x"}, USER]
    converted(messages=messages, **REASONER)
    converted(messages=[USER, asking("1"), answering("1")])


PREFIXED = {"role": "assistant", "content": "```python\n", "prefix": True}


def test_prefix_works_on_beta_and_on_the_last_message() -> None:
    wanted = request(messages=[USER, PREFIXED], base=Base(is_beta=True))
    assert wanted.messages[-1].prefix
    thinking = {**PREFIXED, "reasoning_content": "so"}
    wanted = request(messages=[USER, thinking], base=Base(is_beta=True), **REASONER)
    assert wanted.messages[-1].reasoning_content == "so"


def test_prefix_off_beta_is_refused() -> None:
    assert refusal(messages=[USER, PREFIXED]) == (
        'prefix is only available when using beta api (set base_url="https://api.deepseek.com/beta")'
    )
    converted(messages=[USER, {**PREFIXED, "prefix": False}, USER])


def test_prefix_before_the_last_message_is_refused() -> None:
    assert "messages[1].prefix" in refusal(messages=[USER, PREFIXED, USER], base=Base(is_beta=True))


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [USER, {"role": "assistant", "content": "a"}, USER, USER],
            "deepseek-reasoner does not support successive user or assistant messages "
            "(messages[2] and messages[3] in your input). You should interleave the "
            "user/assistant messages in the message sequence.",
        ),
        (
            [{"role": "system", "content": "s"}, {"role": "assistant", "content": "a"}, USER],
            "The first message (except the system message) of deepseek-reasoner must be a user "
            "message, but an assistant message detected.",
        ),
        (
            [USER, {"role": "assistant", "content": "a"}],
            "The last message of deepseek-reasoner must be a user message, or an assistant "
            "message with prefix mode on (refer to "
            "https://api-docs.deepseek.com/guides/chat_prefix_completion).",
        ),
    ],
)
def test_old_turn_order_is_enforced_only_on_demand(messages: list[Any], text: str) -> None:
    strict = WireOptions(enforces_reasoner_order=True)
    assert refusal(messages=messages, options=strict, **REASONER) == text
    converted(messages=messages, **REASONER)
    converted(messages=messages, options=strict)
