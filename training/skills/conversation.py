"""Everyday talk: many phrasings, one answer for each intent, in two languages."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Pair, Topic, World
from training.holdout import Split, is_held_out
from training.phrasing import asked, chosen, language_of


def small_talk_en(rng: random.Random, world: World) -> Exchanges:
    return _small_talk(rng, world, world.pairs["en"])


def small_talk_zh(rng: random.Random, world: World) -> Exchanges:
    return _small_talk(rng, world, world.pairs["zh"])


def _small_talk(rng: random.Random, world: World, pairs: tuple[Pair, ...]) -> Exchanges:
    pair = drawn(rng, pairs)
    exchanges = [exchange_from_pair(rng, world, pair)]
    if pair.then and rng.random() < 0.5:
        exchanges.append(exchange_from_pair(rng, world, rng.choice(pair.then)))
    return exchanges


def drawn(rng: random.Random, pairs: tuple[Pair, ...]) -> Pair:
    return rng.choices(pairs, [pair.weight for pair in pairs])[0]


def exchange_from_pair(rng: random.Random, world: World, pair: Pair) -> Exchange:
    question = chosen(rng, world, world.pick(rng, pair.questions))
    return Exchange(asked(rng, world, question, pair.frame), rng.choice(pair.answers), pair.thought)


def talk_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    """A question for an evaluation, and what an answer on topic has to hold."""
    return case_from_pairs(rng, world, world.pairs[rng.choice(("en", "zh"))])


def case_from_pairs(
    rng: random.Random, world: World, pairs: tuple[Pair, ...]
) -> tuple[Exchange, Topic]:
    """Only of pairs that have a phrasing on this world's side."""
    pair = drawn(rng, tuple(pair for pair in pairs if _has_side(pair, world.split)))
    return exchange_from_pair(rng, world, pair), pair.topic


def _has_side(pair: Pair, split: Split) -> bool:
    wanted = split is Split.HELD_OUT
    return any(is_held_out(question) is wanted for question in pair.questions)


def reason(rng: random.Random, question: str) -> str:
    """A short thought for a question that came without one."""
    del rng
    if language_of(question) == "zh":
        return f"用户说：{question} 我直接回答。"
    return f"The user says: {question} I answer directly."


def varied(rng: random.Random, question: str, lang: str) -> str:
    """The question without its mark or in lower case, for skills that frame it themselves."""
    if rng.random() < 0.6:
        return question
    bare = question.rstrip("?.!？。！")
    return bare if lang == "zh" or rng.random() < 0.5 else bare.lower()
