"""The Anthropic-style endpoints from bytes to bytes, over a scripted platform."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.anthropic.scenarios import (
    CALL_0,
    COUNT_PATH,
    PATH,
    PLAIN,
    STARTED,
    WEATHER_TOOL,
    body,
    finished,
)
from tests.support.scripted_serving import SECRET, ScriptedPlatform
from tests.support.wire import call, message_of, wire_app
from whalefall.api.options import Era, WireOptions
from whalefall.base.errors import OverloadedError
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    FinishReason,
    KeepAlive,
    ToolCallArguments,
    ToolCallStart,
    ToolChoice,
    ToolChoiceMode,
)

LEAD = "Failed to deserialize the JSON body into the target type: "


async def request_for(era: Era = Era.V3_2, **fields: object) -> ChatRequest:
    """The neutral request that a body turns into."""
    platform = ScriptedPlatform(PLAIN)
    response = await call(wire_app(platform, WireOptions(era=era)), PATH, body(**fields))
    assert response.status_code == 200, response.text
    request = platform.requests[0]
    assert isinstance(request, ChatRequest)
    return request


async def refusal_of(path: str = PATH, era: Era = Era.V3_2, **fields: object) -> str:
    platform = ScriptedPlatform(PLAIN)
    response = await call(wire_app(platform, WireOptions(era=era)), path, body(**fields))
    assert response.status_code == 400, response.text
    assert platform.requests == []
    return message_of(response)


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


async def test_message_has_the_wire_key_order() -> None:
    response = await call(wire_app(ScriptedPlatform(PLAIN)), PATH, body())
    assert response.headers["content-type"] == "application/json"
    assert response.content.decode() == (
        '{"id":"bac6eb88-1766-49c2-bf23-9eab31024ea6","type":"message","role":"assistant",'
        '"model":"deepseek-chat","content":[{"type":"text","text":"Hello 😊"}],'
        '"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":36,'
        '"cache_creation_input_tokens":0,"cache_read_input_tokens":64,"output_tokens":7,'
        '"service_tier":"standard"}}'
    )


async def test_waiting_puts_newlines_before_the_body() -> None:
    platform = ScriptedPlatform((KeepAlive(), KeepAlive(), *PLAIN))
    response = await call(wire_app(platform), PATH, body())
    assert response.content.startswith(b'\n\n{"id":')


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (FinishReason.STOP, "end_turn"),
        (FinishReason.LENGTH, "max_tokens"),
        (FinishReason.TOOL_CALLS, "tool_use"),
        (FinishReason.CONTENT_FILTER, "refusal"),
        (FinishReason.INSUFFICIENT_SYSTEM_RESOURCE, "insufficient_system_resource"),
    ],
)
async def test_stop_reason(reason: FinishReason, expected: str) -> None:
    app = wire_app(ScriptedPlatform((STARTED, finished(reason))))
    assert (await call(app, PATH, body())).json()["stop_reason"] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        ("{}", {}),
        ('{"a": 1, "b": [2]}', {"a": 1, "b": [2]}),
        ('{"a": "x", "b": "cut he', {"a": "x"}),
        ('{"a": 12', {}),
        ('{"a": 12, "b": tr', {"a": 12}),
        ('{"a": "\\u00', {}),
        ('{"a": "x"} and more', {"a": "x"}),
        ("[1]", {}),
        ('{"a" 1}', {}),
        ('{"big": 1e999, "a": 1}', {"big": None, "a": 1}),
    ],
)
async def test_tool_input_is_an_object_whatever_the_model_wrote(
    arguments: str, expected: dict[str, Any]
) -> None:
    script = (
        STARTED,
        ToolCallStart(0, CALL_0, "f"),
        ToolCallArguments(0, arguments),
        finished(FinishReason.LENGTH),
    )
    answer = (await call(wire_app(ScriptedPlatform(script)), PATH, body())).json()
    assert answer["content"] == [{"type": "tool_use", "id": CALL_0, "name": "f", "input": expected}]


async def test_failure_before_any_byte_keeps_its_status() -> None:
    app = wire_app(ScriptedPlatform((OverloadedError(),)))
    response = await call(app, PATH, body(stream=True))
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "service_unavailable_error"


async def test_failure_inside_a_stream_is_an_error_event() -> None:
    script = (STARTED, ContentDelta("x"), OverloadedError("Busy."))
    response = await call(wire_app(ScriptedPlatform(script)), PATH, body(stream=True))
    assert response.status_code == 200
    assert response.text.endswith(
        'event: error\ndata: {"type":"error","error":{"message":"Busy.",'
        '"type":"service_unavailable_error","param":null,"code":"service_unavailable_error"}}\n\n'
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": SECRET, "authorization": ""},
        {"x-api-key": SECRET, "authorization": "Bearer sk-wrong"},
        {"authorization": f"Bearer {SECRET}"},
    ],
)
async def test_both_credentials_are_taken(headers: dict[str, str]) -> None:
    response = await call(wire_app(ScriptedPlatform(PLAIN)), PATH, body(), headers=headers)
    assert response.status_code == 200


async def test_missing_credentials_are_the_standard_error() -> None:
    app = wire_app(ScriptedPlatform(PLAIN))
    response = await call(app, PATH, body(), headers={"authorization": ""})
    assert response.status_code == 401
    assert message_of(response).startswith("Authentication Fails")


# --- what the fields do -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names", "expected"),
    [
        ("deepseek-reasoner", None, "deepseek-reasoner"),
        ("claude-opus-4-6", None, "deepseek-chat"),
        ("gpt-9", None, "deepseek-chat"),
        ("deepseek-chat[1m]", None, "deepseek-chat"),
        ("claude-opus-4-6", ("deepseek-v4-flash", "deepseek-v4-pro"), "deepseek-v4-pro"),
        ("claude-haiku-4-5", ("deepseek-v4-flash", "deepseek-v4-pro"), "deepseek-v4-flash"),
        ("claude-sonnet-4-5", ("mine",), "mine"),
    ],
)
async def test_model_is_mapped_never_refused(
    asked: str, names: tuple[str, ...] | None, expected: str
) -> None:
    platform = ScriptedPlatform(PLAIN)
    platform.names = names or platform.names
    response = await call(wire_app(platform), PATH, body(model=asked))
    assert response.json()["model"] == expected


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("deepseek-chat", None, False),
        ("deepseek-reasoner", None, True),
        ("deepseek-chat", {"type": "enabled", "budget_tokens": 1024}, True),
        ("deepseek-chat", {"type": "adaptive"}, True),
        ("deepseek-chat", {"type": "disabled"}, False),
        ("deepseek-reasoner", {"type": "disabled"}, True),
    ],
)
async def test_thinking_switch(model: str, thinking: object, *, expected: bool) -> None:
    assert (await request_for(model=model, thinking=thinking)).thinking is expected


async def test_sampling_is_passed_and_ignored_when_thinking() -> None:
    plain = await request_for(temperature=1.7, top_p=0.5, stop_sequences=["a", "b"])
    assert (plain.temperature, plain.top_p, plain.stop) == (1.7, 0.5, ("a", "b"))
    thinking = await request_for(model="deepseek-reasoner", temperature=1.7, top_p=0.5)
    assert (thinking.temperature, thinking.top_p) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("deepseek-chat", 1, 1),
        ("deepseek-chat", 32000, 8192),
        ("deepseek-reasoner", 32000, 32000),
        ("deepseek-reasoner", 128000, 65536),
    ],
)
async def test_max_tokens_is_cut_to_the_limit(model: str, asked: int, expected: int) -> None:
    assert (await request_for(model=model, max_tokens=asked)).max_tokens == expected


async def test_ignored_fields_are_ignored() -> None:
    request = await request_for(
        container="c",
        mcp_servers=[{"x": 1}],
        service_tier="auto",
        top_k=5,
        metadata={"user_id": "u"},
        system=[{"type": "text", "text": "S", "cache_control": {"type": "ephemeral"}}],
        tools=[{**WEATHER_TOOL, "cache_control": {"type": "ephemeral"}, "type": "custom"}],
        messages=[user({"type": "text", "text": "Hi", "cache_control": None, "citations": []})],
    )
    assert [message.content for message in request.messages] == ["S", "Hi"]
    assert request.user_id is None


async def test_later_era_reads_the_user_id() -> None:
    assert (await request_for(era=Era.V4, metadata={"user_id": "u"})).user_id == "u"
    assert (await request_for(era=Era.V4, metadata=["odd"])).user_id is None


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice(ToolChoiceMode.AUTO)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(ToolChoiceMode.AUTO)),
        ({"type": "any"}, ToolChoice(ToolChoiceMode.REQUIRED)),
        ({"type": "tool", "name": "get_weather"}, ToolChoice(ToolChoiceMode.NAMED, "get_weather")),
        ({"type": "none"}, ToolChoice(ToolChoiceMode.NONE)),
    ],
)
async def test_tool_choice(choice: object, expected: ToolChoice) -> None:
    request = await request_for(tools=[WEATHER_TOOL], tool_choice=choice)
    assert request.tool_choice == expected
    assert request.tools[0].parameters == WEATHER_TOOL["input_schema"]


@pytest.mark.parametrize("tools", [None, []])
async def test_no_tools_means_no_choice(tools: object) -> None:
    request = await request_for(tools=tools, tool_choice={"type": "auto"})
    assert (request.tools, request.tool_choice.mode) == ((), ToolChoiceMode.NONE)


async def test_count_takes_no_max_tokens_and_starts_nothing() -> None:
    platform = ScriptedPlatform()
    fields = body(system="one", tools=[WEATHER_TOOL])
    del fields["max_tokens"]
    response = await call(wire_app(platform), COUNT_PATH, fields)
    assert response.content == b'{"input_tokens":2}'
    assert platform.generations == []


async def test_models_page() -> None:
    response = await call(wire_app(ScriptedPlatform(names=())), "/anthropic/v1/models")
    assert response.json() == {"data": [], "has_more": False, "first_id": None, "last_id": None}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]},
            "messages[1].role: unknown variant `tool`, expected `user` or `assistant`",
        ),
        (
            {"messages": [{"role": "system", "content": "a"}]},
            "messages[0].role: unknown variant `system`, expected `user` or `assistant`",
        ),
        (
            {"messages": [user({"type": "image", "source": {}})]},
            "messages[0].content[0].type: unknown variant `image`, expected one of `text`, "
            "`thinking`, `tool_use`, `tool_result`",
        ),
        (
            {"messages": [user({"type": "document", "source": {}})]},
            "messages[0].content[0].type: unknown variant `document`, expected one of `text`, "
            "`thinking`, `tool_use`, `tool_result`",
        ),
        (
            {"messages": [user({"type": "text"})]},
            "messages[0].content[0]: missing field `text`",
        ),
        (
            {"messages": [user({"type": "tool_use", "id": "i", "name": "n"})]},
            "messages[0].content[0]: missing field `input`",
        ),
        (
            {"messages": [{"role": "user", "content": 3}]},
            "messages[0].content: data did not match any variant of untagged enum MessageContent",
        ),
        (
            {"messages": [{"role": "user", "content": ["hi"]}]},
            'messages[0].content[0]: invalid type: string "hi", expected internally tagged enum '
            "ContentBlockParam",
        ),
        ({"messages": {}}, "messages: invalid type: map, expected a sequence"),
        ({"max_tokens": None}, "max_tokens: invalid type: null, expected u32"),
        ({"max_tokens": -1}, "max_tokens: invalid value: integer `-1`, expected u32"),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            "tools[0]: missing field `input_schema`",
        ),
        (
            {"tool_choice": {"type": "required"}},
            "tool_choice.type: unknown variant `required`, expected one of `auto`, `any`, `tool`, "
            "`none`",
        ),
        (
            {"thinking": {"type": "on"}},
            "thinking.type: unknown variant `on`, expected one of `enabled`, `disabled`, "
            "`adaptive`, `between_tools`",
        ),
    ],
)
async def test_wrong_types_are_told_like_the_real_parser_tells(
    fields: dict[str, Any], expected: str
) -> None:
    text = await refusal_of(**fields)
    assert text.startswith(LEAD + expected + " at line 1 column "), text


async def test_empty_object_misses_its_first_field() -> None:
    response = await call(wire_app(ScriptedPlatform()), PATH, b"{}")
    assert message_of(response) == LEAD + "missing field `model` at line 1 column 2"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"messages": []}, "messages: at least one message is required"),
        (
            {"max_tokens": 0},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        ),
        (
            {"temperature": 2.1},
            "Invalid temperature value, the valid range of temperature is [0, 2]",
        ),
        ({"top_p": 0}, "Invalid top_p value, the valid range of top_p is (0, 1.0]"),
        ({"stop_sequences": ["x"] * 17}, "Stop string array too long: 17"),
        (
            {"tools": [{"name": "a b", "input_schema": {}}]},
            "Invalid 'tools[0].name': string does not match pattern. Expected a string that "
            "matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            {"tools": [{"name": "a" * 129, "input_schema": {}}]},
            "Invalid 'tools[0].name': string too long. Expected a string with maximum length 128, "
            "but got a string with length 129 instead.",
        ),
        (
            {"tools": [WEATHER_TOOL] * 129},
            "Invalid 'tools': array too long. Expected an array with maximum length 128, but got "
            "an array with length 129 instead.",
        ),
        (
            {"tools": [WEATHER_TOOL], "tool_choice": {"type": "tool", "name": "other"}},
            "Invalid value for 'tool_choice': the tool 'other' is not among 'tools'.",
        ),
        (
            {"tool_choice": {"type": "any"}},
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
        ),
    ],
)
async def test_business_rules(fields: dict[str, Any], expected: str) -> None:
    assert await refusal_of(**fields) == expected


async def test_later_era_refuses_a_forced_tool_in_thinking_mode() -> None:
    fields: dict[str, Any] = {
        "model": "deepseek-reasoner",
        "tools": [WEATHER_TOOL],
        "tool_choice": {"type": "any"},
    }
    assert (await request_for(**fields)).tool_choice.mode is ToolChoiceMode.REQUIRED
    expected = "Thinking mode does not support this tool_choice"
    assert await refusal_of(era=Era.V4, **fields) == expected
