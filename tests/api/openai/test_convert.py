"""The value rules of POST /chat/completions, each with the real API's text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.openai.requests import (
    REASONER,
    converted,
    refusal,
    request,
    tool,
)
from whalefall.api.options import Era, WireOptions
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    Role,
    ToolChoice,
    ToolChoiceMode,
)

# --- defaults and plain values --------------------------------------------------------------------


def test_bare_request_has_the_documented_defaults() -> None:
    call = converted()
    assert not call.is_stream
    assert not call.include_usage
    assert call.request == ChatRequest(
        model="deepseek-chat",
        messages=(Message(Role.USER, "Hi"),),
        tool_choice=ToolChoice(ToolChoiceMode.NONE),
    )
    assert call.request.max_tokens is None, "absent stays absent: serving picks 4096 or 32768"


def test_all_values_arrive() -> None:
    call = converted(
        max_tokens=8192,
        temperature=2,
        top_p=0.5,
        frequency_penalty=-2,
        presence_penalty=2,
        stop=["a", "", "b"],
        logprobs=True,
        top_logprobs=20,
        user_id="u" * 512,
        seed=7,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert call.is_stream
    assert call.include_usage
    wanted = call.request
    assert (wanted.max_tokens, wanted.temperature, wanted.top_p) == (8192, 2, 0.5)
    assert (wanted.frequency_penalty, wanted.presence_penalty) == (-2, 2)
    assert (wanted.stop, wanted.logprobs, wanted.seed) == (("a", "b"), 20, 7)
    assert wanted.user_id == "u" * 512


@pytest.mark.parametrize(("logprobs", "expected"), [(None, None), (False, None), (True, 0)])
def test_logprobs_alone(logprobs: bool | None, expected: int | None) -> None:
    assert request(logprobs=logprobs).logprobs == expected


@pytest.mark.parametrize("seed", ["x", 1.5, True, -1, 2**64, [1], None])
def test_seed_of_another_kind_is_ignored_like_any_unknown_field(seed: object) -> None:
    assert request(seed=seed).seed is None


def test_one_stop_string_is_a_list_of_one() -> None:
    assert request(stop="END").stop == ("END",)


# --- ranges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": "gpt-4"}, "Model Not Exist"),
        ({"model": ""}, "Model Not Exist"),
        (
            {"max_tokens": 8193},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        ),
        ({"max_tokens": 0}, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        (
            {"max_tokens": 65537, **REASONER},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 65536]",
        ),
        (
            {"max_tokens": 65537, "thinking": {"type": "enabled"}},
            "Invalid max_tokens value, the valid range of max_tokens is [1, 65536]",
        ),
        (
            {"temperature": 2.0001},
            "Invalid temperature value, the valid range of temperature is [0, 2]",
        ),
        (
            {"temperature": -1},
            "Invalid temperature value, the valid range of temperature is [0, 2]",
        ),
        ({"top_p": 0}, "Invalid top_p value, the valid range of top_p is (0, 1.0]"),
        ({"top_p": 1.1}, "Invalid top_p value, the valid range of top_p is (0, 1.0]"),
        (
            {"frequency_penalty": 2.5},
            "Invalid frequency_penalty value, the valid range of frequency_penalty is [-2, 2]",
        ),
        (
            {"presence_penalty": -1e300},
            "Invalid presence_penalty value, the valid range of presence_penalty is [-2, 2]",
        ),
        (
            {"logprobs": True, "top_logprobs": 21},
            "Invalid top_logprobs value, the valid range of top_logprobs is [0, 20].",
        ),
        (
            {"top_logprobs": 5},
            "Invalid top_logprobs and logprobs value, logprobs must be set to true if "
            "top_logprobs is used.",
        ),
        (
            {"logprobs": False, "top_logprobs": 0},
            "Invalid top_logprobs and logprobs value, logprobs must be set to true if "
            "top_logprobs is used.",
        ),
        ({"stop": ["x"] * 17}, "Stop string array too long: 17"),
        (
            {"user_id": "u" * 513},
            "Invalid 'user_id': string too long. Expected a string with maximum length 512, but "
            "got a string with length 513 instead",
        ),
        (
            {"response_format": {"type": "json_schema"}},
            "This response_format type is unavailable now",
        ),
        (
            {"response_format": {"type": "json_object"}},
            "Prompt must contain the word 'json' in some form to use 'response_format' of type "
            "'json_object'.",
        ),
        (
            {"messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got "
            "an empty array instead.",
        ),
    ],
)
def test_value_out_of_range_is_refused_with_its_text(fields: dict[str, Any], text: str) -> None:
    assert refusal(**fields) == text


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 1},
        {"max_tokens": 65536, **REASONER},
        {"max_tokens": 8193, "thinking": {"type": "enabled"}},
        {"temperature": 0},
        {"top_p": 1e-9},
        {"stop": ["x"] * 16},
        {"logprobs": True, "top_logprobs": 0},
        {"response_format": {"type": "text"}},
        {"stream_options": {"include_usage": True}},
    ],
)
def test_value_at_the_edge_is_accepted(fields: dict[str, Any]) -> None:
    converted(**fields)


# --- thinking -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, False),
        (REASONER, True),
        ({"thinking": {"type": "enabled"}}, True),
        ({"thinking": None, **REASONER}, True),
        ({"thinking": {"type": "disabled"}, **REASONER}, True),
        ({"thinking": {"type": "disabled"}}, False),
    ],
)
def test_reasoner_always_thinks_and_others_on_request(
    fields: dict[str, Any], *, thinking: bool
) -> None:
    assert request(**fields).thinking is thinking


def test_sampling_values_are_ignored_when_thinking() -> None:
    wanted = request(
        **REASONER, temperature=0, top_p=0.1, frequency_penalty=1, presence_penalty=1, seed=3
    )
    assert (wanted.temperature, wanted.top_p) == (1.0, 1.0)
    assert (wanted.frequency_penalty, wanted.presence_penalty) == (0.0, 0.0)
    assert wanted.seed == 3


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": True, "top_logprobs": 2}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
    ],
)
def test_logprobs_are_refused_when_thinking(fields: dict[str, Any], name: str) -> None:
    text = f"deepseek-reasoner does not support the parameter `{name}`"
    assert refusal(**REASONER, **fields) == text


def test_logprobs_switched_off_are_fine_when_thinking() -> None:
    assert request(**REASONER, logprobs=False, top_logprobs=None).logprobs is None


def test_later_era_allows_logprobs_and_refuses_forced_tools_when_thinking() -> None:
    options = WireOptions(era=Era.V4)
    assert request(**REASONER, logprobs=True, options=options).logprobs == 0
    text = "Thinking mode does not support this tool_choice"
    for choice in ("required", {"type": "function", "function": {"name": "f"}}):
        fields = {"tools": [tool()], "tool_choice": choice, "options": options}
        assert refusal(**REASONER, **fields) == text
        request(**fields)
        fields.pop("options")
        request(**REASONER, **fields)
