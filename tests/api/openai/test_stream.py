"""Details of the chunk machine that the golden streams do not show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.scenarios import finished, logprob
from tests.support.scripted_serving import ScriptedPlatform, Step
from tests.support.wire import call, chat_body, wire_app
from whalefall.api.options import Era, WireOptions
from whalefall.base.errors import OverloadedError
from whalefall.chat.messages import ContentDelta, ReasoningDelta, Started

V4 = WireOptions(era=Era.V4)


async def chunks(script: tuple[Step, ...], **fields: object) -> list[dict[str, Any]]:
    app = wire_app(ScriptedPlatform(script), V4)
    response = await call(app, "/chat/completions", chat_body(stream=True, **fields))
    events = response.text.split("\n\n")[:-2]
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_a_chunk_per_event_between_an_opener_and_a_closer() -> None:
    """Recorded streams capped at 32 and at 96 tokens had 34 and 98 chunks."""
    for count in (32, 96):
        script: tuple[Step, ...] = (
            Started(9, 0),
            *(ContentDelta("x") for _ in range(count)),
            finished(),
        )
        assert len(await chunks(script)) == count + 2


async def test_empty_pieces_make_no_chunks() -> None:
    script = (ReasoningDelta(""), ContentDelta(""), ContentDelta("x"), finished())
    assert len(await chunks(script, model="deepseek-reasoner")) == 3


async def test_piece_without_text_but_with_log_probabilities_is_a_chunk() -> None:
    script = (ContentDelta("", (logprob("\ufffd", -1.0),)), finished())
    found = await chunks(script, logprobs=True)
    assert found[1]["choices"][0]["delta"] == {"content": ""}
    assert len(found[1]["choices"][0]["logprobs"]["content"]) == 1


async def test_later_era_has_log_probabilities_of_the_reasoning() -> None:
    script = (
        ReasoningDelta("Hm", (logprob("Hm", -0.5),)),
        ContentDelta("x", (logprob("x", -0.25),)),
        finished(reasoning_tokens=1),
    )
    fields = {"model": "deepseek-reasoner", "logprobs": True}
    first, thought, text, last = [one["choices"][0] for one in await chunks(script, **fields)]
    assert first["logprobs"] is last["logprobs"] is None
    entry = {"token": "Hm", "logprob": -0.5, "bytes": [72, 109], "top_logprobs": []}
    assert thought["logprobs"] == {"content": [], "reasoning_content": [entry]}
    assert text["logprobs"]["content"][0]["token"] == "x"
    whole = await call(
        wire_app(ScriptedPlatform(script), V4), "/chat/completions", chat_body(**fields)
    )
    assert whole.json()["choices"][0]["logprobs"]["reasoning_content"] == [entry]


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n\r\n", "\u2028\u2029", "\x00\x7f", "data: [DONE]\n\n"]
)
async def test_no_text_breaks_out_of_its_event(text: str) -> None:
    found = await chunks((ContentDelta(text), finished()))
    assert found[1]["choices"][0]["delta"]["content"] == text


@pytest.mark.parametrize("path", ["/chat/completions", "/beta/completions"])
async def test_failure_ends_the_stream_with_the_standard_error(path: str) -> None:
    script: tuple[Step, ...] = (ContentDelta("x"), OverloadedError())
    body = chat_body(stream=True, prompt="x")
    response = await call(wire_app(ScriptedPlatform(script)), path, body)
    assert response.text.endswith(
        '"type":"service_unavailable_error","param":null,"code":"service_unavailable_error"}}\n\n'
    )
    assert "[DONE]" not in response.text
