"""Tool definitions, strict schemas and the tool choice, each rule with its text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.openai.requests import (
    refusal,
    request,
    tool,
)
from whalefall.chat.messages import (
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.serving.platform import Base


def test_tools_arrive_in_order_and_whole() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    wanted = request(tools=[tool("g", description="d", parameters=schema), tool("f")])
    assert [one.name for one in wanted.tools] == ["g", "f"]
    assert wanted.tools[0].description == "d"
    assert list((wanted.tools[0].parameters or {})["properties"]) == ["b", "a"]
    assert wanted.tools[1].parameters is None
    assert wanted.tool_choice.mode is ToolChoiceMode.AUTO


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        (
            [],
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
        ),
        (
            [tool(f"f{index}") for index in range(129)],
            "Invalid 'tools': array too long. Expected an array with maximum length 128, but got "
            "an array with length 129 instead.",
        ),
        (
            [tool("get weather")],
            "Invalid 'tools[0].function.name': string does not match pattern. Expected a string "
            "that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            [tool("f"), tool("")],
            "Invalid 'tools[1].function.name': string does not match pattern. Expected a string "
            "that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            [tool("f\n")],
            "Invalid 'tools[0].function.name': string does not match pattern. Expected a string "
            "that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (
            [tool("f" * 65)],
            "Invalid 'tools[0].function.name': string too long. Expected a string with maximum "
            "length 64, but got a string with length 65 instead",
        ),
    ],
)
def test_bad_tools_are_refused(tools: list[Any], text: str) -> None:
    assert refusal(tools=tools) == text


def test_most_tools_and_longest_name_are_accepted() -> None:
    tools = [tool("f" * 60 + f"{index:04}") for index in range(128)]
    assert len(request(tools=tools).tools) == 128


@pytest.mark.parametrize("mode", ["none", "auto", "required"])
def test_tool_choice_words(mode: str) -> None:
    assert request(tools=[tool()], tool_choice=mode).tool_choice.mode.value == mode


def test_named_tool_choice() -> None:
    choice = {"type": "function", "function": {"name": "f"}}
    wanted = request(tools=[tool()], tool_choice=choice)
    assert wanted.tool_choice == ToolChoice(ToolChoiceMode.NAMED, "f")
    choice = {"type": "function", "function": {"name": "g"}}
    assert "'g'" in refusal(tools=[tool()], tool_choice=choice)


def test_tool_choice_without_tools() -> None:
    assert "only allowed when 'tools'" in refusal(tool_choice="required")
    for mode in ("none", "auto"):
        assert not request(tool_choice=mode).tools


STRICT_OK = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_strict_counts_on_beta_only() -> None:
    tools = [tool(strict=True, parameters=STRICT_OK)]
    assert request(tools=tools, base=Base(is_beta=True)).tools[0].strict
    assert not request(tools=tools).tools[0].strict
    loose = [tool(strict=True, parameters={"type": "object", "properties": {"a": {}}})]
    assert not request(tools=loose).tools[0].strict


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
            "Invalid 'tools[0].function.parameters': every property must be listed in 'required' "
            "in strict mode. Missing: 'b'.",
        ),
        (
            {"type": "object"},
            "Invalid 'tools[0].function.parameters': An object with no properties is not allowed "
            "in strict mode.",
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"anyOf": [{"type": "object", "properties": {"x": {}}}]}},
                "required": ["a"],
            },
            "Invalid 'tools[0].function.parameters.properties.a.anyOf[0]': every property must be "
            "listed in 'required' in strict mode. Missing: 'x'.",
        ),
        (
            {**STRICT_OK, "$def": {"n": {"type": "object", "properties": {"x": {}}}}},
            "Invalid 'tools[0].function.parameters.$def.n': every property must be listed in "
            "'required' in strict mode. Missing: 'x'.",
        ),
    ],
)
def test_strict_schema_must_require_every_property(schema: dict[str, Any], text: str) -> None:
    tools = [tool(strict=True, parameters=schema)]
    assert refusal(tools=tools, base=Base(is_beta=True)) == text


@pytest.mark.parametrize("key", ["$def", "$defs"])
def test_strict_schema_may_spell_its_definitions_either_way(key: str) -> None:
    schema = {**STRICT_OK, key: {"n": STRICT_OK}, "additionalProperties": True}
    request(tools=[tool(strict=True, parameters=schema)], base=Base(is_beta=True))
