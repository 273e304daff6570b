"""Tool calls: every call can be made from what the request and the schemas say."""

from __future__ import annotations

import datetime
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from training.examples import Dialogue, World
from training.holdout import Split, is_held_out
from training.rendering import Renderer
from training.skills.tools import CallKind, call_kind, tool_call_case, tool_use
from training.skills.tools.answers import answer
from training.skills.tools.chains import dated_dialogue
from training.skills.tools.wishes import Call
from training.world import load_world
from whalefall.chat.messages import Message, Role
from whalefall.chat.tokenizer import Tokenizer

_NUM_DIALOGUES = 250
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


@pytest.fixture(scope="module")
def held_out(tokenizer: Tokenizer) -> World:
    return load_world(tokenizer, split=Split.HELD_OUT)


def test_calls_follow_their_schemas(world: World) -> None:
    for dialogue in _dialogues(world):
        tools = {tool.name: tool.parameters or {} for tool in dialogue.tools}
        assert len(tools) == len(dialogue.tools)
        for message in dialogue.messages:
            for call in message.tool_calls:
                _check(json.loads(call.arguments), tools[call.name])


def test_arguments_come_in_the_order_of_the_schema(world: World) -> None:
    for dialogue in _dialogues(world):
        tools = {tool.name: tool.parameters or {} for tool in dialogue.tools}
        for call in (call for message in dialogue.messages for call in message.tool_calls):
            keys = list(json.loads(call.arguments))
            assert keys == [k for k in tools[call.name].get("properties", {}) if k in keys]


def test_texts_and_numbers_are_found_in_the_request(world: World) -> None:
    """But for numbers said in words and for options said with blanks."""
    found = asked = 0
    for message, calling in _requests(world):
        for call in calling.tool_calls:
            for value in _simple_values(json.loads(call.arguments)):
                asked += 1
                found += str(value) in message.content
    assert found / asked > 0.95


def test_every_call_is_answered_by_a_result_in_order(world: World) -> None:
    for dialogue in _dialogues(world):
        for place, message in enumerate(dialogue.messages[:-1]):
            ids = [call.id for call in message.tool_calls]
            results = dialogue.messages[place + 1 : place + 1 + len(ids)]
            assert [result.tool_call_id for result in results] == ids


def test_some_dialogues_end_with_calls_and_some_requests_need_none(world: World) -> None:
    dialogues = list(_dialogues(world))
    ends = sum(bool(dialogue.messages[-1].tool_calls) for dialogue in dialogues) / len(dialogues)
    assert 0.15 < ends < 0.4
    after = [
        dialogue.messages[place + 1]
        for dialogue in dialogues
        for place, message in enumerate(dialogue.messages[:-1])
        if message.role is Role.USER
    ]
    assert 0.03 < sum(not message.tool_calls for message in after) / len(after) < 0.15


def test_a_case_is_one_request_and_its_calls(world: World, held_out: World) -> None:
    for of in (world, held_out):
        kinds = set()
        for seed in range(120):
            case = tool_call_case(random.Random(seed), of)
            assert [message.role for message in case.messages] == [Role.USER, Role.ASSISTANT]
            assert case.messages[1].tool_calls
            assert not case.messages[1].content
            kinds.add(call_kind(case))
        assert kinds == set(CallKind)


def test_families_asked_in_an_evaluation_are_not_trained(world: World, held_out: World) -> None:
    for lang in ("en", "zh"):
        keys = [family.key for family in world.tools[lang]]
        assert any(is_held_out(key) for key in keys)
        assert len(set(keys)) == len(keys)
    trained = {tool.name for dialogue in _dialogues(world) for tool in dialogue.tools}
    cases = [tool_call_case(random.Random(seed), held_out) for seed in range(150)]
    called = [call.name for case in cases for call in case.messages[1].tool_calls]
    assert sum(name in trained for name in called) / len(called) < 0.1


def test_families_never_use_a_key_twice_and_mention_all_they_require(world: World) -> None:
    for family in (*world.tools["en"], *world.tools["zh"]):
        keys = [key for slot in family.slots for key in slot.keys]
        assert len(set(keys)) == len(keys), family.key
        for request in family.requests:
            named = set(re.findall(r"{(\w+)", request))
            assert named == {slot.name for slot in family.slots if slot.is_required}, request
        for slot in family.slots:
            assert all(f"{{{slot.name}}}" in tail for tail in slot.tails)


def test_tomorrow_is_asked_for_first(world: World) -> None:
    for seed in range(40):
        messages = dated_dialogue(random.Random(seed), world).messages
        first, today, second = messages[1:4]
        assert json.loads(first.tool_calls[0].arguments) == {}
        date = datetime.date.fromisoformat(today.content)
        day = date + datetime.timedelta(
            days=bool(re.search("(?i)tomorrow|明天", messages[0].content))
        )
        assert json.loads(second.tool_calls[0].arguments)["date"] == str(day)


def test_requests_fill_all_blanks(world: World, held_out: World) -> None:
    for of in (world, held_out):
        for message, _ in _requests(of):
            assert "{" not in message.content
            assert "}" not in message.content


def test_dialogues_fit_into_a_thousand_tokens(world: World, renderer: Renderer) -> None:
    lengths = [len(renderer.render(d).token_ids) for d in list(_dialogues(world))[:120]]
    assert max(lengths) <= 1024
    assert sum(length > 1000 for length in lengths) <= 2
    assert sum(lengths) / len(lengths) < 850


def test_the_same_draw_gives_the_same_dialogue(world: World) -> None:
    assert tool_use(random.Random(5), world) == tool_use(random.Random(5), world)


def test_answers_repeat_texts_and_say_objects_line_by_line() -> None:
    paris, rome = Call("weather", {"city": "Paris"}, ""), Call("weather", {"city": "Rome"}, "")
    assert answer([paris], ["24℃"], False) == "Paris: 24℃"
    assert answer([paris, rome], ["24℃", '{"high": 30, "sky": "clear"}'], False) == (
        "Paris: 24℃\nRome:\nhigh: 30\nsky: clear"
    )
    assert answer([Call("now", {}, "")], ["14:05"], True) == "now：14:05"


def _dialogues(world: World) -> Iterator[Dialogue]:
    return (tool_use(random.Random(seed), world) for seed in range(_NUM_DIALOGUES))


def _requests(world: World) -> Iterator[tuple[Message, Message]]:
    for dialogue in _dialogues(world):
        for place, message in enumerate(dialogue.messages):
            if message.tool_calls:
                yield dialogue.messages[place - 1], message


def _check(arguments: dict[str, Any], schema: dict[str, Any]) -> None:
    properties = schema.get("properties", {})
    assert set(schema.get("required", [])) <= set(arguments) <= set(properties)
    for key, value in arguments.items():
        of = properties[key].get("anyOf", [properties[key]])[0]
        assert isinstance(value, _TYPES[of["type"]])
        assert isinstance(value, bool) is (of["type"] == "boolean")
        assert value in of.get("enum", [value])


def _simple_values(arguments: dict[str, Any]) -> Iterator[object]:
    for value in arguments.values():
        if isinstance(value, list):
            yield from value
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield value
