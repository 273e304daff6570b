"""Everyday talk: many phrasings, one answer for each intent, in two languages."""

from __future__ import annotations

import random

from training.examples import Exchange, Exchanges, Pair, Topic, World
from training.phrasing import asked, chosen, language_of, phrasing_of

_DRAWS_MAX = 100


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
    """Any phrasing will do for a pair that has none on this world's side."""
    phrasing = phrasing_of(rng, world, pair) or rng.choice(pair.questions)
    return _exchange(rng, world, pair, phrasing)


def _exchange(rng: random.Random, world: World, pair: Pair, phrasing: str) -> Exchange:
    question = asked(rng, world, chosen(rng, world, phrasing), pair.frame)
    return Exchange(question, rng.choice(pair.answers), pair.thought)


def talk_case(rng: random.Random, world: World) -> tuple[Exchange, Topic]:
    """A question for an evaluation, and what an answer on topic has to hold."""
    return case_from_pairs(rng, world, world.pairs[rng.choice(("en", "zh"))])


def case_from_pairs(
    rng: random.Random, world: World, pairs: tuple[Pair, ...]
) -> tuple[Exchange, Topic]:
    """Of pairs that have a phrasing on this world's side, as far as there are any."""
    pair = drawn(rng, pairs)
    for _ in range(_DRAWS_MAX):
        phrasing = phrasing_of(rng, world, pair)
        if phrasing is not None:
            return _exchange(rng, world, pair, phrasing), pair.topic
        pair = drawn(rng, pairs)
    return exchange_from_pair(rng, world, pair), pair.topic


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
