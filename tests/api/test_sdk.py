"""The official openai SDK against the wire, over a loopback socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionToolUnionParam

from tests.api.scenarios import CALLS, LOGPROBS, PLAIN, SCENARIOS, THINKING, TOOLS, fim_tokens
from tests.support.listening import listening
from tests.support.scripted_serving import SECRET, ScriptedPlatform
from tests.support.wire import wire_app
from whalefall.base.errors import (
    InsufficientBalanceError,
    InvalidRequestError,
    OverloadedError,
    PermissionDeniedError,
    PlatformError,
    RateLimitedError,
    ServerError,
)
from whalefall.chat.messages import ContentDelta, Event, KeepAlive, Role

TOOL: ChatCompletionToolUnionParam = TOOLS[0]  # type: ignore[assignment]


@contextlib.asynccontextmanager
async def client_of(
    platform: ScriptedPlatform, *, path: str = "/v1", secret: str = SECRET
) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        listening(wire_app(platform)) as url,
        openai.AsyncOpenAI(api_key=secret, base_url=url + path, max_retries=0) as client,
    ):
        yield client


async def chat(script: tuple[Event, ...], model: str = "deepseek-chat") -> ChatCompletion:
    async with client_of(ScriptedPlatform(script)) as client:
        return await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], tools=[TOOL]
        )


async def chunks(
    script: tuple[Event, ...], model: str = "deepseek-chat"
) -> list[ChatCompletionChunk]:
    async with client_of(ScriptedPlatform(script), path="") as client:
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        return [chunk async for chunk in stream]


@pytest.mark.parametrize("script", [PLAIN, (KeepAlive(), KeepAlive(), *PLAIN)])
async def test_chat_is_understood_even_behind_newlines(script: tuple[Event, ...]) -> None:
    answer = await chat(script)
    assert answer.choices[0].message.content == 'Hello "world" 😊\n'
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 104
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 64
    assert answer.usage.completion_tokens_details is None


async def test_reasoning_is_reachable() -> None:
    answer = await chat(THINKING, "deepseek-reasoner")
    message = answer.choices[0].message
    assert message.content == "Four."
    assert message.model_extra == {"reasoning_content": "Let me see."}
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2


async def test_tool_calls_are_understood_and_can_be_sent_back() -> None:
    answer = await chat(CALLS)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert json.loads(calls[0].function.arguments) == {"location": "San Francisco"}
    platform = ScriptedPlatform(PLAIN)
    async with client_of(platform) as client:
        await client.chat.completions.create(
            model="deepseek-chat",
            messages=[
                {"role": "user", "content": "Hi"},
                answer.choices[0].message,  # type: ignore[list-item]
                {"role": "tool", "tool_call_id": calls[0].id, "content": "sun"},
                {"role": "tool", "tool_call_id": calls[1].id, "content": "rain"},
            ],
        )
    request = platform.requests[0]
    assert [one.role for one in request.messages] == [  # type: ignore[union-attr]
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.TOOL,
    ]


@pytest.mark.parametrize("script", [PLAIN, (KeepAlive(), *PLAIN)])
async def test_stream_is_understood_even_behind_comments(script: tuple[Event, ...]) -> None:
    found = await chunks(script)
    assert found[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in found)
    assert text == 'Hello "world" 😊\n'
    assert [chunk.usage is not None for chunk in found] == [False] * (len(found) - 1) + [True]
    assert found[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in found}) == 1


async def test_thinking_stream_is_understood() -> None:
    deltas = [chunk.choices[0].delta for chunk in await chunks(THINKING, "deepseek-reasoner")]
    extras = [delta.model_extra or {} for delta in deltas]
    assert all("reasoning_content" in extra for extra in extras)
    assert "".join(extra["reasoning_content"] or "" for extra in extras) == "Let me see."
    assert "".join(delta.content or "" for delta in deltas) == "Four."


async def test_the_sdks_own_accumulator_rebuilds_tool_calls() -> None:
    async with (
        client_of(ScriptedPlatform(CALLS)) as client,
        client.chat.completions.stream(
            model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}], tools=[TOOL]
        ) as stream,
    ):
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.arguments for call in calls] == ['{"location": "San Francisco"}', "{}"]
    assert final.choices[0].finish_reason == "tool_calls"


async def test_logprobs_are_understood() -> None:
    async with client_of(ScriptedPlatform(LOGPROBS)) as client:
        answer = await client.chat.completions.create(
            model="deepseek-chat",
            messages=[{"role": "user", "content": "Hi"}],
            logprobs=True,
            top_logprobs=2,
        )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [one.logprob for one in logprobs.content] == [-0.125, -0.5, -9999.0]
    assert logprobs.content[0].top_logprobs[1].token == "Hey"


async def test_fim_is_understood_whole_and_streamed() -> None:
    async with client_of(ScriptedPlatform(fim_tokens()), path="/beta") as client:
        whole = await client.completions.create(
            model="deepseek-chat", prompt="Once upon a time, ", logprobs=0
        )
        stream = await client.completions.create(
            model="deepseek-chat", prompt="Once upon a time, ", stream=True
        )
        pieces = [chunk.choices[0].text async for chunk in stream]
    assert "".join(pieces) == whole.choices[0].text
    logprobs = whole.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.text_offset is not None
    assert (logprobs.text_offset[0], logprobs.text_offset[-1]) == (18, 1785)


@pytest.mark.parametrize("path", ["", "/v1", "/beta"])
async def test_models_are_listed(path: str) -> None:
    async with client_of(ScriptedPlatform(), path=path) as client:
        assert [model.id async for model in client.models.list()] == [
            "deepseek-chat",
            "deepseek-reasoner",
        ]
        assert (await client.models.retrieve("deepseek-chat")).owned_by == "deepseek"


@pytest.mark.parametrize(
    ("refusal", "exception"),
    [
        (InvalidRequestError("no"), openai.BadRequestError),
        (InsufficientBalanceError(), openai.APIStatusError),
        (PermissionDeniedError("no"), openai.PermissionDeniedError),
        (RateLimitedError("slow down"), openai.RateLimitError),
        (ServerError("bug"), openai.InternalServerError),
        (OverloadedError(), openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_refusals_become_the_right_exception(
    refusal: PlatformError, exception: type[openai.APIStatusError], *, stream: bool
) -> None:
    async with client_of(ScriptedPlatform(refusal=refusal)) as client:
        with pytest.raises(exception) as caught:
            await client.chat.completions.create(
                model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}], stream=stream
            )
    assert caught.value.status_code == refusal.status
    assert caught.value.code == refusal.code
    assert caught.value.type == refusal.type
    assert refusal.message in caught.value.message


async def test_wrong_key_is_an_authentication_error() -> None:
    async with client_of(ScriptedPlatform(), secret="sk-wrong0000") as client:
        with pytest.raises(openai.AuthenticationError, match=r"\*\*\*\*0000 is invalid"):
            await client.models.list()


async def test_unknown_model_is_a_bad_request_not_a_missing_page() -> None:
    async with client_of(ScriptedPlatform(PLAIN)) as client:
        with pytest.raises(openai.BadRequestError, match="Model Not Exist"):
            await client.chat.completions.create(
                model="gpt-5", messages=[{"role": "user", "content": "Hi"}]
            )


async def test_failure_inside_a_stream_is_raised_to_the_reader() -> None:
    script = (ContentDelta("Hel"), OverloadedError())
    async with client_of(ScriptedPlatform(script)) as client:
        stream = await client.chat.completions.create(
            model="deepseek-chat", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="Service is too busy"):
            async for _ in stream:
                pass


@pytest.mark.parametrize("name", ["stream", "stream_thinking", "stream_tools", "stream_logprobs"])
async def test_bytes_over_a_socket_equal_the_golden_stream(name: str) -> None:
    scenario = SCENARIOS[name]
    async with client_of(ScriptedPlatform(scenario.script), path="") as client:
        response = await client.chat.completions.with_raw_response.create(**scenario.body)
        assert response.headers["content-type"] == "text/event-stream"
        assert len(response.headers["x-ds-trace-id"]) == 32
