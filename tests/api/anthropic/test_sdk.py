"""The official anthropic SDK over a real socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import anthropic
import pytest
from anthropic.types import TextBlock, ThinkingBlock, ToolParam, ToolUseBlock

from tests.api.anthropic.scenarios import (
    CALL_0,
    CALL_1,
    CALLS,
    PLAIN,
    STOPPED,
    THINKING,
    WAITING,
    WEATHER_TOOL,
)
from tests.support.listening import listening
from tests.support.scripted_serving import SECRET, ScriptedPlatform, Step
from tests.support.wire import COMPARISON, wire_app
from whalefall.base.errors import (
    InsufficientBalanceError,
    OverloadedError,
    PlatformError,
    RateLimitedError,
    ServerError,
)
from whalefall.chat.messages import ContentDelta, Role, ToolChoiceMode

TOOL: ToolParam = {
    "name": "get_weather",
    "description": WEATHER_TOOL["description"],
    "input_schema": WEATHER_TOOL["input_schema"],
}


@contextlib.asynccontextmanager
async def client_of(
    platform: ScriptedPlatform, *, path: str = "/anthropic", secret: str = SECRET
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with (
        listening(wire_app(platform)) as url,
        anthropic.AsyncAnthropic(api_key=secret, base_url=url + path, max_retries=0) as client,
    ):
        yield client


async def create(platform: ScriptedPlatform) -> anthropic.types.Message:
    async with client_of(platform) as client:
        return await client.messages.create(
            model="claude-sonnet-9",
            max_tokens=16000,
            system="Be brief.",
            messages=[{"role": "user", "content": "Hi"}],
        )


async def test_create_returns_text_and_usage_of_cache_misses() -> None:
    platform = ScriptedPlatform(PLAIN)
    message = await create(platform)
    assert isinstance(message.content[0], TextBlock)
    assert message.content[0].text == "Hello 😊"
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (36, 64)
    assert (message.usage.output_tokens, message.usage.service_tier) == (7, "standard")
    request = platform.requests[0]
    assert request.model == message.model == "deepseek-chat"
    assert request.max_tokens == 8192


async def test_waiting_is_not_seen_by_the_sdk() -> None:
    message = await create(ScriptedPlatform(WAITING))
    assert isinstance(message.content[0], TextBlock)
    assert message.content[0].text == "Hello 😊"


async def test_stop_sequence_is_reported() -> None:
    message = await create(ScriptedPlatform(STOPPED))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", ", 3")


async def test_thinking_and_tools_make_the_round_trip() -> None:
    """What the SDK was given is sent back as it is, with the tools' results."""
    platform = ScriptedPlatform(CALLS)
    async with client_of(platform) as client:
        first = await client.messages.create(
            model="deepseek-reasoner",
            max_tokens=1024,
            thinking={"type": "enabled", "budget_tokens": 1024},
            tools=[TOOL],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
            messages=[{"role": "user", "content": "Weather?"}],
        )
        thinking, text, call_0, call_1 = first.content
        assert isinstance(thinking, ThinkingBlock)
        assert thinking.thinking == "Look it up."
        assert thinking.signature
        assert isinstance(text, TextBlock)
        assert isinstance(call_0, ToolUseBlock)
        assert isinstance(call_1, ToolUseBlock)
        assert (call_0.id, call_0.input) == (CALL_0, {"location": "San Francisco"})
        assert (call_1.id, call_1.input) == (CALL_1, {})
        assert first.stop_reason == "tool_use"
        await client.messages.create(
            model="deepseek-reasoner",
            max_tokens=1024,
            tools=[TOOL],
            messages=[
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": first.content},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": CALL_0, "content": "Sunny"},
                        {
                            "type": "tool_result",
                            "tool_use_id": CALL_1,
                            "content": [{"type": "text", "text": "No place"}],
                            "is_error": True,
                        },
                    ],
                },
            ],
        )
    request = platform.requests[1]
    user, assistant, result_0, result_1 = request.messages  # type: ignore[union-attr]
    assert (user.role, assistant.role) == (Role.USER, Role.ASSISTANT)
    assert assistant.reasoning_content == "Look it up."
    assert [call.arguments for call in assistant.tool_calls] == [
        '{"location": "San Francisco"}',
        "{}",
    ]
    assert (result_0.tool_call_id, result_0.content) == (CALL_0, "Sunny")
    assert (result_1.tool_call_id, result_1.content) == (CALL_1, "No place")
    assert request.tool_choice.mode is ToolChoiceMode.AUTO  # type: ignore[union-attr]


async def test_stream_helper_accumulates_the_same_message() -> None:
    async with (
        client_of(ScriptedPlatform(CALLS)) as client,
        client.messages.stream(
            model="deepseek-reasoner",
            max_tokens=1024,
            messages=[{"role": "user", "content": "Weather?"}],
        ) as stream,
    ):
        texts = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert texts == ["I look."]
    kinds = [block.type for block in message.content]
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert isinstance(message.content[2], ToolUseBlock)
    assert message.content[2].input == {"location": "San Francisco"}
    assert message.stop_reason == "tool_use"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (36, 7)


async def test_raw_stream_passes_over_keep_alives() -> None:
    async with client_of(ScriptedPlatform(WAITING)) as client:
        stream = await client.messages.create(
            model="deepseek-chat",
            max_tokens=10,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
        )
        kinds = [event.type async for event in stream]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]


async def test_failure_inside_a_stream_is_an_error_of_the_sdk() -> None:
    script: Sequence[Step] = (*THINKING[:2], OverloadedError())
    async with client_of(ScriptedPlatform(script)) as client:
        stream = await client.messages.create(
            model="deepseek-chat",
            max_tokens=10,
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
        )
        with pytest.raises(anthropic.APIStatusError, match="too busy"):
            [event async for event in stream]


async def test_count_tokens() -> None:
    platform = ScriptedPlatform()
    async with client_of(platform) as client:
        count = await client.messages.count_tokens(
            model="claude-opus-9",
            system=[{"type": "text", "text": "one two"}, {"type": "text", "text": "three"}],
            messages=[{"role": "user", "content": "four five"}],
            tools=[TOOL],
        )
    assert count.input_tokens == 5
    assert platform.generations == []


async def test_models_are_listed() -> None:
    async with client_of(ScriptedPlatform()) as client:
        models = [model.id async for model in client.models.list()]
    assert models == ["deepseek-chat", "deepseek-reasoner"]


async def test_comparison_base_names_the_real_model() -> None:
    platform = ScriptedPlatform(PLAIN)
    async with client_of(platform, path=f"/{COMPARISON}/anthropic") as client:
        message = await client.messages.create(
            model="deepseek-chat", max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
        )
    assert message.model == "deepseek-v3.1-terminus"
    assert platform.bases[0].comparison == COMPARISON


async def test_auth_token_is_sent_as_bearer_and_accepted() -> None:
    async with (
        listening(wire_app(ScriptedPlatform(PLAIN))) as url,
        anthropic.AsyncAnthropic(
            auth_token=SECRET, base_url=f"{url}/anthropic", max_retries=0
        ) as client,
    ):
        message = await client.messages.create(
            model="deepseek-chat", max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
        )
    assert message.stop_reason == "end_turn"


async def test_wrong_key_is_an_authentication_error() -> None:
    async with client_of(ScriptedPlatform(PLAIN), secret="sk-" + "0" * 32) as client:
        with pytest.raises(anthropic.AuthenticationError, match="0000 is invalid"):
            await client.models.list()


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (InsufficientBalanceError(), anthropic.APIStatusError),
        (RateLimitedError("Rate limit reached for TPM"), anthropic.RateLimitError),
        (ServerError("The engine failed."), anthropic.InternalServerError),
        (OverloadedError(), anthropic.APIStatusError),
    ],
)
async def test_refusals_become_the_sdks_exceptions(
    refusal: PlatformError, expected: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(expected) as caught:
        await create(ScriptedPlatform((ContentDelta("never"),), refusal=refusal))
    assert caught.value.status_code == refusal.status
    assert caught.value.body == {
        "error": {
            "message": refusal.message,
            "type": refusal.type,
            "param": None,
            "code": refusal.code,
        }
    }
