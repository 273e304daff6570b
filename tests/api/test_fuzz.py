"""Whatever the bytes, the answer is a 200 or a 400 with the standard body: never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.scenarios import PLAIN, SCENARIOS
from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, wire_app
from whalefall.api.fim.protocol import CompletionRequest
from whalefall.api.openai.protocol import ChatCompletionRequest
from whalefall.api.serde import decode_fast, decode_slow
from whalefall.base.errors import MalformedBodyError

pytestmark = pytest.mark.slow

PATHS = ["/chat/completions", "/beta/chat/completions", "/beta/completions"]
FIELDS = sorted(
    {
        *ChatCompletionRequest.__struct_fields__,
        *CompletionRequest.__struct_fields__,
        *("role", "content", "type", "function", "name", "tool_calls", "tool_call_id"),
        *("parameters", "arguments", "strict", "id", "text", "include_usage", "n"),
    }
)
WORDS = ["user", "assistant", "tool", "system", "function", "deepseek-chat", "text", "enabled"]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=3)), inner, max_size=5),
    ),
    max_leaves=25,
)
roles = st.sampled_from(["user", "assistant", "tool", "system", "developer"])
messages = st.lists(
    st.fixed_dictionaries(
        {"role": roles, "content": st.one_of(st.text(max_size=5), values)},
        optional={
            "tool_call_id": st.sampled_from(["1", "2"]),
            "prefix": st.booleans(),
            "reasoning_content": st.one_of(st.none(), st.text(max_size=3)),
            "tool_calls": st.lists(
                st.fixed_dictionaries(
                    {
                        "id": st.sampled_from(["1", "2"]),
                        "type": st.just("function"),
                        "function": st.just({"name": "f", "arguments": "{}"}),
                    }
                ),
                max_size=2,
            ),
        },
    ),
    max_size=5,
)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["deepseek-chat", "deepseek-reasoner", "x"]),
        "messages": st.one_of(messages, values),
        "prompt": st.one_of(st.text(max_size=5), values),
    },
    optional={name: values for name in FIELDS if name not in ("messages", "model", "prompt")},
)


async def answer_is_in_order(path: str, body: bytes) -> None:
    response = await call(wire_app(ScriptedPlatform(PLAIN)), path, body)
    assert response.status_code in (200, 400), response.text
    if response.status_code == 400:
        error = response.json()["error"]
        assert list(error) == ["message", "type", "param", "code"]
        assert error["message"]


@pytest.mark.parametrize("path", PATHS)
@given(body=bodies)
@settings(max_examples=30, deadline=None)
async def test_plausible_bodies(path: str, body: dict[str, Any]) -> None:
    await answer_is_in_order(path, json.dumps(body).encode())


@given(body=st.one_of(st.binary(max_size=60), values.map(lambda one: json.dumps(one).encode())))
@settings(max_examples=80, deadline=None)
async def test_arbitrary_bodies(body: bytes) -> None:
    await answer_is_in_order("/chat/completions", body)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
async def test_damaged_bodies(data: st.DataObject) -> None:
    names = sorted(SCENARIOS)
    body = bytearray(json.dumps(SCENARIOS[data.draw(st.sampled_from(names))].body).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        body = body or bytearray(b" ")
    await answer_is_in_order("/chat/completions", bytes(body))


@given(body=bodies.map(lambda one: json.dumps(one).encode()))
@settings(max_examples=50, deadline=None)
def test_both_roads_agree(body: bytes) -> None:
    """What the fast road takes, the slow one takes with the same result, and the reverse."""
    fast = decode_fast(body, ChatCompletionRequest)
    try:
        slow = decode_slow(body, ChatCompletionRequest)
    except MalformedBodyError:
        assert fast is None
    else:
        assert fast == slow, "only duplicates and depth may send a good body the slow way"


@given(cut=st.integers(0, 400))
@settings(max_examples=30, deadline=None)
async def test_cut_bodies_are_refused_at_their_end(cut: int) -> None:
    body = json.dumps(SCENARIOS["stream_tools"].body).encode()
    kept = body[: min(cut, len(body) - 1)]
    response = await call(wire_app(ScriptedPlatform(PLAIN)), "/chat/completions", kept)
    text = response.json()["error"]["message"]
    assert text.startswith("Failed to parse the request body as JSON: ")
    assert "EOF while parsing" in text
    assert text.endswith(f" at line 1 column {len(kept)}")
