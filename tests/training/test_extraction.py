"""JSON answers say what the text says, under the keys that were asked for."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from training.examples import Dialogue, World
from training.holdout import Split, is_held_out
from training.skills import extraction, json_requests, json_tasks, json_values, sheets
from training.world import load_world
from whalefall.chat.messages import ResponseFormatKind, Role
from whalefall.chat.tokenizer import Tokenizer


def _cases(world: World, number: int) -> list[Dialogue]:
    return [extraction.json_case(random.Random(seed), world) for seed in range(number)]


def _prompt(dialogue: Dialogue) -> str:
    schema = json.dumps(dialogue.response_format.schema, ensure_ascii=False)
    return "\n".join([*(message.content for message in dialogue.messages[:-1]), schema])


def test_an_answer_is_one_bare_json_object(world: World) -> None:
    for dialogue in _cases(world, 300):
        answer = dialogue.messages[-1].content
        value = json.loads(answer)
        assert isinstance(value, dict)
        is_indented = "\n" in answer
        assert answer == json.dumps(value, ensure_ascii=False, indent=4 if is_indented else None)


def test_an_answer_is_indented_just_where_the_system_prompt_shows_it(world: World) -> None:
    for dialogue in _cases(world, 400):
        system = dialogue.messages[0] if dialogue.messages[0].role is Role.SYSTEM else None
        is_shown = system is not None and "{\n" in system.content
        assert ("\n" in dialogue.messages[-1].content) == is_shown


def test_texts_and_numbers_of_an_answer_stand_in_the_prompt(world: World) -> None:
    known: set[object] = {row[2] for row in world.facts["countries"]}
    for table in (world.records["lists"], world.records["lists_zh"]):
        known.update(item for items in table.values() for item in items)
    for samples in world.records["samples"].values():
        known.update(leaf for sample in samples.values() for leaf in _leaves(sample))
    for dialogue in _cases(world, 400):
        prompt = _prompt(dialogue)
        for leaf in _leaves(json.loads(dialogue.messages[-1].content)):
            if not isinstance(leaf, bool) and leaf is not None and leaf not in known:
                assert str(leaf) in prompt or _is_sum(prompt)


def _is_sum(prompt: str) -> bool:
    return bool(re.search(r"\d ?(\+|plus|and|加) ?\d", prompt))


def _leaves(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


def test_json_mode_is_on_only_where_the_prompt_says_json(world: World) -> None:
    kinds = []
    for dialogue in _cases(world, 400):
        kinds.append(dialogue.response_format.kind)
        if kinds[-1] is ResponseFormatKind.JSON_OBJECT:
            assert "json" in _prompt(dialogue).lower()
    assert 0.5 < kinds.count(ResponseFormatKind.JSON_OBJECT) / len(kinds) < 0.75
    assert ResponseFormatKind.JSON_SCHEMA in kinds


def test_the_keys_come_in_the_order_asked(world: World) -> None:
    sheet = sheets.Sheet("en", "", {"alpha": 1, "beta": 2, "gamma": 3, "delta": 4})
    for seed in range(100):
        rng = random.Random(seed)
        shape = json_tasks.wanted(rng, world, sheet)
        request = json_requests.request(rng, world, "en", "TEXT", shape)
        schema = json.dumps(request.response_format.schema)
        asked = request.system + request.user + schema
        places = [asked.index(key) for key in shape]
        assert places == sorted(places)


def test_a_record_tells_its_facts(world: World) -> None:
    for seed in range(300):
        sheet = sheets.record(random.Random(seed), world)
        for fact in sheet.facts.values():
            if isinstance(fact, str | int | float) and not isinstance(fact, bool):
                assert str(fact) in sheet.text


def test_a_held_out_combination_of_keys_is_never_trained(world: World) -> None:
    sheet = sheets.Sheet("en", "", dict.fromkeys("abcde", 1))
    for seed in range(300):
        assert not is_held_out(",".join(json_tasks.wanted(random.Random(seed), world, sheet)))


def test_most_made_up_names_keep_their_tokens_behind_a_blank(world: World) -> None:
    draws = (random.Random(seed) for seed in range(100))
    names = [json_values.made_up(rng, world, "en", is_proper=True) for rng in draws]
    assert sum(json_values.is_steady(world, name) for name in names) > 90


def test_a_made_up_phrase_is_on_one_side_only(tokenizer: Tokenizer) -> None:
    held_out = load_world(tokenizer, split=Split.HELD_OUT)
    made = {json_values.made_up(random.Random(seed), held_out, "en") for seed in range(200)}
    assert all(is_held_out(phrase) for phrase in made if " " in phrase)


def test_a_schema_describes_its_value() -> None:
    schema = json_requests.schema_of({"a": "x", "b": {"c": 1}, "d": [1.5], "e": True, "f": None})
    assert schema["required"] == ["a", "b", "d", "e", "f"]
    assert schema["properties"]["b"]["properties"] == {"c": {"type": "integer"}}
    assert schema["properties"]["f"] == {"type": ["string", "null"]}
    assert schema["properties"]["d"] == {"type": "array", "items": {"type": "number"}}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_list_is_shown_item_by_item(world: World, lang: str) -> None:
    for seed in range(50):
        value = json_values.value(random.Random(seed), world, lang, "list ingredient")
        assert all(item in value.shown for item in value.json)


def test_a_flag_is_true_for_its_first_wording(world: World) -> None:
    for seed in range(20):
        value = json_values.value(random.Random(seed), world, "en", "flag in stock|sold out")
        assert value.json is (value.shown == "in stock")
