"""The cases of the evaluation: drawn from the held-out side, repeatable, and complete."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.cases import NEEDLE_TOKENS, SUBJECTS, call_variant, case_from_dialogue, cases
from training.examples import Dialogue, World
from training.holdout import Split
from training.world import load_world
from whalefall.chat.messages import Message, Role, Tool, ToolCall
from whalefall.chat.tokenizer import Tokenizer
from whalefall.evaluation.cases import BUNDLED, Rule
from whalefall.evaluation.report import NEEDLE

BYTES_MAX = 600_000
FEW = {name: replace(subject, num_cases=6) for name, subject in SUBJECTS.items() if name != NEEDLE}


@pytest.fixture(scope="module")
def held_out(tokenizer: Tokenizer) -> World:
    return load_world(tokenizer, split=Split.HELD_OUT)


def test_the_same_seed_draws_the_same_cases(held_out: World) -> None:
    assert list(cases(held_out, 3, FEW)) == list(cases(held_out, 3, FEW))
    assert list(cases(held_out, 3, FEW)) != list(cases(held_out, 4, FEW))


def test_every_skill_has_different_questions_and_thinks_about_the_same(held_out: World) -> None:
    drawn = list(cases(held_out, 3, FEW))
    for skill, subject in FEW.items():
        asked = [c for c in drawn if c.skill == skill and not c.thinking]
        again = [c for c in drawn if c.skill == skill and c.thinking]
        assert len({f"{c.question}{c.suffix}" for c in asked}) == len(asked) > 0
        expected = [c.question for c in asked] if subject.thinks else []
        assert [c.question for c in again] == expected


def test_needles_come_in_every_length(held_out: World, tokenizer: Tokenizer) -> None:
    subject = replace(SUBJECTS[NEEDLE], num_cases=len(NEEDLE_TOKENS))
    for case in cases(held_out, 3, {NEEDLE: subject}):
        num_tokens = len(tokenizer.encode(case.question))
        assert num_tokens == pytest.approx(int(case.variant), rel=0.1)
        assert case.rule is Rule.TEXT


def test_a_dialogue_is_asked_up_to_its_last_answer() -> None:
    question = Message(Role.USER, "Time in Rome and Oslo?")
    calls = tuple(ToolCall(f"call_{i}", "time", f'{{"city": "{i}"}}') for i in range(2))
    answer = Message(Role.ASSISTANT, "", reasoning_content="Two calls.", tool_calls=calls)
    dialogue = Dialogue((question, answer), tools=(Tool("time"), Tool("date")))
    case = case_from_dialogue(dialogue, Rule.CALLS, call_variant(dialogue))
    assert (case.messages, case.calls, case.reasoning) == ((question,), calls, "Two calls.")
    assert case.variant == "parallel"
    one = replace(answer, tool_calls=calls[:1])
    assert call_variant(replace(dialogue, messages=(question, one))) == "choice"
    none = replace(answer, tool_calls=())
    assert call_variant(replace(dialogue, messages=(question, none))) == "no call"


def test_the_bundled_file_is_small_enough_to_travel() -> None:
    assert BUNDLED.stat().st_size < BYTES_MAX
