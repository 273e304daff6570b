"""The stream of examples: reproducible, and free of held-out questions."""

from __future__ import annotations

import json
import random
import re

import pytest

from training.examples import Dialogue, Example, Passage, World
from training.mixture import (
    EVERYDAY_SKILLS,
    EXAMPLE_SKILLS,
    EXCHANGE_SKILLS,
    Mixture,
    is_held_out,
)
from training.skills import extraction, tools
from whalefall.chat.messages import Role


def test_same_seed_gives_same_examples_in_any_order(world: World) -> None:
    forwards = [Mixture(world, 7).example(i) for i in range(60)]
    mixture = Mixture(world, 7)
    backwards = [mixture.example(i) for i in reversed(range(60))]
    assert forwards == backwards[::-1]


def test_another_seed_gives_other_examples(world: World) -> None:
    assert [Mixture(world, 7).example(i) for i in range(20)] != [
        Mixture(world, 8).example(i) for i in range(20)
    ]


@pytest.mark.parametrize("name", sorted(EXCHANGE_SKILLS))
def test_every_exchange_has_question_and_answer(world: World, name: str) -> None:
    skill = EXCHANGE_SKILLS[name][0]
    for seed in range(80):
        for exchange in skill(random.Random(seed), world):
            assert exchange.question.strip()
            assert exchange.answer.strip()


@pytest.mark.parametrize("name", sorted(EXAMPLE_SKILLS))
def test_every_example_ends_with_an_answer_or_a_text(world: World, name: str) -> None:
    for seed in range(80):
        example: Example = EXAMPLE_SKILLS[name][0](random.Random(seed), world)
        if isinstance(example, Passage):
            assert example.text
        else:
            assert example.messages[-1].role is Role.ASSISTANT


def test_held_out_questions_are_never_trained(world: World) -> None:
    mixture = Mixture(world, 3)
    asked = [_questions(mixture.example(i)) for i in range(400)]
    everyday = {q for skill in EVERYDAY_SKILLS for i in range(900)
                for q in [skill(random.Random(i), world)[0].question]}  # fmt: skip
    held_out = {q for questions in asked for q in questions if is_held_out(q)}
    generated = {q for q in held_out if re.fullmatch(r"[\d +\-*/×÷=?]+", q)}
    assert not generated
    assert everyday


def test_json_answers_are_json(world: World) -> None:
    for seed in range(150):
        example = extraction.json_answers(random.Random(seed), world)
        assert isinstance(example, Dialogue)
        assert isinstance(json.loads(example.messages[-1].content), dict)


def test_tool_calls_name_offered_tools_and_their_required_arguments(world: World) -> None:
    for seed in range(200):
        example = tools.tool_use(random.Random(seed), world)
        assert isinstance(example, Dialogue)
        offered = {tool.name: tool.parameters or {} for tool in example.tools}
        for call in (call for message in example.messages for call in message.tool_calls):
            required = offered[call.name].get("required", [])
            assert set(required) <= set(json.loads(call.arguments))


def test_talk_offers_no_tools(world: World) -> None:
    mixture = Mixture(world, 5, mix="talk")
    examples = [mixture.example(i) for i in range(300)]
    assert not any(isinstance(e, Dialogue) and e.tools for e in examples)


def _questions(example: Example) -> list[str]:
    if isinstance(example, Passage):
        return []
    return [m.content for m in example.messages if m.role is Role.USER]
