"""The official openai SDK's Responses client over a real socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.responses import (
    FunctionToolParam,
    Response,
    ResponseFunctionToolCall,
    ResponseInputParam,
    ResponseOutputMessage,
    ResponseReasoningItem,
)
from pydantic import BaseModel

from tests.api.responses.scenarios import (
    CALL_0,
    CALL_1,
    CALLS,
    CUT,
    INTERRUPTED,
    PLAIN,
    STARTED,
    THINKING,
    WAITING,
    WEATHER_TOOL,
    finished,
)
from tests.support.listening import listening
from tests.support.scripted_serving import SECRET, ScriptedPlatform, Step
from tests.support.wire import wire_app
from whalefall.base.errors import InsufficientBalanceError, OverloadedError
from whalefall.chat.messages import (
    ChatRequest,
    ContentDelta,
    Message,
    ResponseFormatKind,
    Role,
    ToolCall,
    ToolChoiceMode,
)

TOOL: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": WEATHER_TOOL["description"],
    "parameters": WEATHER_TOOL["parameters"],
    "strict": False,
}


class City(BaseModel):
    name: str
    people: int


@contextlib.asynccontextmanager
async def client_of(
    platform: ScriptedPlatform, path: str = ""
) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        listening(wire_app(platform)) as url,
        openai.AsyncOpenAI(api_key=SECRET, base_url=url + path, max_retries=0) as client,
    ):
        yield client


async def create(platform: ScriptedPlatform) -> Response:
    async with client_of(platform) as client:
        return await client.responses.create(
            model="deepseek-chat", instructions="Be brief.", input="Hi", max_output_tokens=99
        )


def request_of(platform: ScriptedPlatform, index: int = 0) -> ChatRequest:
    request = platform.requests[index]
    assert isinstance(request, ChatRequest)
    return request


async def test_create_returns_text_usage_and_settings() -> None:
    platform = ScriptedPlatform(PLAIN)
    response = await create(platform)
    assert response.output_text == "Hello 😊"
    assert (response.status, response.error, response.incomplete_details) == (
        "completed",
        None,
        None,
    )
    assert (response.instructions, response.max_output_tokens) == ("Be brief.", 99)
    assert (response.previous_response_id, response.parallel_tool_calls) == (None, True)
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.total_tokens) == (100, 107)
    assert response.usage.input_tokens_details.cached_tokens == 64
    assert response.usage.output_tokens_details.reasoning_tokens == 0
    assert request_of(platform).messages == (
        Message(Role.SYSTEM, "Be brief."),
        Message(Role.USER, "Hi"),
    )


@pytest.mark.parametrize("path", ["", "/v1", "/beta"])
async def test_every_base_answers(path: str) -> None:
    async with client_of(ScriptedPlatform(WAITING), path) as client:
        response = await client.responses.create(model="deepseek-chat", input="Hi")
    assert response.output_text == "Hello 😊"


async def test_reasoning_and_tools_make_the_round_trip() -> None:
    """Output items are sent back as they are, with the functions' outputs."""
    platform = ScriptedPlatform(CALLS)
    async with client_of(platform) as client:
        first = await client.responses.create(
            model="deepseek-chat",
            input="Weather?",
            tools=[TOOL],
            tool_choice="auto",
            reasoning={"effort": "high"},
        )
        thought, said, call_0, call_1 = first.output
        assert isinstance(thought, ResponseReasoningItem)
        assert thought.content is not None
        assert thought.content[0].text == "Look it up."
        assert isinstance(said, ResponseOutputMessage)
        assert isinstance(call_0, ResponseFunctionToolCall)
        assert isinstance(call_1, ResponseFunctionToolCall)
        assert (call_0.call_id, call_0.arguments) == (CALL_0, '{"location": "San Francisco"}')
        follow_up: ResponseInputParam = [
            {"role": "user", "content": "Weather?"},
            *(item.model_dump() for item in first.output),  # type: ignore[list-item]
            {"type": "function_call_output", "call_id": CALL_0, "output": "Sunny"},
            {"type": "function_call_output", "call_id": CALL_1, "output": "Where?"},
        ]
        await client.responses.create(
            model="deepseek-chat",
            input=follow_up,
            tools=[TOOL],
            tool_choice={"type": "function", "name": "get_weather"},
        )
    assert request_of(platform).thinking is True
    second = request_of(platform, 1)
    assert second.thinking is False
    assert second.tool_choice.mode is ToolChoiceMode.NAMED
    assert second.messages == (
        Message(Role.USER, "Weather?"),
        Message(
            Role.ASSISTANT,
            "I look.",
            reasoning_content="Look it up.",
            tool_calls=(
                ToolCall(CALL_0, "get_weather", '{"location": "San Francisco"}'),
                ToolCall(CALL_1, "get_weather", "{}"),
            ),
        ),
        Message(Role.TOOL, "Sunny", tool_call_id=CALL_0),
        Message(Role.TOOL, "Where?", tool_call_id=CALL_1),
    )


async def test_stream_helper_accumulates_what_create_returns() -> None:
    async with client_of(ScriptedPlatform(CALLS)) as client:
        whole = await client.responses.create(model="deepseek-chat", input="Hi", tools=[TOOL])
        async with client.responses.stream(
            model="deepseek-chat", input="Hi", tools=[TOOL]
        ) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    dumped = [item.model_dump(exclude={"parsed_arguments"}) for item in whole.output]
    found = [
        item.model_dump(exclude={"parsed_arguments": True, "content": {"__all__": {"parsed"}}})
        for item in final.output
    ]
    assert found == dumped
    assert final.usage == whole.usage


async def test_raw_stream_counts_its_events() -> None:
    async with client_of(ScriptedPlatform(THINKING)) as client:
        stream = await client.responses.create(model="deepseek-chat", input="Hi", stream=True)
        events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    thinking = [event.delta for event in events if event.type == "response.reasoning_text.delta"]
    assert thinking == ["Let me", " see."]


async def test_cut_response_is_incomplete() -> None:
    response = await create(ScriptedPlatform(CUT))
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[0].status == "incomplete"  # type: ignore[union-attr]


async def test_interrupted_response_has_failed() -> None:
    response = await create(ScriptedPlatform(INTERRUPTED))
    assert response.status == "failed"
    assert response.error is not None
    assert response.error.code == "server_error"


async def test_failure_inside_a_stream_is_a_failed_response() -> None:
    script: tuple[Step, ...] = (STARTED, ContentDelta("He"), OverloadedError("Busy."))
    async with client_of(ScriptedPlatform(script)) as client:
        stream = await client.responses.create(model="deepseek-chat", input="Hi", stream=True)
        last = [event async for event in stream][-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.message == "Busy."
    assert last.response.output_text == "He"


async def test_parse_reads_a_schema_bound_answer() -> None:
    platform = ScriptedPlatform(
        (STARTED, ContentDelta('{"name": "Oslo", "people": 700000}'), finished())
    )
    async with client_of(platform) as client:
        response = await client.responses.parse(
            model="deepseek-chat", input="A city?", text_format=City
        )
    assert response.output_parsed == City(name="Oslo", people=700000)
    asked = request_of(platform).response_format
    assert asked.kind is ResponseFormatKind.JSON_SCHEMA
    assert asked.schema is not None
    assert set(asked.schema["properties"]) == {"name", "people"}


async def test_no_money_is_an_error_with_status_402() -> None:
    with pytest.raises(openai.APIStatusError, match="Insufficient Balance") as caught:
        await create(ScriptedPlatform(refusal=InsufficientBalanceError()))
    assert caught.value.status_code == 402


async def test_previous_response_is_a_bad_request() -> None:
    async with client_of(ScriptedPlatform(PLAIN)) as client:
        with pytest.raises(openai.BadRequestError, match="not stored"):
            await client.responses.create(
                model="deepseek-chat", input="Hi", previous_response_id="resp_1"
            )
