"""POST /responses from bytes to bytes, over a scripted platform: what is read, ignored, refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.responses.scenarios import CALL_0, PATH, PLAIN, WEATHER_TOOL, body
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, message_of, wire_app
from whalefall.api.options import Era, WireOptions
from whalefall.base.errors import OverloadedError
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    ToolCall,
    ToolChoice,
    ToolChoiceMode,
)

LEAD = "Failed to deserialize the JSON body into the target type: "
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


async def request_for(era: Era = Era.V3_2, **fields: object) -> ChatRequest:
    """The neutral request that a body turns into."""
    platform = ScriptedPlatform(PLAIN)
    response = await call(wire_app(platform, WireOptions(era=era)), PATH, body(**fields))
    assert response.status_code == 200, response.text
    request = platform.requests[0]
    assert isinstance(request, ChatRequest)
    return request


async def refusal_of(era: Era = Era.V3_2, **fields: object) -> str:
    platform = ScriptedPlatform(PLAIN)
    response = await call(wire_app(platform, WireOptions(era=era)), PATH, body(**fields))
    assert response.status_code == 400, response.text
    assert platform.requests == []
    return message_of(response)


async def messages_for(*items: dict[str, Any]) -> tuple[Message, ...]:
    return (await request_for(input=list(items))).messages


def says(role: str, content: object) -> dict[str, Any]:
    return {"role": role, "content": content}


CALL = {"type": "function_call", "call_id": CALL_0, "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": CALL_0, "output": "r"}


async def test_body_has_the_wire_key_order() -> None:
    response = await call(wire_app(ScriptedPlatform(PLAIN)), PATH, body(user="u"))
    assert response.content.decode() == (
        '{"id":"bac6eb88-1766-49c2-bf23-9eab31024ea6","object":"response",'
        '"created_at":1740636518,"status":"completed","background":false,"error":null,'
        '"incomplete_details":null,"instructions":null,"max_output_tokens":null,"metadata":{},'
        '"model":"deepseek-chat","output":[{"type":"message","id":"msg_1","status":"completed",'
        '"role":"assistant","content":[{"type":"output_text","text":"Hello 😊",'
        '"annotations":[]}]}],"parallel_tool_calls":true,"previous_response_id":null,'
        '"reasoning":{"effort":null,"summary":null},"store":false,"temperature":1.0,'
        '"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,'
        '"truncation":"disabled","usage":{"input_tokens":100,"input_tokens_details":'
        '{"cached_tokens":64},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},'
        '"total_tokens":107},"user":"u"}'
    )


async def test_failure_before_any_byte_keeps_its_status() -> None:
    app = wire_app(ScriptedPlatform((OverloadedError(),)))
    response = await call(app, PATH, body())
    assert response.status_code == 503


# --- input --------------------------------------------------------------------------------------


async def test_instructions_alone_are_enough() -> None:
    request = await request_for(input=None, instructions="Go.")
    assert request.messages == (Message(Role.SYSTEM, "Go."),)


async def test_developer_is_system_and_parts_are_joined() -> None:
    messages = await messages_for(
        says("developer", "d"),
        {"type": "message", **says("user", [{"type": "input_text", "text": "a"}])},
        says("user", [{"type": "text", "text": "b"}, {"type": "input_text", "text": "c"}]),
    )
    assert messages == (
        Message(Role.SYSTEM, "d"),
        Message(Role.USER, "a"),
        Message(Role.USER, "b\nc"),
    )


async def test_items_of_the_assistant_are_one_message() -> None:
    messages = await messages_for(
        says("user", "q"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}]},
        says("assistant", [{"type": "output_text", "text": "t", "annotations": []}]),
        CALL,
        {"type": "web_search_call", "id": "ws_1", "action": 3},
        OUTPUT,
        says("assistant", [{"type": "refusal", "refusal": "no"}]),
        says("user", "next"),
    )
    assert messages == (
        Message(Role.USER, "q"),
        Message(
            Role.ASSISTANT,
            "t",
            reasoning_content="s",
            tool_calls=(ToolCall(CALL_0, "f", "{}"),),
        ),
        Message(Role.TOOL, "r", tool_call_id=CALL_0),
        Message(Role.ASSISTANT, "no", reasoning_content=""),
        Message(Role.USER, "next"),
    )


async def test_reasoning_prefers_what_was_thought_over_its_summary() -> None:
    reasoning = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "long"}],
        "encrypted_content": "x",
    }
    messages = await messages_for(says("user", "q"), reasoning, CALL, OUTPUT)
    assert messages[1].reasoning_content == "long"


async def test_lost_reasoning_is_no_error_in_a_thinking_tool_loop() -> None:
    request = await request_for(model="deepseek-reasoner", input=[says("user", "q"), CALL, OUTPUT])
    assert request.messages[1].reasoning_content == ""


# --- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "reasoning", "expected"),
    [
        ("deepseek-chat", None, False),
        ("deepseek-chat", {}, False),
        ("deepseek-chat", {"effort": "low", "summary": "auto"}, True),
        ("deepseek-reasoner", {"effort": None}, True),
        ("deepseek-chat", {"effort": "none"}, False),
        ("deepseek-reasoner", {"effort": "none"}, True),
    ],
)
async def test_reasoning_switch(model: str, reasoning: object, *, expected: bool) -> None:
    assert (await request_for(model=model, reasoning=reasoning)).thinking is expected


async def test_parameters_are_passed() -> None:
    request = await request_for(temperature=0.5, top_p=0.9, max_output_tokens=12, user="u")
    assert (request.temperature, request.top_p) == (0.5, 0.9)
    assert (request.max_tokens, request.user_id) == (12, "u")


async def test_unsupported_parameters_and_tools_are_ignored() -> None:
    request = await request_for(
        store=True,
        include=["reasoning.encrypted_content"],
        metadata={"a": "b"},
        truncation="auto",
        background=True,
        parallel_tool_calls=False,
        conversation={"id": 1},
        tools=[{"type": "web_search"}, {"type": "mcp", "name": 3}, WEATHER_TOOL],
    )
    assert [tool.name for tool in request.tools] == ["get_weather"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice(ToolChoiceMode.AUTO)),
        ("auto", ToolChoice(ToolChoiceMode.AUTO)),
        ("none", ToolChoice(ToolChoiceMode.NONE)),
        ("required", ToolChoice(ToolChoiceMode.REQUIRED)),
        (
            {"type": "function", "name": "get_weather"},
            ToolChoice(ToolChoiceMode.NAMED, "get_weather"),
        ),
        ({"type": "web_search_preview"}, ToolChoice(ToolChoiceMode.AUTO)),
    ],
)
async def test_tool_choice(choice: object, expected: ToolChoice) -> None:
    request = await request_for(tools=[WEATHER_TOOL], tool_choice=choice)
    assert request.tool_choice == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, ResponseFormat()),
        ({}, ResponseFormat()),
        ({"format": {"type": "text"}, "verbosity": "low"}, ResponseFormat()),
        ({"format": {"type": "json_object"}}, ResponseFormat(ResponseFormatKind.JSON_OBJECT)),
        (
            {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
            ResponseFormat(ResponseFormatKind.JSON_SCHEMA, SCHEMA),
        ),
    ],
)
async def test_text_format(asked: object, expected: ResponseFormat) -> None:
    request = await request_for(input="Some JSON please", text=asked)
    assert request.response_format == expected


async def test_asked_settings_are_told_back() -> None:
    text = {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}
    asked = body(text=text, tools=[WEATHER_TOOL], tool_choice="none", reasoning={"effort": "low"})
    answer = (await call(wire_app(ScriptedPlatform(PLAIN)), PATH, asked)).json()
    assert answer["text"] == text
    assert answer["tools"] == [WEATHER_TOOL]
    assert answer["tool_choice"] == "none"
    assert answer["reasoning"] == {"effort": "low", "summary": None}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "gpt-9"}, "Model Not Exist"),
        ({"input": None}, "At least one of 'input' and 'instructions' is required."),
        (
            {"previous_response_id": "resp_1"},
            "Invalid 'previous_response_id': responses are not stored. Send the whole "
            "conversation in 'input'.",
        ),
        (
            {"max_output_tokens": 8193},
            "Invalid max_output_tokens value, the valid range of max_output_tokens is [1, 8192]",
        ),
        (
            {"temperature": 3},
            "Invalid temperature value, the valid range of temperature is [0, 2]",
        ),
        (
            {"text": {"format": {"type": "json_object"}}},
            "Prompt must contain the word 'json' in some form to use 'response_format' of type "
            "'json_object'.",
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "n"}}},
            "Missing required parameter: 'text.format.schema'.",
        ),
        (
            {"input": [says("user", "q"), CALL]},
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. (insufficient tool messages following tool_calls message)",
        ),
        (
            {"input": [OUTPUT]},
            "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
        ),
        (
            {"input": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
        ),
        (
            {"tools": [{"type": "function", "name": "a b"}]},
            "Invalid 'tools[0].name': string does not match pattern. Expected a string that "
            "matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            {"tool_choice": {"type": "function", "name": "other"}},
            "Invalid value for 'tool_choice': the tool 'other' is not among 'tools'.",
        ),
    ],
)
async def test_business_rules(fields: dict[str, Any], expected: str) -> None:
    assert await refusal_of(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"input": 3}, "input: data did not match any variant of untagged enum Input at line 1"),
        ({"input": ["x"]}, 'input[0]: invalid type: string "x", expected a map at line 1'),
        (
            {"reasoning": {"effort": "extreme"}},
            "reasoning.effort: unknown variant `extreme`, expected one of `none`, `minimal`, "
            "`low`, `medium`, `high`, `xhigh`, `max` at line 1",
        ),
        (
            {"text": {"format": {"type": "xml"}}},
            "text.format.type: unknown variant `xml`, expected one of `text`, `json_object`, "
            "`json_schema` at line 1",
        ),
        (
            {"tool_choice": "some"},
            "tool_choice: expected one of `none`, `auto`, `required` or a tool",
        ),
        ({"tool_choice": 3}, "tool_choice: expected one of `none`, `auto`, `required` or a tool"),
        (
            {"input": [says("robot", "x")]},
            "input[0].role: unknown variant `robot`, expected one of `user`, `assistant`, "
            "`system`, `developer`",
        ),
        (
            {"input": [says("user", [{"type": "input_image", "image_url": "x"}])]},
            "input[0].content[0].type: unknown variant `input_image`, expected one of "
            "`input_text`, `output_text`, `text`, `refusal`",
        ),
        (
            {"input": [says("user", "q"), {"type": "function_call", "call_id": "c"}]},
            "input[1]: missing field `name`",
        ),
        (
            {"tools": [{"type": "function", "name": 3}]},
            "tools[0].name: invalid type: integer `3`, expected a string",
        ),
    ],
)
async def test_wrong_types_are_told_with_their_place(fields: dict[str, Any], expected: str) -> None:
    text = await refusal_of(**fields)
    assert text.startswith(LEAD + expected), text


async def test_later_era_refuses_a_forced_tool_in_thinking_mode() -> None:
    fields: dict[str, Any] = {
        "model": "deepseek-reasoner",
        "tools": [WEATHER_TOOL],
        "tool_choice": "required",
    }
    assert (await request_for(**fields)).tool_choice.mode is ToolChoiceMode.REQUIRED
    expected = "Thinking mode does not support this tool_choice"
    assert await refusal_of(era=Era.V4, **fields) == expected
