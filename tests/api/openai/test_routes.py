"""POST /chat/completions from bytes to bytes, over a scripted platform."""

from __future__ import annotations

import json

import pytest

from tests.support.scripted_serving import Pause, ScriptedPlatform
from tests.support.wire import COMPARISON, call, chat_body, message_of, wire_app
from whalefall.base.errors import (
    InsufficientBalanceError,
    OverloadedError,
    PlatformError,
    RateLimitedError,
)
from whalefall.chat.messages import (
    ContentDelta,
    Event,
    Finished,
    FinishReason,
    KeepAlive,
    ReasoningDelta,
    ToolCallArguments,
    ToolCallStart,
    Usage,
)

FINISHED = Finished(FinishReason.STOP, Usage(36, 2, 0))
HELLO: tuple[Event, ...] = (ContentDelta("Hel"), ContentDelta("lo"), FINISHED)


async def test_plain_chat_has_the_recorded_key_order() -> None:
    response = await call(wire_app(ScriptedPlatform(HELLO)), "/chat/completions", chat_body())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.content == (
        b'{"id":"bac6eb88-1766-49c2-bf23-9eab31024ea6","object":"chat.completion",'
        b'"created":1740636518,"model":"deepseek-chat","choices":[{"index":0,"message":'
        b'{"role":"assistant","content":"Hello"},"logprobs":null,"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":36,"completion_tokens":2,"total_tokens":38,'
        b'"prompt_tokens_details":{"cached_tokens":0},"prompt_cache_hit_tokens":0,'
        b'"prompt_cache_miss_tokens":36},"system_fingerprint":"fp_3a5770e1b4_prod0225"}'
    )


@pytest.mark.parametrize("prefix", ["", "/v1", "/beta", "/beta/v1"])
async def test_every_base_serves_chat(prefix: str) -> None:
    platform = ScriptedPlatform(HELLO)
    response = await call(wire_app(platform), f"{prefix}/chat/completions", chat_body())
    assert response.json()["model"] == "deepseek-chat"
    assert platform.bases[0].is_beta is ("beta" in prefix)


@pytest.mark.parametrize("suffix", ["", "/v1"])
async def test_dated_base_reports_the_real_model(suffix: str) -> None:
    platform = ScriptedPlatform(HELLO)
    path = f"/{COMPARISON}{suffix}/chat/completions"
    response = await call(wire_app(platform), path, chat_body())
    assert response.json()["model"] == "deepseek-v3.1-terminus"
    assert platform.bases[0].comparison == COMPARISON


async def test_waiting_answer_starts_with_newlines() -> None:
    script = (KeepAlive(), Pause(0), KeepAlive(), *HELLO)
    response = await call(wire_app(ScriptedPlatform(script)), "/chat/completions", chat_body())
    assert response.content.startswith(b'\n\n{"id"')
    assert response.json()["choices"][0]["message"]["content"] == "Hello"


async def test_waiting_stream_starts_with_comments() -> None:
    script = (KeepAlive(), *HELLO)
    body = chat_body(stream=True)
    response = await call(wire_app(ScriptedPlatform(script)), "/chat/completions", body)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.content.startswith(b": keep-alive\n\ndata: {")
    assert response.content.endswith(b"}\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("error", "status", "type_", "code"),
    [
        (InsufficientBalanceError(), 402, "unknown_error", "invalid_request_error"),
        (RateLimitedError("slow"), 429, "rate_limit_error", "invalid_request_error"),
        (OverloadedError(), 503, "service_unavailable_error", "service_unavailable_error"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_refusal_before_the_first_byte_keeps_its_status(
    error: PlatformError, status: int, type_: str, code: str, *, stream: bool
) -> None:
    app = wire_app(ScriptedPlatform(refusal=error))
    response = await call(app, "/chat/completions", chat_body(stream=stream))
    assert response.status_code == status
    detail = {"message": error.message, "type": type_, "param": None, "code": code}
    assert response.content == json.dumps({"error": detail}, separators=(",", ":")).encode()


@pytest.mark.parametrize("stream", [True, False])
async def test_failure_before_the_first_event_keeps_its_status(*, stream: bool) -> None:
    app = wire_app(ScriptedPlatform((OverloadedError(),)))
    response = await call(app, "/chat/completions", chat_body(stream=stream))
    assert response.status_code == 503


async def test_failure_inside_a_stream_is_an_event_and_no_done() -> None:
    app = wire_app(ScriptedPlatform((ReasoningDelta("Hm"), OverloadedError())))
    response = await call(
        app, "/chat/completions", chat_body(stream=True, model="deepseek-reasoner")
    )
    assert response.status_code == 200
    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "service_unavailable_error"


async def test_failure_after_newlines_is_the_error_body() -> None:
    app = wire_app(ScriptedPlatform((KeepAlive(), OverloadedError())))
    response = await call(app, "/chat/completions", chat_body())
    assert response.status_code == 200
    assert response.content.startswith(b'\n{"error":')


async def test_bug_in_the_platform_is_a_500_without_its_text() -> None:
    app = wire_app(ScriptedPlatform((RuntimeError("secret detail"),)))
    response = await call(app, "/chat/completions", chat_body())
    assert response.status_code == 500
    assert message_of(response) == "Internal Server Error"


async def test_generation_is_closed_after_its_end() -> None:
    platform = ScriptedPlatform(HELLO)
    await call(wire_app(platform), "/chat/completions", chat_body())
    assert platform.generations[0].is_closed


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 3, "user": "u", "logit_bias": {"5": 1}, "parallel_tool_calls": False},
        {"store": True, "metadata": {"a": "b"}, "max_completion_tokens": -1},
        {"prompt_cache_key": None, "reasoning_effort": "extreme", "x": [[{}]]},
    ],
)
async def test_unknown_fields_are_ignored_and_one_choice_comes_back(
    fields: dict[str, object],
) -> None:
    response = await call(
        wire_app(ScriptedPlatform(HELLO)), "/chat/completions", chat_body(**fields)
    )
    assert response.status_code == 200
    assert len(response.json()["choices"]) == 1


@pytest.mark.parametrize("reason", [one for one in FinishReason if one is not FinishReason.ABORT])
async def test_every_finish_reason_arrives_as_its_word(reason: FinishReason) -> None:
    script = (ContentDelta("x"), Finished(reason, Usage(1, 1, 0)))
    app = wire_app(ScriptedPlatform(script))
    whole = await call(app, "/chat/completions", chat_body())
    assert whole.json()["choices"][0]["finish_reason"] == reason.value
    stream = await call(app, "/chat/completions", chat_body(stream=True))
    assert f'"finish_reason":"{reason.value}"}}],"usage":{{' in stream.text


async def test_cut_tool_arguments_are_delivered_as_they_are() -> None:
    script = (
        ToolCallStart(0, "call_00_AAAAAAAAAAAAAAAAAAAAAAAA", "f"),
        ToolCallArguments(0, '{"a": "b'),
        Finished(FinishReason.LENGTH, Usage(1, 5, 0)),
    )
    response = await call(wire_app(ScriptedPlatform(script)), "/chat/completions", chat_body())
    choice = response.json()["choices"][0]
    assert choice["message"]["content"] == ""
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"a": "b'
    assert choice["finish_reason"] == "length"


async def test_empty_answer_is_an_empty_string() -> None:
    response = await call(wire_app(ScriptedPlatform((FINISHED,))), "/chat/completions", chat_body())
    assert response.json()["choices"][0]["message"] == {"role": "assistant", "content": ""}


async def test_stream_options_without_a_stream_have_no_effect() -> None:
    body = chat_body(stream_options={"include_usage": True})
    response = await call(wire_app(ScriptedPlatform(HELLO)), "/chat/completions", body)
    assert response.json()["object"] == "chat.completion"
