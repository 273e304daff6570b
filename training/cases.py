"""Writes the cases that `whalefall bench model` asks, drawn from the held-out side of every pool:
`python -m training.cases --output whalefall/evaluation/cases.jsonl.gz`.

The same seed makes the same file, byte for byte, so a new file means new skills."""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from training.examples import Dialogue, Exchange, ExchangeSkill, Passage, Topic, World
from training.holdout import Split
from training.skills import (
    arithmetic,
    classification,
    code,
    conversation,
    extraction,
    platform,
    refusals,
    retrieval,
    summaries,
    translation,
    word_problems,
)
from training.skills.tools import dialogues as tools
from training.world import load_world
from whalefall.chat.messages import Message, Role
from whalefall.chat.tokenizer import Tokenizer
from whalefall.evaluation.cases import BUNDLED, Case, Rule, write_cases
from whalefall.evaluation.judges import Reply, judge
from whalefall.evaluation.report import NEEDLE

SEED = 20_261_122
NUM_CASES = 60
"""Of each skill; as many again with thinking where the skill thinks."""
NEEDLE_TOKENS = (1024, 2048, 4096, 8192)
_NEEDLE_TOLERANCE = 0.1
_DRAWS_MAX = 100
"""For each case, until one comes that is not there yet."""

Maker = Callable[[random.Random, World, int], Case]
"""The case of that number."""


@dataclass(frozen=True)
class Subject:
    make: Maker
    num_cases: int = NUM_CASES
    thinks: bool = False


def cases(
    world: World, seed: int = SEED, subjects: Mapping[str, Subject] | None = None
) -> Iterator[Case]:
    """No question twice in one skill; those with thinking are the same as those without."""
    for skill, subject in (SUBJECTS if subjects is None else subjects).items():
        drawn = list(_drawn(skill, subject, world, random.Random(f"{seed}/{skill}")))
        yield from drawn
        if subject.thinks:
            yield from (msgspec.structs.replace(case, thinking=True) for case in drawn)


def _drawn(skill: str, subject: Subject, world: World, rng: random.Random) -> Iterator[Case]:
    seen: set[str] = set()
    for number in range(subject.num_cases):
        for _ in range(_DRAWS_MAX):
            case = subject.make(rng, world, number)
            key = f"{case.question}\n{case.suffix}"
            if key not in seen and _is_judged_by_itself(case):
                seen.add(key)
                yield msgspec.structs.replace(case, skill=skill)
                break


def _is_judged_by_itself(case: Case) -> bool:
    """Whether the expected answer is right by the rule. It is not where a question, cut short or
    full of names, can be taken for one in the other language."""
    return judge(case, Reply(case.answer, case.calls)).is_right


def case_from_dialogue(dialogue: Dialogue, rule: Rule, variant: str = "") -> Case:
    """Everything up to the last assistant message is asked; that message is expected."""
    *asked, expected = dialogue.messages
    return Case(
        skill="",
        rule=rule,
        variant=variant,
        messages=tuple(asked),
        tools=dialogue.tools,
        response_format=dialogue.response_format,
        answer=expected.content,
        reasoning=expected.reasoning_content or "",
        calls=expected.tool_calls,
    )


def case_from_exchange(exchange: Exchange, rule: Rule) -> Case:
    return Case(
        skill="",
        rule=rule,
        messages=(Message(Role.USER, exchange.question),),
        answer=exchange.answer,
        reasoning=exchange.reasoning,
    )


def case_from_passage(passage: Passage) -> Case:
    return Case(
        skill="", rule=Rule.FILL_IN, prompt=passage.prompt, suffix=passage.suffix,
        answer=passage.text,
    )  # fmt: skip


def _of_exchanges(skill: ExchangeSkill, rule: Rule) -> Maker:
    """The first exchange of what a skill of the training draws."""
    return lambda rng, world, _: case_from_exchange(skill(rng, world)[0], rule)


def _topical(draw: Callable[[random.Random, World], tuple[Exchange, Topic]]) -> Maker:
    """Talk has many right answers: what counts is that they are on topic."""

    def make(rng: random.Random, world: World, _: int) -> Case:
        exchange, topics = draw(rng, world)
        case = case_from_exchange(exchange, Rule.TOPICS)
        return msgspec.structs.replace(case, topics=topics)

    return make


def _of_dialogues(draw: Callable[[random.Random, World], Dialogue], rule: Rule) -> Maker:
    return lambda rng, world, _: case_from_dialogue(draw(rng, world), rule)


def _tool_calls(rng: random.Random, world: World, _: int) -> Case:
    dialogue = tools.tool_call_case(rng, world)
    return case_from_dialogue(dialogue, Rule.CALLS, call_variant(dialogue))


def call_variant(dialogue: Dialogue) -> str:
    """What is difficult about a call: that there are several, that one of several tools is right,
    or that none is needed."""
    calls = dialogue.messages[-1].tool_calls
    if not calls:
        return "no call"
    if len(calls) > 1:
        return "parallel"
    return "choice" if len(dialogue.tools) > 1 else "single"


def _fill_in(rng: random.Random, world: World, _: int) -> Case:
    return case_from_passage(code.fim_case(rng, world))


def _needle(rng: random.Random, world: World, number: int) -> Case:
    """All lengths in turn, so that the first few cases have each of them."""
    num_tokens = NEEDLE_TOKENS[number % len(NEEDLE_TOKENS)]
    encode = world.words.tokenizer.encode
    while True:
        case = case_from_dialogue(
            retrieval.needle_case(rng, world, num_tokens), Rule.TEXT, str(num_tokens)
        )
        if abs(len(encode(case.question)) - num_tokens) <= _NEEDLE_TOLERANCE * num_tokens:
            return case


SUBJECTS: Mapping[str, Subject] = {
    "talk": Subject(_topical(conversation.talk_case), 100),
    "platform": Subject(_topical(platform.platform_case), 100),
    "refusals": Subject(_topical(refusals.refusal_case)),
    "tool calls": Subject(_tool_calls, 100, thinks=True),
    "JSON": Subject(_of_dialogues(extraction.json_case, Rule.JSON), 100),
    "arithmetic": Subject(_of_dialogues(arithmetic.sum_case, Rule.NUMBER), 100, thinks=True),
    "word problems": Subject(_of_exchanges(word_problems.word_problems, Rule.NUMBER), thinks=True),
    "classification": Subject(_of_exchanges(classification.classified, Rule.TEXT)),
    "translation": Subject(_of_exchanges(translation.translated, Rule.TEXT)),
    "summaries": Subject(_of_exchanges(summaries.summed_up, Rule.TEXT)),
    "fill in the middle": Subject(_fill_in),
    NEEDLE: Subject(_needle, 64),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.cases", description=__doc__)
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    made = list(cases(load_world(Tokenizer.bundled(), split=Split.HELD_OUT), options.seed))
    write_cases(options.output, made)
    console = Console(highlight=False)
    for skill, count in Counter(case.skill for case in made).items():
        console.print(f"{skill:20} {count:4}")
    console.print(f"{options.output}: {options.output.stat().st_size >> 10} KB")


if __name__ == "__main__":
    main()
