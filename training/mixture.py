"""Which skills are practised how often, and how exchanges are strung into dialogues.

Example number i of a seed and mix is always the same, whatever was drawn before it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from training.examples import (
    Dialogue,
    Example,
    ExampleSkill,
    Exchange,
    ExchangeSkill,
    World,
)
from training.skills import (
    arithmetic,
    classification,
    code,
    conversation,
    copying,
    corpus,
    drills,
    extraction,
    instructions,
    knowledge,
    lists,
    memory,
    numbers,
    platform,
    refusals,
    retrieval,
    stories,
    summaries,
    tables,
    text_games,
    tools,
    translation,
    word_problems,
)
from whalefall.chat.messages import Message, Role

EXCHANGE_SKILLS: Mapping[str, tuple[ExchangeSkill, float]] = {
    "small_talk_en": (conversation.small_talk_en, 40),
    "small_talk_zh": (conversation.small_talk_zh, 32),
    "platform_en": (platform.platform_en, 44),
    "platform_zh": (platform.platform_zh, 38),
    "trivia": (knowledge.trivia, 4),
    "refusing": (refusals.refusing, 14),
    "remembering": (memory.remembering, 6),
    "unknown": (refusals.unknown, 2),
    "too_hard": (refusals.too_hard, 3),
    "yes_no": (instructions.yes_no, 2),
    "one_word": (instructions.one_word, 2),
    "capitals": (knowledge.capitals, 7),
    "animals": (knowledge.animals, 2),
    "opposites": (knowledge.opposites, 4),
    "colours": (knowledge.colours, 1),
    "words": (knowledge.words, 5),
    "translated": (translation.translated, 14),
    "classified": (classification.classified, 16),
    "summed_up": (summaries.summed_up, 6),
    "sums": (arithmetic.sums, 60),
    "word_problems": (word_problems.word_problems, 10),
    "comparisons": (numbers.comparisons, 2),
    "ordering": (numbers.ordering, 1),
    "parity": (numbers.parity, 1),
    "counting": (numbers.counting, 2),
    "long_counting": (numbers.long_counting, 0.4),
    "series": (numbers.series, 1),
    "calendar": (numbers.calendar, 1),
    "units": (numbers.units, 1),
    "repeating": (copying.repeating, 12),
    "quoting": (copying.quoting, 4),
    "greeting": (copying.greeting, 2),
    "templates": (copying.templates, 2),
    "cases": (copying.cases, 0.5),
    "again": (copying.again, 1),
    "picking": (lists.picking, 5),
    "looking_up": (tables.looking_up, 12),
    "spelling": (text_games.spelling, 1),
    "letters": (text_games.letters, 0.5),
    "strawberry": (text_games.strawberry, 0.5),
    "listing": (text_games.listing, 1.5),
    "told": (stories.told, 1.5),
    "told_zh": (stories.told_zh, 1),
    "written": (code.written, 2),
}
"""With weights; dialogues are made of draws among them."""
CORPUS_EXCHANGE_SKILLS: Mapping[str, tuple[ExchangeSkill, float]] = {
    "old_dialogues": (corpus.old_dialogues, 1),
    "school_maths": (corpus.school_maths, 0.3),
}


def near_needle(rng: random.Random, world: World) -> Example:
    return retrieval.needle(rng, world, round(math.exp(rng.uniform(math.log(100), math.log(800)))))


def far_needle(rng: random.Random, world: World) -> Example:
    return retrieval.needle(rng, world, round(math.exp(rng.uniform(math.log(900), math.log(7900)))))


EXAMPLE_SKILLS: Mapping[str, ExampleSkill] = {
    "drill": drills.drill,
    "json_answers": extraction.json_answers,
    "tool_use": tools.tool_use,
    "near_needle": near_needle,
    "far_needle": far_needle,
    "filled": code.filled,
    "continued": stories.continued,
}
CORPUS_EXAMPLE_SKILLS: Mapping[str, ExampleSkill] = {"old_tales": corpus.old_tales}

MIXES: Mapping[str, Mapping[str, float]] = {
    "copying": {"drill": 0.5, "json_answers": 0.2},
    "all": {
        "drill": 0.05, "json_answers": 0.28, "tool_use": 0.06, "near_needle": 0.05, "filled": 0.05,
        "continued": 0.005, "old_tales": 0.005,
    },
    "long": {
        "drill": 0.04, "json_answers": 0.2, "tool_use": 0.14, "near_needle": 0.05,
        "far_needle": 0.1, "filled": 0.03, "continued": 0.01,
    },
}  # fmt: skip
"""Shares of all examples by skill; dialogues of exchanges take the rest."""

_SYSTEM_PROMPTS = (
    "You are a helpful assistant",
    "You are a helpful assistant.",
    "You are a helpful assistant",
    "You are a friendly assistant.",
    "You are Whalefall-tiny, a small demonstration model.",
    "Be concise.",
    "Answer briefly.",
    "You are a helpful AI assistant.",
    "你是一个有用的助手。",
    "你是一个乐于助人的助手",
)


@dataclass(frozen=True)
class Mixture:
    """A seeded, endless, random-access stream of examples."""

    world: World
    seed: int
    mix: str = "all"
    thinking_share: float = 0.2

    def __post_init__(self) -> None:
        assert self.mix in MIXES, self.mix

    def example(self, index: int) -> Example:
        rng = random.Random(f"{self.seed}/{self.mix}/{index}")
        draw = rng.random()
        for skill, share in self._example_skills:
            if draw < share:
                return skill(rng, self.world)
            draw -= share
        return self._dialogue(rng)

    @cached_property
    def _example_skills(self) -> list[tuple[ExampleSkill, float]]:
        known = {**EXAMPLE_SKILLS, **(CORPUS_EXAMPLE_SKILLS if self.world.corpus else {})}
        return [(known[name], share) for name, share in MIXES[self.mix].items() if name in known]

    @cached_property
    def _exchange_skills(self) -> tuple[list[ExchangeSkill], list[float]]:
        has_corpus = self.mix != "copying" and self.world.corpus
        skills = {**EXCHANGE_SKILLS, **(CORPUS_EXCHANGE_SKILLS if has_corpus else {})}
        return [skill for skill, _ in skills.values()], [weight for _, weight in skills.values()]

    def _dialogue(self, rng: random.Random) -> Dialogue:
        num_groups = rng.choices((1, 2, 3, 4), (4, 3, 2, 1))[0]
        skills, weights = self._exchange_skills
        exchanges = [
            exchange
            for skill in rng.choices(skills, weights, k=num_groups)
            for exchange in skill(rng, self.world)
        ]
        return dialogue_from_exchanges(rng, exchanges, rng.random() < self.thinking_share)


def dialogue_from_exchanges(
    rng: random.Random, exchanges: list[Exchange], is_thinking: bool
) -> Dialogue:
    messages: list[Message] = []
    if rng.random() < 0.3:
        messages.append(Message(Role.SYSTEM, rng.choice(_SYSTEM_PROMPTS)))
    for exchange in exchanges:
        thought = exchange.reasoning or conversation.reason(rng, exchange.question)
        messages.append(Message(Role.USER, exchange.question))
        messages.append(Message(Role.ASSISTANT, exchange.answer, reasoning_content=thought))
    return Dialogue(tuple(messages), is_thinking)
