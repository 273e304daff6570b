"""Masks of the real library over the real vocabulary: the right passes, the wrong is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from whalefall.base.errors import InvalidRequestError
from whalefall.chat.constraints import structure_for
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import (
    ChatRequest,
    Message,
    ResponseFormat,
    ResponseFormatKind,
    Role,
    Tool,
    ToolChoice,
    ToolChoiceMode,
)
from whalefall.chat.tokenizer import V3_SPECIAL_IDS, V3_VOCAB_SIZE, Tokenizer, bundled_path

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "zip": {"type": "string", "pattern": "^[0-9]{5}$"},
        "at": {"anyOf": [{"$ref": "#/$def/point"}, {"type": "null"}]},
    },
    "required": ["city", "unit", "days", "zip", "at"],
    "additionalProperties": False,
    "$def": {
        "point": {
            "type": "object",
            "properties": {
                "x": {"type": "number"},
                "next": {"anyOf": [{"$ref": "#/$def/point"}, {"type": "null"}]},
            },
            "required": ["x", "next"],
        }
    },
}
_WEATHER = Tool("weather", "Tells the weather.", _SCHEMA)
_NOW = Tool("now")
_REQUEST = ChatRequest(model="m", messages=(Message(Role.USER, "json?"),))
_JSON = replace(_REQUEST, response_format=ResponseFormat(ResponseFormatKind.JSON_OBJECT))
_REQUIRED = replace(
    _REQUEST, tools=(_WEATHER, _NOW), tool_choice=ToolChoice(ToolChoiceMode.REQUIRED)
)


class _Judge:
    """Feeds text to the matcher an engine would use."""

    def __init__(self, tokenizer: Tokenizer, matching: LLTokenizer) -> None:
        self.tokenizer = tokenizer
        self._matching = matching

    def accepts(self, request: ChatRequest, text: str, format_name: str = "v3.2") -> bool:
        """Whether `text` is a whole, allowed reply."""
        structure = structure_for(request, format_by_name(format_name, self.tokenizer))
        assert structure is not None
        assert structure.kind == "lark"
        matcher = LLMatcher(self._matching, LLMatcher.grammar_from_lark(structure.grammar))
        assert not matcher.is_error(), matcher.get_error()
        ids = self.tokenizer.encode(text, allow_special=True)
        return bool(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())


@pytest.fixture(scope="module")
def judge(tokenizer: Tokenizer) -> _Judge:
    definition = json.loads(bundled_path().read_text(encoding="utf-8"))
    shape = definition["added_tokens"][0]
    definition["added_tokens"] = [
        {**shape, "content": text, "id": token_id, "special": True}
        for text, token_id in V3_SPECIAL_IDS.items()
    ]
    source = json.dumps(definition)
    return _Judge(tokenizer, LLTokenizer(source, n_vocab=V3_VOCAB_SIZE, eos_token=1))


def _block(*invokes: str) -> str:
    inner = "".join(invoke + "\n" for invoke in invokes)
    return f"\n\n<｜DSML｜function_calls>\n{inner}</｜DSML｜function_calls>"


def _weather(city: str = "Ulm", unit: str = "c", days: str = "3", zip_code: str = '"89073"') -> str:
    def parameter(name: str, is_string: str, value: str) -> str:
        begin = f'<｜DSML｜parameter name="{name}" string="{is_string}">'
        return begin + value + "</｜DSML｜parameter>\n"

    return (
        '<｜DSML｜invoke name="weather">\n'
        + parameter("city", "true", city)
        + parameter("unit", "true", unit)
        + parameter("days", "false", days)
        + parameter("zip", "false", zip_code)
        + parameter("at", "false", '{"x": 1, "next": {"x": 2, "next": null}}')
        + "</｜DSML｜invoke>"
    )


_NOW_CALL = '<｜DSML｜invoke name="now">\n</｜DSML｜invoke>'


def test_ordinary_requests_are_not_constrained(tokenizer: Tokenizer) -> None:
    chat_format = format_by_name("v3.2", tokenizer)
    assert structure_for(_REQUEST, chat_format) is None
    assert structure_for(replace(_REQUEST, tools=(_WEATHER,)), chat_format) is None
    none = ToolChoice(ToolChoiceMode.NONE)
    strict = replace(_WEATHER, strict=True)
    assert structure_for(replace(_REQUEST, tools=(strict,), tool_choice=none), chat_format) is None


def test_json_mode_takes_objects_alone(judge: _Judge) -> None:
    assert judge.accepts(_JSON, '{"a": [1, {"b": null}],\n  "c": "}"}')
    assert not judge.accepts(_JSON, '{"a": 1')
    assert not judge.accepts(_JSON, '{"a": 1} and more')
    assert not judge.accepts(_JSON, "[1]")
    assert not judge.accepts(_JSON, "Sure: {}")


def test_json_mode_bounds_white_space(judge: _Judge) -> None:
    assert judge.accepts(_JSON, '{\n    "a": 1}')
    assert not judge.accepts(_JSON, "{" + " " * 100 + '"a": 1}')


@pytest.mark.parametrize("format_name", ["v3", "v3.1", "v3.2"])
def test_json_mode_lets_the_model_think_first(judge: _Judge, format_name: str) -> None:
    thinking = replace(_JSON, thinking=True)
    assert judge.accepts(thinking, 'So {"a" it is.</think>{"a": 1}', format_name)
    assert not judge.accepts(thinking, '{"a": 1}', format_name)
    assert not judge.accepts(thinking, "So.</think>Well", format_name)


def test_json_mode_does_not_bind_a_continued_text(tokenizer: Tokenizer) -> None:
    messages = (*_REQUEST.messages, Message(Role.ASSISTANT, '{"a":', prefix=True))
    request = replace(_JSON, messages=messages)
    assert structure_for(request, format_by_name("v3.2", tokenizer)) is None


def test_json_mode_with_tools_takes_an_object_or_calls(judge: _Judge) -> None:
    request = replace(_JSON, tools=(_NOW,))
    assert judge.accepts(request, "{}")
    assert judge.accepts(request, _block(_NOW_CALL))
    assert not judge.accepts(request, "Hello")


def test_json_schema_is_followed(judge: _Judge) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
              "additionalProperties": False}  # fmt: skip
    response_format = ResponseFormat(ResponseFormatKind.JSON_SCHEMA, schema)
    request = replace(_REQUEST, response_format=response_format)
    assert judge.accepts(request, '{"n": 12}')
    assert not judge.accepts(request, '{"n": "12"}')
    assert not judge.accepts(request, '{"n": 12, "m": 1}')


def test_required_choice_forces_calls_that_follow_the_schema(judge: _Judge) -> None:
    assert judge.accepts(_REQUIRED, _block(_weather()))
    assert judge.accepts(_REQUIRED, _block(_weather("Ulm <a> </｜DSML｜x"), _NOW_CALL))
    assert not judge.accepts(_REQUIRED, "No." + _block(_weather()))
    assert not judge.accepts(_REQUIRED, "No.")
    assert not judge.accepts(_REQUIRED, _block())
    assert not judge.accepts(_REQUIRED, _block(_weather(unit="k")))
    assert not judge.accepts(_REQUIRED, _block(_weather(days="10")))
    assert not judge.accepts(_REQUIRED, _block(_weather(zip_code='"8907"')))
    assert not judge.accepts(_REQUIRED, _block(_NOW_CALL.replace("now", "later")))


def test_required_choice_lets_the_model_think_first(judge: _Judge) -> None:
    thinking = replace(_REQUIRED, thinking=True)
    assert judge.accepts(thinking, "Hm.</think>" + _block(_NOW_CALL))
    assert not judge.accepts(thinking, "Hm.</think>Hello")
    assert judge.accepts(thinking, "Hm." + _block(_NOW_CALL))
    assert not judge.accepts(thinking, "Hm." + _block(_weather(days="none")))


def test_named_choice_forces_one_call_of_that_function(judge: _Judge) -> None:
    named = replace(_REQUIRED, tool_choice=ToolChoice(ToolChoiceMode.NAMED, "now"))
    assert judge.accepts(named, _block(_NOW_CALL))
    assert not judge.accepts(named, _block(_weather()))
    assert not judge.accepts(named, _block(_NOW_CALL, _NOW_CALL))


def test_parameters_of_a_tool_without_schema_are_free(judge: _Judge) -> None:
    free = '<｜DSML｜parameter name="zone" string="true">UTC</｜DSML｜parameter>\n'
    call = _NOW_CALL.replace("</", free + "</", 1)
    assert judge.accepts(_REQUIRED, _block(call))
    closed = replace(_NOW, parameters={"type": "object", "additionalProperties": False})
    assert not judge.accepts(replace(_REQUIRED, tools=(closed,)), _block(call))


def test_optional_parameters_may_be_left_out(judge: _Judge) -> None:
    optional = replace(_WEATHER, parameters={**_SCHEMA, "required": []})
    call = '<｜DSML｜invoke name="weather">\n</｜DSML｜invoke>'
    assert judge.accepts(replace(_REQUIRED, tools=(optional,)), _block(call))
    assert not judge.accepts(_REQUIRED, _block(call))


def test_names_no_tag_can_carry_turn_arguments_into_json(judge: _Judge) -> None:
    schema = {"type": "object", "properties": {'a">': {"type": "integer"}}, "required": ['a">']}
    request = replace(_REQUIRED, tools=(Tool("odd", None, schema),))
    call = '<｜DSML｜invoke name="odd">\n{"a\\">": 1}\n</｜DSML｜invoke>'
    assert judge.accepts(request, _block(call))


def test_strict_tools_bind_calls_and_leave_text_free(judge: _Judge) -> None:
    strict = replace(_REQUEST, tools=(replace(_WEATHER, strict=True),))
    assert judge.accepts(strict, "Nothing to look up: 1 < 2.")
    assert judge.accepts(strict, "Let me see." + _block(_weather()))
    assert not judge.accepts(strict, "Let me see." + _block(_weather(days="none")))
    assert not judge.accepts(strict, "Let me see." + _weather(days="none"))


def test_strict_tools_bind_calls_that_come_while_thinking(judge: _Judge) -> None:
    strict = replace(_REQUEST, thinking=True, tools=(replace(_WEATHER, strict=True),))
    assert judge.accepts(strict, "Hm.</think>Nothing.")
    assert judge.accepts(strict, "Hm.</think>" + _block(_weather()))
    assert judge.accepts(strict, "Hm." + _block(_weather()))
    assert not judge.accepts(strict, "Hm." + _block(_weather(days="none")))


@pytest.mark.parametrize("format_name", ["v3", "v3.1"])
def test_sentinel_formats_force_calls_too(judge: _Judge, format_name: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    request = replace(_REQUIRED, tools=(Tool("f", None, schema),))

    def reply(arguments: str, text: str = "") -> str:
        head, tail = ("function<｜tool▁sep｜>f\n```json\n", "\n```") if format_name == "v3" else (
            "f<｜tool▁sep｜>", "")  # fmt: skip
        call = f"<｜tool▁call▁begin｜>{head}{arguments}{tail}<｜tool▁call▁end｜>"
        return f"{text}<｜tool▁calls▁begin｜>{call}<｜tool▁calls▁end｜>"

    assert judge.accepts(request, reply('{"n": 1}'), format_name)
    assert not judge.accepts(request, reply('{"n": 1}', "Text"), format_name)
    assert not judge.accepts(request, reply('{"n": "x"}'), format_name)
    strict = replace(
        request,
        tools=(replace(request.tools[0], strict=True),),
        tool_choice=ToolChoice(ToolChoiceMode.AUTO),
    )
    assert judge.accepts(strict, reply('{"n": 1}', "Text"), format_name)
    assert not judge.accepts(strict, reply('{"n": "x"}', "Text"), format_name)


def test_special_tokens_cannot_appear_in_free_text(judge: _Judge) -> None:
    assert not judge.accepts(replace(_JSON, thinking=True), "Hm<｜User｜></think>{}")


def test_schema_that_cannot_be_compiled_is_refused_when_strict(tokenizer: Tokenizer) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}},
              "required": ["a"]}  # fmt: skip
    chat_format = format_by_name("v3.2", tokenizer)
    strict = replace(_REQUEST, tools=(Tool("f", None, schema, strict=True),))
    with pytest.raises(InvalidRequestError, match="look-around"):
        structure_for(strict, chat_format)


def test_schema_that_cannot_be_compiled_is_dropped_when_only_a_call_is_wanted(
    judge: _Judge,
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}}}
    request = replace(_REQUIRED, tools=(Tool("now", None, schema),))
    assert judge.accepts(request, _block(_NOW_CALL))
