"""POST /beta/completions: its rules, and the details its golden files do not show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, message_of, wire_app
from whalefall.chat.messages import (
    CompletionRequest,
    ContentDelta,
    Finished,
    FinishReason,
    KeepAlive,
    Usage,
)

SCRIPT = (ContentDelta("x"), Finished(FinishReason.STOP, Usage(3, 1, 0)))
BODY = {"model": "deepseek-chat", "prompt": "def f("}


async def refused(**fields: object) -> str:
    platform = ScriptedPlatform(SCRIPT)
    response = await call(wire_app(platform), "/beta/completions", {**BODY, **fields})
    assert response.status_code == 400
    assert not platform.requests
    return message_of(response)


@pytest.mark.parametrize("path", ["/completions", "/v1/completions"])
@pytest.mark.parametrize("body", [BODY, b"not json"])
async def test_off_beta_it_tells_where_to_go(path: str, body: object) -> None:
    response = await call(wire_app(ScriptedPlatform(SCRIPT)), path, body)
    assert response.status_code == 400
    assert message_of(response) == (
        "completions api is only available when using beta api "
        '(set base_url="https://api.deepseek.com/beta")'
    )


@pytest.mark.parametrize("path", ["/beta/completions", "/beta/v1/completions"])
async def test_values_arrive(path: str) -> None:
    platform = ScriptedPlatform(SCRIPT)
    body = {
        **BODY,
        "suffix": ")",
        "echo": True,
        "max_tokens": 4096,
        "logprobs": 0,
        "stop": "\n",
        "temperature": 0,
        "top_p": 0.5,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "seed": 5,
    }
    assert (await call(wire_app(platform), path, body)).status_code == 200
    assert platform.requests == [
        CompletionRequest(
            model="deepseek-chat",
            prompt="def f(",
            suffix=")",
            echo=True,
            max_tokens=4096,
            logprobs=0,
            stop=("\n",),
            temperature=0,
            top_p=0.5,
            frequency_penalty=1,
            presence_penalty=-1,
            seed=5,
        )
    ]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": "gpt-4"}, "Model Not Exist"),
        ({"model": "deepseek-reasoner"}, "deepseek-reasoner does not support FIM Completion"),
        (
            {"max_tokens": 4097},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 4096]",
        ),
        ({"logprobs": 21}, "Invalid logprobs value, the valid range of logprobs is [0, 20]"),
        ({"top_p": 0}, "Invalid top_p value, the valid range of top_p is (0, 1.0]"),
        ({"stop": ["x"] * 17}, "Stop string array too long: 17"),
    ],
)
async def test_bad_values_are_refused(fields: dict[str, Any], text: str) -> None:
    assert await refused(**fields) == text


async def test_prompt_is_required() -> None:
    platform = ScriptedPlatform(SCRIPT)
    response = await call(wire_app(platform), "/beta/completions", {"model": "deepseek-chat"})
    assert message_of(response) == (
        "Failed to deserialize the JSON body into the target type: missing field `prompt` at "
        "line 1 column 26"
    )


@pytest.mark.parametrize(
    ("stream", "start"), [(True, ": keep-alive\n\ndata: "), (False, '\n{"id"')]
)
async def test_waiting_is_filled(start: str, *, stream: bool) -> None:
    platform = ScriptedPlatform((KeepAlive(), *SCRIPT))
    response = await call(wire_app(platform), "/beta/completions", {**BODY, "stream": stream})
    assert response.text.startswith(start)
