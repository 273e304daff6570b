"""Arbitrary bodies never break a dialect: the answer is a 200 or an error in the standard body."""

from __future__ import annotations

import json
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.scripted_serving import ScriptedPlatform
from tests.support.wire import call, wire_app
from whalefall.chat.messages import ContentDelta, Finished, FinishReason, Started, Usage

SCRIPT = (Started(9, 0), ContentDelta("x"), Finished(FinishReason.STOP, Usage(9, 1, 0)))
WORDS = [
    *("text", "thinking", "tool_use", "tool_result", "image", "user", "assistant", "system"),
    *("message", "function_call", "function_call_output", "reasoning", "input_text", "function"),
    *("enabled", "auto", "any", "tool", "none", "json_schema", "json_object", "deepseek-chat"),
    *("call_1", "f", "", "😊"),
]
KEYS = [
    *("role", "content", "type", "text", "thinking", "id", "name", "input", "tool_use_id"),
    *("call_id", "arguments", "output", "summary", "schema", "format", "input_schema"),
    *("parameters", "effort", "is_error", "signature"),
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(WORDS)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=15,
)


def body_strategy(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Plausible and implausible values under the names the endpoint knows."""
    return st.fixed_dictionaries({}, optional={**fields})


BLOCKS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "text": st.sampled_from(WORDS)}),
        st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.sampled_from(WORDS)}),
        st.fixed_dictionaries(
            {
                "type": st.just("tool_use"),
                "id": st.sampled_from(["a", "b"]),
                "name": st.just("f"),
                "input": st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
            }
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("tool_result"),
                "tool_use_id": st.sampled_from(["a", "b"]),
                "content": VALUES,
            }
        ),
        VALUES,
    ),
    max_size=4,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": BLOCKS | st.just("hi")}
    ),
    max_size=5,
)
ITEMS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(WORDS), "content": VALUES | BLOCKS}),
        st.fixed_dictionaries(
            {
                "type": st.just("function_call"),
                "call_id": st.sampled_from(["a", "b"]),
                "name": st.just("f"),
                "arguments": st.sampled_from(["{}", "[", ""]),
            }
        ),
        st.fixed_dictionaries(
            {
                "type": st.just("function_call_output"),
                "call_id": st.sampled_from(["a", "b"]),
                "output": VALUES,
            }
        ),
        st.fixed_dictionaries({"type": st.just("reasoning"), "summary": VALUES}),
        VALUES,
    ),
    max_size=5,
)
COMMON = {
    "model": st.sampled_from(["deepseek-chat", "deepseek-reasoner"]) | VALUES,
    "stream": st.booleans() | VALUES,
    "temperature": st.sampled_from([0, 1.5]) | VALUES,
    "top_p": VALUES,
    "tools": st.lists(VALUES, max_size=2) | VALUES,
    "tool_choice": VALUES,
    "metadata": VALUES,
}
ANTHROPIC_BODIES = body_strategy(
    **COMMON,
    messages=MESSAGES | VALUES,
    max_tokens=st.integers(1, 100) | VALUES,
    system=VALUES,
    thinking=VALUES,
    stop_sequences=VALUES,
)
RESPONSES_BODIES = body_strategy(
    **COMMON,
    input=ITEMS | VALUES,
    instructions=VALUES,
    max_output_tokens=VALUES,
    reasoning=VALUES,
    text=VALUES,
    previous_response_id=VALUES,
    user=VALUES,
)
APP = wire_app(ScriptedPlatform(SCRIPT))
FUZZING = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def assert_answer_is_legal(path: str, body: dict[str, Any]) -> None:
    async def answer() -> tuple[int, bytes]:
        response = await call(APP, path, body)
        return response.status_code, response.content

    status, content = anyio.run(answer)
    assert status in (200, 400), content
    if status == 400:
        assert set(json.loads(content)["error"]) == {"message", "type", "param", "code"}


@FUZZING
@given(ANTHROPIC_BODIES)
def test_messages_never_break(body: dict[str, Any]) -> None:
    assert_answer_is_legal("/anthropic/v1/messages", body)


@FUZZING
@given(ANTHROPIC_BODIES)
def test_count_tokens_never_breaks(body: dict[str, Any]) -> None:
    assert_answer_is_legal("/anthropic/v1/messages/count_tokens", body)


@FUZZING
@given(RESPONSES_BODIES)
def test_responses_never_break(body: dict[str, Any]) -> None:
    assert_answer_is_legal("/responses", body)
