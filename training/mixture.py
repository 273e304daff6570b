"""Which skills are practised how often, and how exchanges are strung into dialogues.

Example number i of a seed is always the same, whatever was drawn before it."""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from training.examples import (
    Dialogue,
    Example,
    ExampleSkill,
    Exchange,
    Exchanges,
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
    "small_talk_en": (conversation.small_talk_en, 20),
    "small_talk_zh": (conversation.small_talk_zh, 14),
    "platform_en": (platform.platform_en, 22),
    "platform_zh": (platform.platform_zh, 16),
    "trivia": (knowledge.trivia, 8),
    "refusing": (refusals.refusing, 6),
    "remembering": (memory.remembering, 6),
    "unknown": (refusals.unknown, 3),
    "too_hard": (refusals.too_hard, 4),
    "yes_no": (instructions.yes_no, 3),
    "one_word": (instructions.one_word, 2),
    "capitals": (knowledge.capitals, 10),
    "animals": (knowledge.animals, 3),
    "opposites": (knowledge.opposites, 4),
    "translated": (translation.translated, 8),
    "classified": (classification.classified, 10),
    "summed_up": (summaries.summed_up, 3),
    "colours": (knowledge.colours, 2),
    "words": (knowledge.words, 4),
    "sums": (arithmetic.sums, 16),
    "word_problems": (word_problems.word_problems, 7),
    "comparisons": (numbers.comparisons, 2),
    "ordering": (numbers.ordering, 1),
    "parity": (numbers.parity, 1),
    "counting": (numbers.counting, 2),
    "long_counting": (numbers.long_counting, 0.5),
    "series": (numbers.series, 1.5),
    "calendar": (numbers.calendar, 1.5),
    "units": (numbers.units, 1),
    "repeating": (copying.repeating, 14),
    "quoting": (copying.quoting, 4),
    "greeting": (copying.greeting, 2),
    "templates": (copying.templates, 2),
    "cases": (copying.cases, 0.5),
    "again": (copying.again, 1),
    "picking": (lists.picking, 7),
    "looking_up": (tables.looking_up, 12),
    "spelling": (text_games.spelling, 1.5),
    "letters": (text_games.letters, 0.7),
    "strawberry": (text_games.strawberry, 0.5),
    "listing": (text_games.listing, 1.5),
    "told": (stories.told, 2),
    "told_zh": (stories.told_zh, 1.5),
    "written": (code.written, 3),
}
EVERYDAY_SKILLS = frozenset({
    conversation.small_talk_en, conversation.small_talk_zh, stories.told, stories.told_zh,
    text_games.strawberry, code.written, refusals.too_hard, refusals.unknown, platform.platform_en,
    platform.platform_zh, knowledge.trivia, refusals.refusing, memory.remembering,
    knowledge.capitals, knowledge.animals, knowledge.opposites, knowledge.colours, knowledge.words,
})  # fmt: skip
CORPUS_EXCHANGE_SKILLS: Mapping[str, tuple[ExchangeSkill, float]] = {
    "old_dialogues": (corpus.old_dialogues, 1.5),
    "school_maths": (corpus.school_maths, 0.3),
}
EXAMPLE_SKILLS: Mapping[str, tuple[ExampleSkill, float]] = {
    "continued": (stories.continued, 0.05),
    "filled": (code.filled, 0.05),
    "json_answers": (extraction.json_answers, 0.07),
    "needle": (retrieval.needle, 0.02),
    "tool_use": (tools.tool_use, 0.05),
}
CORPUS_EXAMPLE_SKILLS: Mapping[str, tuple[ExampleSkill, float]] = {
    "old_tales": (corpus.old_tales, 0.02),
}
"""Shares of all examples; dialogues of exchanges take the rest."""

MIXES = ("all", "long", "talk")
"""What to practise: short things first, or everything. Tool use, long and costly, and the corpus,
hard to learn, are kept for a model that can talk already."""

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
        rng = random.Random(f"{self.seed}/{index}")
        draw = rng.random()
        for skill, share in self._example_skills().values():
            if draw < share:
                return skill(rng, self.world)
            draw -= share
        return self._dialogue(rng)

    def _example_skills(self) -> dict[str, tuple[ExampleSkill, float]]:
        if self.mix == "talk":
            return {name: EXAMPLE_SKILLS[name] for name in ("continued", "filled", "json_answers")}
        return {**EXAMPLE_SKILLS, **(CORPUS_EXAMPLE_SKILLS if self.world.corpus else {})}

    def _dialogue(self, rng: random.Random) -> Dialogue:
        uses_corpus = self.mix == "all" and self.world.corpus
        extra = CORPUS_EXCHANGE_SKILLS if uses_corpus else {}
        skills = list({**EXCHANGE_SKILLS, **extra}.values())
        num_groups = rng.choices((1, 2, 3, 4), (5, 3, 2, 1))[0]
        chosen = rng.choices([s for s, _ in skills], [w for _, w in skills], k=num_groups)
        exchanges = [
            exchange for skill in chosen for exchange in _trainable(skill, rng, self.world)
        ]
        return dialogue_from_exchanges(rng, exchanges, rng.random() < self.thinking_share)


def is_held_out(question: str) -> bool:
    """One in sixteen generated questions, by its text: kept out of training, for evaluation."""
    return zlib.crc32(question.encode()) % 16 == 0


def _trainable(skill: ExchangeSkill, rng: random.Random, world: World) -> Exchanges:
    """A draw without held-out questions. Everyday talk has none: every phrasing is trained."""
    while True:
        exchanges = skill(rng, world)
        if skill in EVERYDAY_SKILLS or not any(is_held_out(e.question) for e in exchanges):
            return exchanges


def dialogue_from_exchanges(
    rng: random.Random, exchanges: list[Exchange], is_thinking: bool
) -> Dialogue:
    messages: list[Message] = []
    if rng.random() < 0.4:
        messages.append(Message(Role.SYSTEM, rng.choice(_SYSTEM_PROMPTS)))
    for exchange in exchanges:
        thought = exchange.reasoning or conversation.reason(rng, exchange.question)
        messages.append(Message(Role.USER, exchange.question))
        messages.append(Message(Role.ASSISTANT, exchange.answer, reasoning_content=thought))
    return Dialogue(tuple(messages), is_thinking)
